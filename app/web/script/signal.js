/* --- what the server says -------------------------------------------------------------------------------- */

const save = file => {
  const link = make('a'), href = URL.createObjectURL(new Blob([file.text], { type: 'text/plain;charset=utf-8' }));
  Object.assign(link, { href, download: file.name }).click();
  setTimeout(() => URL.revokeObjectURL(href), 5000);
};
const address = id => {
  const url = new URL(location.href);
  if (id) url.searchParams.set('c', id); else url.searchParams.delete('c');
  if (url.href === location.href) return;
  if (state.conversation === null) history.replaceState(null, '', url); else history.pushState(null, '', url);
};
addEventListener('popstate', () => { state.conversation = null; trigger('do_open', { id: new URL(location.href).searchParams.get('c') || '' }); });
const apply = () => {
  const said = props.value || {};
  if (!said.serial || said.serial === state.serial) return;
  state.serial = said.serial;
  state.sending = 0;
  state.busy = Boolean(said.busy);
  reach(() => $('#stop'), button => { button.hidden = !state.busy; $('#send').hidden = state.busy; });
  if (said.language) { document.documentElement.lang = said.language; state.words = said.words || {}; }
  if (said.title !== undefined) {
    if (said.conversation !== state.conversation) { state.stick = !said.seek; address(said.conversation); } else if (said.stay) state.stick = false;
    state.conversation = said.conversation;
    state.shown = said.turn;
    document.title = said.conversation ? `${said.title} · Candor` : 'Candor';
    requestAnimationFrame(tidy);
  }
  if (said.notice) $('#dock .model').textContent = said.notice;
  if (said.sent) {
    message().value = '';
    pictures.clear();
    keep(sessionStorage, 'candor-draft', null);
    grow();
    if ($('#find').value) $('#find').value = '';
  }
  if (said.focus && !narrow()) message().focus();
  if (said.say) say(said.say);
  if (said.toast) toast(said.toast, said.undo);
  if (said.file) save(said.file);
  if (said.share) shared(said.share);
  if (said.linked && $('#link')) $('#link').value = '';
  if (said.seek) seek(said.seek);
  if (said.changed) others.postMessage({ conversation: said.conversation });
};
/* the turn that a search found */
const seek = turn => reach(() => $(`#log .turn[data-turn="${CSS.escape(turn)}"]`), node => {
  node.scrollIntoView({ block: 'start' });
  node.classList.add('sought');
  setTimeout(() => node.classList.remove('sought'), 2500);
});
/* what changes on one page shows on the others */
const others = new BroadcastChannel('candor');
others.onmessage = ({ data }) => {
  const own = data.conversation === state.conversation && !$('.editing');
  if (own && state.conversation) trigger('do_open', { id: state.conversation, quiet: true });
  else trigger('do_find', { search: $('#find').value });
};
watch('value', apply);
apply();

/* --- upkeep: roles on Gradio's boxes, and the scroll position --------------------------------------------- */

const role = (selector, attributes) => {
  const node = $(selector);
  if (node) for (const [name, value] of Object.entries(attributes)) if (node.getAttribute(name) !== value) node.setAttribute(name, value);
};
const tidy = () => {
  role('#nav', { role: 'navigation', 'aria-label': t('Conversations') });
  role('#side', { role: 'complementary', 'aria-label': t('Sources, scores and documents') });
  role('#scroll', { role: 'log', 'aria-live': 'off', 'aria-label': t('Conversation'), tabindex: '0' });
  for (const key of TABS) role(`#pane-${key}`, { role: 'tabpanel', 'aria-labelledby': `tab-${key}`, tabindex: '0' });
  // a stage that was on its way when another conversation was opened arrives after it
  const running = $('#live [data-conversation]');
  if (running) running.style.display = running.dataset.conversation === state.conversation ? '' : 'none';
  const area = $('#scroll');
  if (area && state.stick && area.scrollTop + area.clientHeight < area.scrollHeight) area.scrollTop = area.scrollHeight;
};
document.addEventListener('scroll', event => {
  if (event.target.id === 'scroll') state.stick = event.target.scrollHeight - event.target.scrollTop - event.target.clientHeight < 80;
}, true);
let planned = 0;
new MutationObserver(() => { planned ||= requestAnimationFrame(() => { planned = 0; tidy(); }); }).observe(document.body, { childList: true, subtree: true });
reach(() => message(), box => {
  const draft = keep(sessionStorage, 'candor-draft');
  if (draft && !box.value) { box.value = draft; grow(); }
  if (!narrow()) box.focus();
});
