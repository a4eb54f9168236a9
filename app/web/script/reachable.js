/* --- the server is gone: a line says so, what is written is kept, and the page goes on when it is back --------- */

const reachable = {
  gone: false,
  lost() {
    if (this.gone) return;
    this.gone = true;
    const line = make('div', 'gone', t('The server cannot be reached. What you write is kept; the page goes on by itself when it is back.'));
    line.setAttribute('role', 'alert');
    (shell() || document.body).append(line);
    this.wait();
  },
  wait() {
    setTimeout(() => this.plain('/healthz').then(answer => { if (answer.status < 600) location.reload(); }, () => this.wait()), 1000);
  },
  plain: fetch.bind(window),
};
window.fetch = async (...given) => {
  try { return await reachable.plain(...given); } catch (error) {
    if (error instanceof TypeError && !leaving) reachable.plain('/healthz').catch(() => reachable.lost());
    throw error;
  }
};
let leaving = false;
addEventListener('pagehide', () => { leaving = true; });
setInterval(() => { if (!reachable.gone && document.visibilityState === 'visible') reachable.plain('/healthz').catch(() => { if (!leaving) reachable.lost(); }); }, 10000);
