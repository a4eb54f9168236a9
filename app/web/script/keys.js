/* --- keys ------------------------------------------------------------------------------------------------ */

const escape = event => {
  if ($('dialog[open]') || menu.node) return;
  if (card.node) { card.hide(); return; }
  if (stop()) { event.preventDefault(); return; }
  if (narrow()) { const open = shell().classList.contains('side-open'); shell().classList.remove('nav-open'); if (open) closeSide(); }
  else if ($('#side').contains(document.activeElement)) closeSide();
};
document.addEventListener('keydown', event => {
  const at = event.target, writing = /^(INPUT|TEXTAREA|SELECT)$/.test(at.tagName), mod = event.ctrlKey || event.metaKey, key = event.key.toLowerCase();
  if (at.id === 'message' && event.key === 'Enter' && !event.shiftKey && !event.isComposing && event.keyCode !== 229) { event.preventDefault(); return send(at.value); }
  if (at.getAttribute && at.getAttribute('role') === 'tab') {
    const step = { ArrowRight: 1, ArrowLeft: TABS.length - 1 }[event.key];
    if (step) { event.preventDefault(); return tab(TABS[(TABS.indexOf(at.id.slice(4)) + step) % TABS.length], true); }
  }
  if (event.key === 'Escape') return escape(event);
  if (mod && key === 'k') { event.preventDefault(); if (narrow()) shell().classList.add('nav-open'); return $('#find').focus(); }
  if (mod && event.shiftKey && key === 'o') { event.preventDefault(); return fresh(); }
  if (at.id === 'message' && event.key === 'ArrowUp' && !at.value && turns.last()) { event.preventDefault(); return turns.edit(turns.last()); }
  if (event.altKey && !writing && /^(ArrowLeft|ArrowRight)$/.test(event.key)) {
    const [before, after] = $$('.versions button', turns.last());
    event.preventDefault();
    return (event.key === 'ArrowLeft' ? before : after)?.click();
  }
  if (event.altKey && key === 'r') { event.preventDefault(); return $('[data-act=again]', turns.last())?.click(); }
  if (event.altKey && /^[1-9]$/.test(event.key)) {
    const last = $$('#log .cite').pop();
    if (last) { event.preventDefault(); source(last.dataset.turn, event.key); }
    return undefined;
  }
  if (writing || mod || event.altKey) return undefined;
  if (event.key === '/') { event.preventDefault(); return message().focus(); }
  return event.key === '?' ? help() : undefined;
});
