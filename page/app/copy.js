/** The clipboard, downloads, and a word about what was done. */
import { fill, h } from './dom.js';

let timer = 0;

/** Says something for a moment. @param {string} text @param {boolean} [bad] */
export function say(text, bad = false) {
  const el = /** @type {HTMLElement} */ (document.getElementById('toast'));
  fill(el, text);
  el.classList.toggle('bad', bad);
  el.classList.add('shown');
  clearTimeout(timer);
  timer = setTimeout(() => el.classList.remove('shown'), bad ? 6000 : 2500);
}

/**
 * Copies text, also where a page has no clipboard: on plain http to another machine.
 * @param {string | Promise<string>} text
 * @param {string} what
 */
export async function copy(text, what) {
  try {
    const s = await text;
    if (navigator.clipboard && isSecureContext) await navigator.clipboard.writeText(s).catch(() => byCommand(s));
    else byCommand(s);
    say(`${what} copied`);
  } catch (err) {
    say(`Not copied: ${err instanceof Error ? err.message : err}`, true);
  }
}

/** @param {string} text */
function byCommand(text) {
  const area = h('textarea', { class: 'offscreen', 'aria-hidden': 'true' });
  area.value = text;
  const had = document.activeElement;
  document.body.append(area);
  area.select();
  const done = document.execCommand('copy');
  area.remove();
  if (had instanceof HTMLElement) had.focus({ preventScroll: true });
  if (!done) throw new Error('the browser does not allow it here');
}

/** @param {Blob} blob @param {string} name */
export function download(blob, name) {
  const url = URL.createObjectURL(blob);
  const a = h('a', { href: url, download: name });
  document.body.append(a);
  a.click();
  a.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
