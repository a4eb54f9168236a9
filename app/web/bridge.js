/* The page's script. It runs once, inside Gradio's bridge component, which gives it `trigger` (send an event),
   `props` (the last signal of the server) and `watch`. All listeners sit on `document`, so that repainting
   any part of the page loses none of them. Text from the server is only ever set as textContent. */

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const shell = () => $('#shell');
const message = () => $('#message');
const narrow = () => matchMedia('(max-width: 960px)').matches;
const calm = () => matchMedia('(prefers-reduced-motion: reduce)').matches;
const state = { conversation: null, serial: 0, busy: false, sending: 0, shown: '', stick: true, back: null, seek: '' };

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

/* --- words to the user ----------------------------------------------------------------------------------- */

const say = text => { $('#status').textContent = ''; setTimeout(() => { $('#status').textContent = text; }, 40); };
const toast = text => {
  $$('.toast').forEach(old => old.remove());
  const note = make('div', 'toast', text);
  (shell() || document.body).append(note);
  say(text);
  setTimeout(() => note.remove(), Math.max(2600, text.length * 60));
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
  for (const [label, look, act] of [...actions, ...(actions.length ? [] : [['Close', '', null]])]) {
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
const KEYS = [['Enter', 'Send'], ['Shift + Enter', 'New line'], ['Esc', 'Stop, or close the panel'], ['/', 'Write a message'],
  ['Ctrl + K', 'Search conversations'], ['Ctrl + Shift + O', 'New conversation'], ['Alt + 1 … 9', 'That source of the last reply'], ['?', 'This list']];
const help = () => {
  const list = make('dl');
  for (const [key, what] of KEYS) { const name = make('dt'); name.append(make('kbd', '', key)); list.append(name, make('dd', '', what)); }
  ask('Keyboard shortcuts', list);
};

/* --- light and dark -------------------------------------------------------------------------------------- */

const system = matchMedia('(prefers-color-scheme: dark)');
const paint = () => {
  const wish = keep(localStorage, 'candor-theme'), dark = document.body.classList.toggle('dark', wish ? wish === 'dark' : system.matches);
  document.documentElement.style.colorScheme = dark ? 'dark' : 'light';
};
const flip = () => {
  const dark = !document.body.classList.contains('dark');
  keep(localStorage, 'candor-theme', dark === system.matches ? null : dark ? 'dark' : 'light');
  paint();
};
system.addEventListener('change', paint);
paint();

/* --- panels ---------------------------------------------------------------------------------------------- */

const TABS = ['sources', 'why', 'documents'];
const tab = (name, focus) => {
  $('#side').dataset.tab = name;
  for (const key of TABS) {
    const button = $(`#tab-${key}`), on = key === name;
    button.setAttribute('aria-selected', String(on));
    button.tabIndex = on ? 0 : -1;
    if (on && focus) button.focus();
  }
  if (name === 'documents') trigger('do_list', {});
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
const reach = (find, then, tries = 60) => {
  const node = find();
  if (node) then(node); else if (tries) setTimeout(() => reach(find, then, tries - 1), 50);
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
const openDocument = (turn, number) => {
  trigger('do_document', { turn, number });
  reach(() => $('#pane-sources .document .text'), text => {
    text.focus({ preventScroll: true });
    const mark = $('mark', text);
    if (mark) mark.scrollIntoView({ block: 'center' });
  });
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

/* --- the menu of a conversation -------------------------------------------------------------------------- */

const menu = {
  node: null, owner: null,
  close() { if (this.node) this.node.remove(); if (this.owner) this.owner.setAttribute('aria-expanded', 'false'); this.node = null; },
  open(owner) {
    this.close();
    const row = owner.closest('.conversation'), id = row.dataset.id, title = $('a', row).textContent;
    const change = (act, more) => trigger('do_change', { act, id, ...more });
    const remove = () => ask('Delete this conversation?', `“${title}” will be removed with all its messages. This cannot be undone.`,
      [['Cancel', '', null], ['Delete', 'danger', () => change('delete')]]);
    const items = [['Rename', () => rename(row, id)], ['Pin or unpin', () => change('pin')], ['Download as Markdown', () => change('export', { form: 'md' })],
      ['Download as JSON', () => change('export', { form: 'json' })], ['Delete', remove]];
    const node = make('div', 'menu');
    node.setAttribute('role', 'menu');
    node.setAttribute('aria-label', `Actions for ${title}`);
    for (const [label, act] of items) {
      const item = make('button', label === 'Delete' ? 'danger' : '', label);
      item.type = 'button';
      item.setAttribute('role', 'menuitem');
      item.onclick = () => { this.close(); act(); };
      node.append(item);
    }
    node.addEventListener('keydown', event => {
      const all = $$('button', node), at = all.indexOf(document.activeElement);
      const move = { ArrowDown: at + 1, ArrowUp: at - 1 + all.length, Home: 0, End: all.length - 1 }[event.key];
      if (move !== undefined) { event.preventDefault(); all[move % all.length].focus(); }
      if (event.key === 'Escape' || event.key === 'Tab') { event.preventDefault(); event.stopPropagation(); this.close(); owner.focus(); }
    });
    shell().append(node);
    const at = owner.getBoundingClientRect();
    node.style.left = `${Math.min(at.left, innerWidth - node.offsetWidth - 8)}px`;
    node.style.top = `${Math.min(at.bottom + 4, innerHeight - node.offsetHeight - 8)}px`;
    owner.setAttribute('aria-expanded', 'true');
    this.node = node; this.owner = owner;
    node.firstChild.focus();
  },
};
const rename = (row, id) => {
  const link = $('a', row), field = make('input', 'rename'), before = link.textContent;
  let over = false;
  Object.assign(field, { value: before, maxLength: 200 });
  field.setAttribute('aria-label', 'New title');
  const end = good => {
    if (over) return;
    over = true;
    const title = field.value.trim();
    field.replaceWith(link);
    if (good && title && title !== before) { link.textContent = title; trigger('do_change', { act: 'rename', id, title }); } else link.focus();
  };
  field.addEventListener('keydown', event => {
    event.stopPropagation();
    if (event.key === 'Enter' && !event.isComposing) end(true);
    if (event.key === 'Escape') end(false);
  });
  field.addEventListener('blur', () => end(true));
  link.replaceWith(field);
  field.select();
};

/* --- writing --------------------------------------------------------------------------------------------- */

const grow = () => { const box = message(); if (box) { box.style.height = 'auto'; box.style.height = `${Math.min(box.scrollHeight, 220)}px`; } };
const pictures = {
  list: [], kinds: /^image\/(png|jpeg|webp|gif)$/,
  take(files) {
    const { most, bytes } = $('#pictures').dataset;
    for (const file of files) {
      if (!this.kinds.test(file.type)) toast(`“${file.name}” is no PNG, JPEG, WebP or GIF picture.`);
      else if (file.size > +bytes) toast(`“${file.name}” is larger than ${Math.floor(bytes / 1e6)} MB. Make it smaller first.`);
      else if (this.list.length >= +most) { toast(`A message takes ${most} pictures. Send the others with the next one.`); break; }
      else this.add(file);
    }
    message().focus();
  },
  async add(file) {
    const item = { name: file.name, url: URL.createObjectURL(file), id: '' };
    this.list.push(item);
    this.paint();
    try {
      const answer = await fetch(`/pictures?name=${encodeURIComponent(file.name)}`, { method: 'POST', body: file });
      const said = await answer.json();
      if (!said.id) throw new Error(said.error);
      item.id = said.id;
      say(`Picture ${file.name} added`);
    } catch (error) {
      this.drop(item);
      const reason = error instanceof TypeError || !error.message ? 'it could not be sent to the server' : error.message;
      toast(`The picture was not added: ${reason}.`);
    }
    this.paint();
  },
  drop(item) {
    URL.revokeObjectURL(item.url);
    this.list = this.list.filter(other => other !== item);
    this.paint();
  },
  clear() { for (const item of this.list) URL.revokeObjectURL(item.url); this.list = []; this.paint(); },
  paint() {
    const row = $('#previews');
    row.hidden = !this.list.length;
    row.replaceChildren(...this.list.map(item => {
      const place = make('li', item.id ? '' : 'pending'), picture = make('img'), button = make('button', 'off');
      Object.assign(picture, { src: item.url, alt: `Picture ${item.name}` });
      button.type = 'button';
      button.title = 'Remove';
      button.setAttribute('aria-label', `Remove picture ${item.name}`);
      button.append(make('span', '', '×'));
      button.onclick = () => { this.drop(item); say(`Picture ${item.name} removed`); message().focus(); };
      place.append(picture, button);
      return place;
    }));
  },
};
const send = text => {
  if (state.sending > Date.now()) return;
  if (pictures.list.some(item => !item.id)) return toast('A picture is still on its way. Send again in a moment.');
  const limit = +message().dataset.limit, length = [...text].length, said = number => number.toLocaleString('en');
  if (!text.trim() && !pictures.list.length) return message().focus();
  if (length > limit) return toast(`This message has ${said(length)} characters; ${said(limit)} are the most. Please shorten it.`);
  state.sending = Date.now() + 5000;
  state.stick = true;
  trigger('do_send', { text, pictures: pictures.list.map(item => item.id), role: $('.roles [aria-pressed=true]')?.dataset.role || '' });
};
const stop = () => { if (state.busy) { say('Stopping'); trigger('do_stop', {}); } return state.busy; };
const fresh = () => { shell().classList.remove('nav-open'); trigger('do_open', { id: '' }); };
const words = reply => {
  const body = $('.words', reply).cloneNode(true), from = new Map();
  for (const link of $$('.cite', body)) { from.set(link.dataset.number, link.dataset); link.replaceWith(` [${link.dataset.number}]`); }
  const text = [...body.children].map(block => block.innerText || block.textContent).map(part => part.trim()).join('\n\n');
  const list = [...from].map(([number, data]) => `[${number}] ${[data.title, data.place].filter(Boolean).join(', ')}: “${data.quote}”`);
  return list.length ? `${text}\n\nSources\n${list.join('\n')}` : text;
};
let typing = 0;
document.addEventListener('input', event => {
  if (event.target.id === 'message') { grow(); keep(sessionStorage, 'candor-draft', event.target.value || null); }
  if (event.target.id === 'find') { clearTimeout(typing); typing = setTimeout(() => trigger('do_find', { search: event.target.value }), 180); }
});
document.addEventListener('submit', event => { if (event.target.matches('.box')) { event.preventDefault(); send(message().value); } });
const isPicture = file => file.type.startsWith('image/');
const give = files => {
  openSide();
  tab('documents');
  if (files?.length) documents.add(files); else $('#drop input').click();
};
document.addEventListener('dragover', event => { if (event.dataTransfer.types.includes('Files')) event.preventDefault(); });
document.addEventListener('drop', event => {
  if (!event.dataTransfer.files.length) return;
  event.preventDefault();
  const files = [...event.dataTransfer.files], papers = files.filter(file => !isPicture(file));
  if (files.some(isPicture)) pictures.take(files.filter(isPicture));
  if (papers.length) give(papers);
});
document.addEventListener('paste', event => {
  const files = [...(event.clipboardData?.files || [])].filter(isPicture);
  if (files.length && !event.target.closest('input')) { event.preventDefault(); pictures.take(files); }
});
document.addEventListener('change', event => {
  if (event.target.type !== 'file') return;
  const files = [...event.target.files];
  if (event.target.id === 'pictures') pictures.take(files); else documents.add(files);
  event.target.value = '';
});

/* --- clicks and keys ------------------------------------------------------------------------------------- */

const ACTS = {
  ask: at => send(at.textContent),
  attach: () => give(null),
  closeside: closeSide,
  copy: at => copy(words(at.closest('.reply')), 'Reply copied'),
  document: at => openDocument(at.dataset.turn, at.dataset.number),
  earlier: () => { state.stick = false; trigger('do_earlier', {}); },
  export: () => trigger('do_change', { act: 'export', id: state.conversation, form: 'md' }),
  keys: help,
  link: () => copy(location.href, 'Link copied'),
  more: () => trigger('do_find', { search: $('#find').value, more: true }),
  nav: () => { shell().classList.add('nav-open'); $('#new').focus(); },
  new: fresh,
  picture: () => $('#pictures').click(),
  quote: at => copy(at.dataset.text, 'Quote copied'),
  remove: at => ask('Remove this document?', 'Replies can no longer cite it. Earlier replies keep their quotes.',
    [['Cancel', '', null], ['Remove', 'danger', () => trigger('do_remove', { source: at.dataset.source })]]),
  role: at => {
    const { role } = at.dataset;
    trigger('do_role', { role });
    reach(() => $(`.roles [aria-pressed=true][data-role="${CSS.escape(role)}"]`), button => button.focus());
  },
  retry: () => { state.stick = true; trigger('do_retry', {}); },
  side: () => { if (narrow() || shell().classList.contains('no-side')) openSide(); else shell().classList.add('no-side'); },
  skip: () => message().focus(),
  sources: at => show(at.dataset.turn, 'sources'),
  stop,
  theme: flip,
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
    return trigger('do_open', { id: chosen.closest('.conversation').dataset.id });
  }
  const name = at.closest('[role=tab]');
  if (name) return tab(name.id.slice(4));
  const act = at.closest('[data-act]');
  if (act && ACTS[act.dataset.act]) { if (act.tagName === 'A') event.preventDefault(); ACTS[act.dataset.act](act); }
});
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
    const step = { ArrowRight: 1, ArrowLeft: 2 }[event.key];
    if (step) { event.preventDefault(); return tab(TABS[(TABS.indexOf(at.id.slice(4)) + step) % 3], true); }
  }
  if (event.key === 'Escape') return escape(event);
  if (mod && key === 'k') { event.preventDefault(); if (narrow()) shell().classList.add('nav-open'); return $('#find').focus(); }
  if (mod && event.shiftKey && key === 'o') { event.preventDefault(); return fresh(); }
  if (event.altKey && /^[1-9]$/.test(event.key)) {
    const last = $$('#log .cite').pop();
    if (last) { event.preventDefault(); source(last.dataset.turn, event.key); }
    return undefined;
  }
  if (writing || mod || event.altKey) return undefined;
  if (event.key === '/') { event.preventDefault(); return message().focus(); }
  return event.key === '?' ? help() : undefined;
});

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
  if (said.title !== undefined) {
    if (said.conversation !== state.conversation) { state.stick = true; address(said.conversation); }
    state.conversation = said.conversation;
    state.shown = said.turn;
    document.title = said.conversation ? `${said.title} · Candor` : 'Candor';
    requestAnimationFrame(tidy);
  }
  if (said.sent) {
    message().value = '';
    pictures.clear();
    keep(sessionStorage, 'candor-draft', null);
    grow();
    if ($('#find').value) $('#find').value = '';
  }
  if (said.focus && !narrow()) message().focus();
  if (said.say) say(said.say);
  if (said.toast) toast(said.toast);
  if (said.file) save(said.file);
};
watch('value', apply);
apply();

/* --- upkeep: roles on Gradio's boxes, and the scroll position --------------------------------------------- */

const role = (selector, attributes) => {
  const node = $(selector);
  if (node) for (const [name, value] of Object.entries(attributes)) if (node.getAttribute(name) !== value) node.setAttribute(name, value);
};
const tidy = () => {
  role('#nav', { role: 'navigation', 'aria-label': 'Conversations' });
  role('#side', { role: 'complementary', 'aria-label': 'Sources, scores and documents' });
  role('#scroll', { role: 'log', 'aria-live': 'off', 'aria-label': 'Conversation', tabindex: '0' });
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
