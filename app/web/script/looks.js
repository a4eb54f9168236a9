/* --- looks: light and dark, size of the text, language; the browser keeps them ------------------------------- */

const system = matchMedia('(prefers-color-scheme: dark)');
const looks = {
  get theme() { return keep(localStorage, 'candor-theme') || ''; },
  get size() { return keep(localStorage, 'candor-size') || ''; },
  choose: {
    theme: value => { keep(localStorage, 'candor-theme', value || null); looks.paint(); },
    size: value => { keep(localStorage, 'candor-size', value || null); looks.paint(); },
    language: value => { document.cookie = `candor-language=${value}; path=/; max-age=31536000; SameSite=Strict`; location.reload(); },
  },
  paint() {
    const { theme, size } = looks, dark = document.body.classList.toggle('dark', theme ? theme === 'dark' : system.matches);
    document.documentElement.style.colorScheme = dark ? 'dark' : 'light';
    document.documentElement.dataset.size = size;
  },
  /* the choices of the panel show what is kept */
  fill() { for (const field of $$('[data-choice]')) if (field.dataset.choice in looks && field.value !== looks[field.dataset.choice]) field.value = looks[field.dataset.choice]; },
};
const flip = () => {
  const dark = !document.body.classList.contains('dark');
  looks.choose.theme(dark === system.matches ? '' : dark ? 'dark' : 'light');
  looks.fill();
};
system.addEventListener('change', looks.paint);
document.addEventListener('change', event => {
  const { choice, setting } = event.target.dataset;
  if (choice) looks.choose[choice](event.target.value);
  if (setting && event.target.reportValidity()) {
    if (setting === 'model') toast(t('The model is being loaded. Until then the one before it answers.'));
    trigger('do_tune', { key: setting, value: event.target.value });
  }
});
looks.paint();
