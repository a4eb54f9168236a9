/* --- clicks and keys ------------------------------------------------------------------------------------- */

const ACTS = {
  ask: at => send(at.textContent),
  attach: () => give(null),
  closeside: closeSide,
  again: at => turns.again(at),
  copy: at => copy(words(at.closest('.reply')), t('Reply copied with its sources')),
  demo: () => { openSide(); tab('documents'); trigger('do_source', { act: 'demo' }); },
  dismiss: at => trigger('do_source', { act: 'dismiss', source: at.dataset.number }),
  document: at => openDocument(at.dataset.turn, at.dataset.number),
  earlier: () => { state.stick = false; trigger('do_earlier', {}); },
  export: () => trigger('do_change', { act: 'export', id: state.conversation, form: 'md' }),
  edit: at => turns.edit(at.closest('.turn')),
  keys: help,
  library: () => library.back(),
  more: () => trigger('do_find', { search: $('#find').value, more: true }),
  nav: () => { shell().classList.add('nav-open'); $('#new').focus(); },
  new: fresh,
  picture: () => $('#pictures').click(),
  quote: at => copy(at.dataset.text, t('Quote copied')),
  rate: at => turns.rate(at),
  refresh: at => trigger('do_source', { act: 'refresh', source: at.dataset.source }),
  remove: at => trigger('do_source', { act: 'remove', source: at.dataset.source }),
  report: at => turns.report(at),
  role: at => {
    const { role } = at.dataset;
    trigger('do_role', { role });
    const within = at.closest('#side') ? '.role-list' : '.roles';
    reach(() => $(`${within} [aria-pressed=true][data-role="${CSS.escape(role)}"]`), button => button.focus());
  },
  retry: () => { state.stick = true; trigger('do_retry', {}); },
  side: () => { if (narrow() || shell().classList.contains('no-side')) openSide(); else shell().classList.add('no-side'); },
  settings: () => { openSide(); tab('settings', true); },
  share: () => trigger('do_change', { act: 'share', id: state.conversation }),
  skip: () => message().focus(),
  source: at => library.open(at.dataset.source),
  sources: at => show(at.dataset.turn, 'sources'),
  stop,
  theme: flip,
  use: at => turns.act(at.dataset.turn, 'use', { rank: at.dataset.rank }),
  version: at => turns.act(at.dataset.turn, 'version'),
  why: at => show(at.dataset.turn, 'why'),
};
document.addEventListener('click', event => {
  const at = event.target;
  if (!at.closest('.menu') && !at.closest('.dots')) menu.close();
  if (at === shell() && narrow()) return shell().classList.remove('nav-open', 'side-open');
  const link = at.closest('.cite');
  if (link) { event.preventDefault(); return source(link.dataset.turn, link.dataset.number); }
  const dots = at.closest('.dots');
  if (dots) return menu.open(dots);
  const chosen = at.closest('#rows .conversation a');
  if (chosen && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    shell().classList.remove('nav-open');
    const row = chosen.closest('.conversation');
    return trigger('do_open', { id: row.dataset.id, turn: row.dataset.turn || '' });
  }
  const name = at.closest('[role=tab]');
  if (name) return tab(name.id.slice(4));
  const act = at.closest('[data-act]');
  if (act && ACTS[act.dataset.act]) { if (act.tagName === 'A') event.preventDefault(); ACTS[act.dataset.act](act); }
});
