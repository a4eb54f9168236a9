// Keys for raters, and the cascade: what makes no sense is not asked to be specific, nor what is not specific interesting.
"use strict";
(() => {
  const form = document.getElementById("answers");
  if (!form) return;
  const asked = [...form.querySelectorAll("fieldset")];
  const above = { specific: "sensible", interesting: "specific" };
  const given = name => (form.querySelector(`input[name=${name}]:checked`) || {}).value;
  const skipped = name => name in above && (given(above[name]) === "no" || skipped(above[name]));
  const open = () => asked.filter(one => !one.hidden);
  let now = 0;

  function show() {
    for (const one of asked) {
      one.hidden = skipped(one.id);
      for (const input of one.querySelectorAll("input")) input.disabled = one.hidden;
    }
    asked.forEach((one, at) => one.classList.toggle("now", at === now));
  }

  function move(step) {
    let at = now + step;
    while (asked[at] && asked[at].hidden) at += step;
    if (!asked[at]) return false;
    now = at;
    asked[now].scrollIntoView({ block: "nearest" });
    show();
    return true;
  }

  function answer(value) {
    const input = asked[now].querySelector(`input[value=${value}]`);
    if (!input) return;
    input.checked = true;
    show();
    if (!move(1)) form.querySelector("button").focus();
  }

  document.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.key.toLowerCase();
    const said = { y: "yes", n: "no", x: "none" }[key];
    if (said) answer(said);
    else if (key === "arrowdown") move(1);
    else if (key === "arrowup") move(-1);
    else if (key === "b") form.querySelector("[data-key=back]")?.click();
    else if (key === "enter" && !event.target.matches("a, button, summary")) form.requestSubmit();
    else return;
    event.preventDefault();
  });
  form.addEventListener("change", event => {
    now = Math.max(asked.indexOf(event.target.closest("fieldset")), 0);
    show();
  });
  now = Math.max(asked.findIndex(one => !given(one.id) && !one.hidden), 0);
  show();
})();
