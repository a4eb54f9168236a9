/* --- pictures of a message: shown at once, sent when they are chosen ---------------------------------------- */

const pictures = {
  list: [], kinds: /^image\/(png|jpeg|webp|gif)$/,
  take(files) {
    const { most, bytes } = $('#pictures').dataset;
    for (const file of files) {
      if (!this.kinds.test(file.type)) toast(t('“{name}” is no PNG, JPEG, WebP or GIF picture.', { name: file.name }));
      else if (file.size > +bytes) toast(t('“{name}” is larger than {most} MB. Make it smaller first.', { name: file.name, most: Math.floor(bytes / 1e6) }));
      else if (this.list.length >= +most) { toast(t('A message takes {most} pictures. Send the others with the next one.', { most })); break; }
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
      say(t('Picture {name} added', { name: file.name }));
    } catch (error) {
      this.drop(item);
      const reason = error instanceof TypeError || !error.message ? t('it could not be sent to the server') : error.message;
      toast(t('The picture was not added: {reason}.', { reason }));
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
      Object.assign(picture, { src: item.url, alt: t('Picture {name}', { name: item.name }) });
      button.type = 'button';
      button.title = t('Remove');
      button.setAttribute('aria-label', t('Remove picture {name}', { name: item.name }));
      button.append(make('span', '', '×'));
      button.onclick = () => { this.drop(item); say(t('Picture {name} removed', { name: item.name })); message().focus(); };
      place.append(picture, button);
      return place;
    }));
  },
};
