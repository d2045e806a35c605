/**
 * The token with which this browser may read. It comes in the fragment of the address
 * that was printed, which is never sent to a server, and is taken out of it at once.
 */

const key = 'fairlead.token';
let current = read();

function read() {
  try { return sessionStorage.getItem(key) ?? ''; } catch { return ''; }
}

/** @param {string} token */
export function store(token) {
  current = token;
  try { sessionStorage.setItem(key, token); } catch { /* it holds until the page is closed */ }
}

export function value() { return current; }

/** @returns {Record<string, string>} */
export function headers() { return current ? { Authorization: `Bearer ${current}` } : {}; }

/** Takes `#token=...` out of the address. */
export function fromAddress() {
  const m = /^#token=([^&]+)/.exec(location.hash);
  if (!m) return;
  store(decodeURIComponent(m[1]));
  history.replaceState(history.state, '', location.pathname + location.search);
}
