/* --- panels ---------------------------------------------------------------------------------------------- */

const TABS = ['sources', 'why', 'documents', 'settings'];
const tab = (name, focus) => {
  $('#side').dataset.tab = name;
  for (const key of TABS) {
    const button = $(`#tab-${key}`), on = key === name;
    button.setAttribute('aria-selected', String(on));
    button.tabIndex = on ? 0 : -1;
    if (on && focus) button.focus();
  }
  $(`#pane-${name}`)?.scrollTo(0, 0);
  if (name === 'documents') trigger('do_list', {});
  if (name === 'settings') looks.fill();
};
const openSide = () => {
  if (!$('#side').contains(document.activeElement)) state.back = document.activeElement;
  if (narrow()) { shell().classList.remove('nav-open'); shell().classList.add('side-open'); } else shell().classList.remove('no-side');
};
const closeSide = () => {
  if (narrow()) shell().classList.remove('side-open'); else shell().classList.add('no-side');
  if (state.back?.isConnected) state.back.focus();
};
const show = (turn, name) => {
  openSide();
  tab(name);
  if (turn && (state.shown !== turn || $('#pane-sources .document'))) { state.shown = turn; trigger('do_show', { turn }); }
};
const source = (turn, number) => {
  card.hide();
  show(turn, 'sources');
  $$('#log .cite').forEach(link => link.classList.toggle('on', link.dataset.turn === turn && link.dataset.number === number));
  reach(() => document.getElementById(`source-${turn}-${number}`), item => {
    $$('.source.on').forEach(other => other.classList.remove('on'));
    item.classList.add('on');
    item.scrollIntoView({ block: 'nearest', behavior: calm() ? 'auto' : 'smooth' });
    item.focus({ preventScroll: true });
  });
};
/* A document is painted in its pane: scroll to the sentence that is marked there, or to the top. */
const opened = pane => reach(() => { const text = $(`${pane} .document .text`); return text && !text.dataset.seen ? text : null; }, text => {
  text.dataset.seen = 'yes';
  text.focus({ preventScroll: true });
  const mark = $('mark', text);
  if (mark) mark.scrollIntoView({ block: 'center' }); else $(pane).closest('[role=tabpanel]')?.scrollTo(0, 0);
});
const openDocument = (turn, number) => {
  trigger('do_document', { turn, number });
  $$('#log .cite').forEach(link => link.classList.toggle('on', link.dataset.turn === turn && link.dataset.number === number));
  opened('#pane-sources');
};
const library = {
  open(source) { $('#pane-documents').classList.add('reading'); trigger('do_source', { act: 'open', source }); opened('#opened'); },
  back() { $('#pane-documents').classList.remove('reading'); $('#opened .document')?.remove(); $('#seek')?.focus(); },
};

/* --- the card over a number ------------------------------------------------------------------------------ */

const card = {
  node: null,
  hide() { if (this.node) this.node.remove(); this.node = null; },
  show(link) {
    this.hide();
    const { title, place, quote } = link.dataset, node = make('div', 'peek');
    node.id = 'peek';
    node.setAttribute('role', 'tooltip');
    node.append(make('b', '', title));
    if (place) node.append(make('small', '', place));
    node.append(make('q', '', quote.length > 320 ? `${quote.slice(0, 320)}…` : quote));
    shell().append(node);
    link.setAttribute('aria-describedby', 'peek');
    const at = link.getBoundingClientRect(), above = at.top > node.offsetHeight + 16;
    node.style.left = `${Math.max(8, Math.min(at.left - 20, innerWidth - node.offsetWidth - 8))}px`;
    node.style.top = `${above ? at.top - node.offsetHeight - 8 : at.bottom + 8}px`;
    this.node = node;
  },
};
const citeOf = event => event.target.closest && event.target.closest('#log .cite');
const peek = (link, wanted) => { if (link && wanted) card.show(link); else card.hide(); };
document.addEventListener('mouseover', event => { if (matchMedia('(hover: hover)').matches) peek(citeOf(event), true); });
document.addEventListener('focusin', event => { const link = citeOf(event); peek(link, link && link.matches(':focus-visible')); });
document.addEventListener('scroll', () => card.hide(), true);
