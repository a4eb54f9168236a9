/* --- the menu of a conversation -------------------------------------------------------------------------- */

const menu = {
  node: null, owner: null,
  close() { if (this.node) this.node.remove(); if (this.owner) this.owner.setAttribute('aria-expanded', 'false'); this.node = null; },
  open(owner) {
    this.close();
    const row = owner.closest('.conversation'), id = row.dataset.id, title = $('.title', row).textContent;
    const change = (act, more) => trigger('do_change', { act, id, ...more });
    const items = [['Rename', () => rename(row, id)], ['Pin or unpin', () => change('pin')], ['Share…', () => change('share')],
      ['Download as Markdown', () => change('export', { form: 'md' })], ['Download as JSON', () => change('export', { form: 'json' })],
      ['Print or save as PDF', () => print(id)], ['Delete', () => change('delete')]];
    const node = make('div', 'menu');
    node.setAttribute('role', 'menu');
    node.setAttribute('aria-label', t('Actions for {title}', { title }));
    for (const [label, act] of items) {
      const item = make('button', label === 'Delete' ? 'danger' : '', t(label));
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
  const link = $('a', row), field = make('input', 'rename'), before = $('.title', link).textContent;
  let over = false;
  Object.assign(field, { value: before, maxLength: 200 });
  field.setAttribute('aria-label', t('New title'));
  const end = good => {
    if (over) return;
    over = true;
    const title = field.value.trim();
    field.replaceWith(link);
    if (good && title && title !== before) { $('.title', link).textContent = title; trigger('do_change', { act: 'rename', id, title }); } else link.focus();
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

/* --- what leaves the page: paper and the address under which others read ------------------------------------- */

const print = id => {
  const paper = open(`/paper?c=${encodeURIComponent(id)}`, '_blank');
  if (paper) paper.addEventListener('load', () => paper.print()); else toast(t('The browser did not open the page to print.'));
};
const shared = ({ id, word }) => {
  const url = new URL(`/shared?word=${word}`, location.href).href, body = make('div'), field = make('input', 'address');
  Object.assign(field, { value: url, readOnly: true });
  field.setAttribute('aria-label', t('Address'));
  field.onfocus = () => field.select();
  body.append(make('p', '', t('Whoever has this address and reaches this machine can read this conversation alone, and change nothing, until you stop sharing.')), field);
  ask(t('Share conversation'), body, [
    [t('Stop sharing'), 'plain', () => trigger('do_change', { act: 'revoke', id })], [t('Copy address'), 'main', () => copy(url, t('Address copied'))], [t('Done'), '', null]]);
};
