/** Dark or light: as the system has it, until somebody says otherwise. */

const key = 'fairlead.theme';

function stored() {
  try { return localStorage.getItem(key) ?? ''; } catch { return ''; }
}

/** Shows what was chosen last time. */
export function startTheme() { document.documentElement.dataset.theme = stored(); }

export function toggleTheme() {
  const dark = matchMedia('(prefers-color-scheme: dark)').matches;
  const now = document.documentElement.dataset.theme || (dark ? 'dark' : 'light');
  const next = now === 'dark' ? 'light' : 'dark';
  document.documentElement.dataset.theme = next;
  try { localStorage.setItem(key, next); } catch { /* until the page is closed */ }
}
