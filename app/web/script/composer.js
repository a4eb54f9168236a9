/* --- writing --------------------------------------------------------------------------------------------- */

const grow = () => { const box = message(); if (box) { box.style.height = 'auto'; box.style.height = `${Math.min(box.scrollHeight, 220)}px`; } };
const send = text => {
  if (state.sending > Date.now()) return;
  if (pictures.list.some(item => !item.id)) return toast(t('A picture is still on its way. Send again in a moment.'));
  const limit = +message().dataset.limit, length = [...text].length, said = number => number.toLocaleString('en');
  if (!text.trim() && !pictures.list.length) return message().focus();
  if (length > limit) return toast(t('This message has {length} characters; {limit} are the most. Please shorten it.', { length: said(length), limit: said(limit) }));
  state.sending = Date.now() + 5000;
  state.stick = true;
  trigger('do_send', { text, pictures: pictures.list.map(item => item.id), role: $('.roles [aria-pressed=true]')?.dataset.role || '' });
};
const stop = () => { if (state.busy) { say(t('Stopping')); trigger('do_stop', {}); } return state.busy; };
const fresh = () => { shell().classList.remove('nav-open'); trigger('do_open', { id: '' }); };
let typing = 0;
document.addEventListener('input', event => {
  if (event.target.id === 'message') { grow(); keep(sessionStorage, 'candor-draft', event.target.value || null); }
  if (event.target.id === 'find') { clearTimeout(typing); typing = setTimeout(() => trigger('do_find', { search: event.target.value }), 180); }
  if (event.target.id === 'seek') { clearTimeout(typing); typing = setTimeout(() => trigger('do_source', { act: 'find', search: event.target.value }), 180); }
});
document.addEventListener('submit', event => {
  if (event.target.matches('.box')) { event.preventDefault(); send(message().value); }
  if (event.target.matches('.link')) { event.preventDefault(); const url = $('#link').value.trim(); if (url) trigger('do_source', { act: 'link', url }); }
});
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
  const shelved = event.target.closest('#pane-documents, .drop-here'), sent = file => isPicture(file) && !shelved;
  const files = [...event.dataTransfer.files], papers = files.filter(file => !sent(file));
  if (files.some(sent)) pictures.take(files.filter(sent));
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
