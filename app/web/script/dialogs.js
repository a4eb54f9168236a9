/* --- words to the user ----------------------------------------------------------------------------------- */

const say = text => { $('#status').textContent = ''; setTimeout(() => { $('#status').textContent = text; }, 40); };
/* `undo` is an event that takes back what was done, with what goes along with it. */
const toast = (text, undo) => {
  $$('.toast').forEach(old => old.remove());
  const note = make('div', 'toast', text);
  if (undo) {
    const { event, ...along } = undo, button = make('button', 'undo', t('Undo'));
    button.type = 'button';
    button.onclick = () => { note.remove(); trigger(event, along); };
    note.append(button);
  }
  (shell() || document.body).append(note);
  say(text);
  setTimeout(() => note.remove(), undo ? 7500 : Math.max(2600, text.length * 60));
};
const copy = async (text, done) => {
  try { await navigator.clipboard.writeText(text); } catch {
    const area = make('textarea'); area.value = text; document.body.append(area); area.select();
    document.execCommand('copy'); area.remove();
  }
  toast(done);
};
const ask = (title, body, actions = []) => {
  const box = make('dialog', 'dialog'), head = make('div', 'top'), row = make('div', 'actions');
  box.setAttribute('aria-label', title);
  head.append(make('b', '', title));
  box.append(head, typeof body === 'string' ? make('p', '', body) : body);
  for (const [label, look, act] of [...actions, ...(actions.length ? [] : [[t('Close'), '', null]])]) {
    const button = make('button', `btn ${look}`, label);
    button.type = 'button';
    button.onclick = () => { box.close(); if (act) act(); };
    row.append(button);
  }
  box.append(row);
  box.addEventListener('click', event => { if (event.target === box) box.close(); });
  box.addEventListener('close', () => box.remove());
  shell().append(box);
  box.showModal();
  return box;
};
const KEYS = [['Enter', 'Send'], ['Shift + Enter', 'New line'], ['Esc', 'Stop, or close the panel'], ['↑', 'Edit the last message'],
  ['/', 'Write a message'], ['Ctrl + K', 'Search conversations'], ['Ctrl + Shift + O', 'New conversation'], ['Alt + 1 … 9', 'That source of the last reply'],
  ['Alt + ← →', 'Earlier or later version'], ['Alt + R', 'Write another reply'], ['?', 'This list']];
const help = () => {
  const list = make('dl');
  for (const [key, what] of KEYS) { const name = make('dt'); name.append(make('kbd', '', key)); list.append(name, make('dd', '', t(what))); }
  ask(t('Keyboard shortcuts'), list);
};
