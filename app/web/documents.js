
/* --- documents: sent as bytes under a name, one after the other; a name that is taken asks ------------------ */

const documents = {
  line: Promise.resolve(),
  add(files) { this.line = this.line.then(() => this.take([...files])); },
  async take(files) {
    const most = +$('#drop input').dataset.bytes;
    for (const file of files) {
      if (file.size > most) toast(`“${file.name}” is larger than ${most >> 20} MB, so it was not added.`);
      else await this.send(file, 'ask');
    }
    trigger('do_list', {});
  },
  async send(file, taken) {
    say(`Sending ${file.name}`);
    try {
      const answer = await fetch(`/documents?name=${encodeURIComponent(file.name)}&taken=${taken}`, { method: 'POST', body: file });
      const said = await answer.json();
      if (answer.status === 409) await this.choose(file);
      else if (!answer.ok) throw new Error(said.error);
      else say(`${said.name} is being read`);
    } catch (error) {
      const reason = error instanceof TypeError || !error.message ? 'it could not be sent to the server' : error.message;
      toast(`“${file.name}” was not added: ${reason}.`);
    }
  },
  choose(file) {
    trigger('do_list', {});
    let choice = '';
    const box = ask('There is a document of this name', `“${file.name}” was added before. Replace it, or keep both?`, [
      ['Cancel', '', null], ['Keep both', '', () => { choice = 'keep'; }], ['Replace', 'danger', () => { choice = 'replace'; }]]);
    return new Promise(done => box.addEventListener('close', () => done(choice && this.send(file, choice))));
  },
};
