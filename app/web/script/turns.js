/* --- what can be done with a turn -------------------------------------------------------------------------- */

const words = reply => {
  const body = $('.words', reply).cloneNode(true), from = new Map();
  for (const link of $$('.cite', body)) { from.set(link.dataset.number, link.dataset); link.replaceWith(` [${link.dataset.number}]`); }
  const text = [...body.children].map(block => block.innerText || block.textContent).map(part => part.trim()).join('\n\n');
  const list = [...from].map(([number, data]) => `[${number}] ${[data.title, data.place].filter(Boolean).join(', ')}: “${data.quote}”`);
  return list.length ? `${text}\n\n${t('Sources')}\n${list.join('\n')}` : text;
};
const REASONS = [['wrong', 'It is wrong'], ['unsupported', 'The sources do not say that'], ['unsafe', 'It is unsafe'], ['padded', 'It says more than was asked'], ['other', 'Something else']];
const turns = {
  act(turn, act, more) { trigger('do_turn', { turn, act, ...more }); },
  again(at) { state.stick = true; this.act(at.dataset.turn, 'again'); },
  rate(at) {
    const { turn, good } = at.dataset;
    if (at.getAttribute('aria-pressed') === 'true') return this.act(turn, 'rate', { undo: true });
    if (good) return this.act(turn, 'rate', { good: true, reason: '' });
    const body = make('form', 'reasons'), note = make('textarea');
    for (const [reason, what] of REASONS) {
      const label = make('label'), field = make('input');
      Object.assign(field, { type: 'radio', name: 'reason', value: reason, checked: reason === 'wrong' });
      label.append(field, make('span', '', t(what)));
      body.append(label);
    }
    Object.assign(note, { rows: 2, maxLength: 2000, placeholder: t('In your own words, if you like') });
    note.setAttribute('aria-label', t('In your own words, if you like'));
    body.append(note);
    const give = () => this.act(turn, 'rate', { good: false, reason: new FormData(body).get('reason'), words: note.value });
    ask(t('What is wrong with this reply?'), body, [[t('Cancel'), '', null], [t('Send'), 'main', give]]);
    return undefined;
  },
  report(at) {
    const { turn } = at.dataset;
    if (at.getAttribute('aria-pressed') === 'true') return this.act(turn, 'rate', { undo: true });
    const body = make('form', 'reasons'), note = make('textarea');
    Object.assign(note, { rows: 3, maxLength: 2000, placeholder: t('What did you need it for? (if you like)') });
    note.setAttribute('aria-label', t('What did you need it for? (if you like)'));
    body.append(make('p', '', t('The report is kept on this machine, for whoever looks after it.')), note);
    ask(t('Report this refusal as a mistake?'), body, [[t('Cancel'), '', null],
      [t('Report'), 'main', () => this.act(turn, 'rate', { good: false, reason: 'refused', words: note.value })]]);
    return undefined;
  },
  edit(article) {
    if (!article || state.busy || $('.editing')) return;
    const bubble = $('.asked', article), before = $('.you', article).textContent, form = make('form', 'editing'), field = make('textarea'), row = make('div', 'actions');
    field.value = before;
    field.setAttribute('aria-label', t('Edit this message'));
    const close = () => { form.remove(); bubble.hidden = false; $('.edit', article)?.focus(); };
    const cancel = make('button', 'btn', t('Cancel')), save = make('button', 'btn main', t('Send'));
    Object.assign(cancel, { type: 'button', onclick: close });
    row.append(cancel, save);
    form.append(field, row);
    form.addEventListener('submit', event => {
      event.preventDefault();
      const text = field.value.trim();
      if (!text || text === before) return close();
      state.stick = true;
      return this.act(article.dataset.turn, 'edit', { text });
    });
    field.addEventListener('keydown', event => {
      if (event.key === 'Escape') { event.stopPropagation(); close(); }
      if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) { event.preventDefault(); event.stopPropagation(); form.requestSubmit(); }
    });
    bubble.hidden = true;
    bubble.after(form);
    field.style.height = `${Math.min(field.scrollHeight + 4, 260)}px`;
    field.focus();
  },
  last() { return $$('#log .turn').pop(); },
};
