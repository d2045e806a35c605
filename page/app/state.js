/**
 * What is looked at, and how: one object that is also the address of the page. What the
 * address has besides is kept.
 */
import { pathOf } from './api.js';
import { debounce } from './dom.js';

/**
 * @typedef {{name: string, gen: string, off: number}} Place   in a file; off -1: the end
 * @typedef {Object} State
 * @property {'logs' | 'sources'} view
 * @property {string[]} sources
 * @property {string} include
 * @property {string} exclude
 * @property {string} highlight
 * @property {string} level
 * @property {import('./filter.js').FieldTest[]} fields
 * @property {string[]} columns
 * @property {boolean} wrap
 * @property {string} time
 * @property {boolean} chrome
 * @property {Place | null} place
 */

const own = ['view', 'source', 'q', 'exclude', 'highlight', 'level', 'field', 'nofield', 'col', 'wrap', 'time', 'chrome'];
const most = 100; // of what may be given several times

export class PageState {
  constructor() {
    /** @type {State} */
    this.now = read();
    /** @type {((now: State, before: State) => void)[]} */
    this.listeners = [];
    this.write = debounce(250, () => history.replaceState(null, '', this.address()));
    const back = () => this.become(read());
    addEventListener('popstate', back);
    addEventListener('hashchange', back);
  }

  /** @param {(now: State, before: State) => void} fn */
  listen(fn) { this.listeners.push(fn); }

  /**
   * @param {Partial<State>} patch
   * @param {boolean} [push]  as a place to come back from
   */
  set(patch, push = false) {
    const next = { ...this.now, ...patch };
    if (push) {
      history.replaceState(null, '', this.address());
      history.pushState(null, '', address(next));
    }
    this.become(next);
    if (!push) this.write();
  }

  /** @param {State} next */
  become(next) {
    const before = this.now;
    if (JSON.stringify(before) === JSON.stringify(next)) return;
    this.now = next;
    for (const fn of this.listeners) fn(next, before);
  }

  address() { return address(this.now); }
}

/** @returns {State} */
function read() {
  const q = new URLSearchParams(location.search);
  const all = (/** @type {string} */ key) => q.getAll(key).filter((v) => v !== '').slice(0, most);
  return {
    view: q.get('view') === 'sources' ? 'sources' : 'logs',
    sources: all('source'), include: q.get('q') ?? '', exclude: q.get('exclude') ?? '', highlight: q.get('highlight') ?? '',
    level: q.get('level') ?? '', columns: all('col'),
    fields: [...all('field').map((t) => fieldTest(t, false)), ...all('nofield').map((t) => fieldTest(t, true))],
    wrap: q.get('wrap') === '1', time: q.get('time') ?? 'local', chrome: q.get('chrome') !== '0', place: placeOf(location.hash),
  };
}

/** @param {string} text @param {boolean} not */
function fieldTest(text, not) {
  const at = text.indexOf('=');
  return { key: at < 0 ? text : text.slice(0, at), value: at < 0 ? '' : text.slice(at + 1), not };
}

/** @param {State} s */
function address(s) {
  const q = new URLSearchParams(location.search);
  for (const key of own) q.delete(key);
  if (s.view !== 'logs') q.set('view', s.view);
  for (const source of s.sources) q.append('source', source);
  const put = (/** @type {string} */ key, /** @type {string} */ value) => { if (value) q.set(key, value); };
  put('q', s.include);
  put('exclude', s.exclude);
  put('highlight', s.highlight);
  put('level', s.level);
  for (const f of s.fields) q.append(f.not ? 'nofield' : 'field', `${f.key}=${f.value}`);
  for (const c of s.columns) q.append('col', c);
  put('wrap', s.wrap ? '1' : '');
  put('time', s.time === 'local' ? '' : s.time);
  put('chrome', s.chrome ? '' : '0');
  const query = q.toString().replaceAll('%2F', '/');
  return location.pathname + (query && '?' + query) + hashOf(s.place);
}

/**
 * The fragment of a place: #NAME@GEN:OFFSET.
 * @param {Place | null} place
 */
export function hashOf(place) {
  if (!place) return '';
  const gen = place.gen && '@' + place.gen + (place.off >= 0 ? ':' + place.off : '');
  return '#/' + pathOf(place.name) + gen;
}

/**
 * @param {string} hash
 * @returns {Place | null}
 */
export function placeOf(hash) {
  if (hash.length < 2 || hash.startsWith('#token=')) return null;
  const m = /^#(.+?)(?:@([0-9a-f]{6,32})(?::(\d{1,16}))?)?$/.exec(hash);
  if (!m) return null;
  let name = m[1];
  try { name = decodeURIComponent(name); } catch { /* as it is */ }
  return { name, gen: m[2] ?? '', off: m[3] === undefined ? -1 : Number(m[3]) };
}
