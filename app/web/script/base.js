/* The page's script. It runs once, inside Gradio's bridge component, which gives it `trigger` (send an event),
   `props` (the last signal of the server) and `watch`. All listeners sit on `document`, so that repainting
   any part of the page loses none of them. Text from the server is only ever set as textContent. */

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const shell = () => $('#shell');
const message = () => $('#message');
const narrow = () => matchMedia('(max-width: 960px)').matches;
const calm = () => matchMedia('(prefers-reduced-motion: reduce)').matches;
const state = { conversation: null, serial: 0, busy: false, sending: 0, shown: '', stick: true, back: null, words: {} };

/* The English sentence in the language of the page, its {names} filled in. */
const t = (english, values = {}) => (state.words[english] || english).replace(/\{(\w+)\}/g, (whole, name) => name in values ? values[name] : whole);
const make = (tag, name, text) => {
  const node = document.createElement(tag);
  if (name) node.className = name;
  if (text !== undefined) node.textContent = text;
  return node;
};
const keep = (area, key, value) => {
  try {
    if (value === undefined) return area.getItem(key);
    if (value === null) area.removeItem(key); else area.setItem(key, value);
  } catch { /* storage may be off */ }
  return null;
};
const reach = (find, then, tries = 60) => {
  const node = find();
  if (node) then(node); else if (tries) setTimeout(() => reach(find, then, tries - 1), 50);
};
