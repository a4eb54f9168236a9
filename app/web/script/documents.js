
/* --- documents: sent as bytes under a name, one after the other; a name that is taken asks ------------------ */

const documents = {
  line: Promise.resolve(),
  add(files) { this.line = this.line.then(() => this.take([...files])); },
  async take(files) {
    const most = +$('#drop input').dataset.bytes;
    for (const file of files) {
      if (file.size > most) this.refuse(file.name, t('it is larger than {most} MB', { most: most >> 20 }));
      else await this.send(file, 'ask');
    }
    trigger('do_list', {});
  },
  async send(file, taken) {
    say(t('Sending {name}', { name: file.name }));
    try {
      const answer = await fetch(`/documents?name=${encodeURIComponent(file.name)}&taken=${taken}`, { method: 'POST', body: file });
      const said = await answer.json();
      if (answer.status === 409) await this.choose(file);
      else if (!answer.ok) throw new Error(said.error);
      else say(t('{name} is being read', { name: said.name }));
    } catch (error) {
      this.refuse(file.name, error instanceof TypeError || !error.message ? t('it could not be sent to the server') : error.message);
    }
  },
  /* A file that was not taken stays listed with the reason until that is dismissed. */
  refuse(name, reason) {
    const row = make('li', 'failed'), body = make('div'), button = make('button', 'icb', '×');
    body.append(make('b', '', name), make('small', '', t('Not added: {reason}', { reason })));
    button.type = 'button';
    button.setAttribute('aria-label', t('Dismiss'));
    button.onclick = () => row.remove();
    row.append(body, button);
    $('#refusals').append(row);
    say(`${name}. ${t('Not added: {reason}', { reason })}`);
  },
  choose(file) {
    trigger('do_list', {});
    let choice = '';
    const box = ask(t('There is a document of this name'), t('“{name}” was added before. Replace it, or keep both?', { name: file.name }), [
      [t('Cancel'), '', null], [t('Keep both'), '', () => { choice = 'keep'; }], [t('Replace'), 'danger', () => { choice = 'replace'; }]]);
    return new Promise(done => box.addEventListener('close', () => done(choice && this.send(file, choice))));
  },
};
