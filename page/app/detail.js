/** What is known of one entry, below its line. */
import { button, fill, h } from './dom.js';
import { text } from './row.js';
import { fieldsOf, valueText } from './filter.js';
import { at } from './entry.js';
import { whole } from './api.js';
import { count, splitPath } from './format.js';

const mostText = 64 << 10, mostFields = 100;

/** @type {{what: string, text: string, key?: string, file?: boolean}[]} */
const actions = [
  { what: 'copy', text: 'Copy line', key: 'y' },
  { what: 'json', text: 'Copy JSON', key: 'Shift+Y' },
  { what: 'link', text: 'Permalink', key: 'l' },
  { what: 'context', text: 'Context', key: 'c', file: false },
  { what: 'curl', text: 'curl', key: 'u' },
  { what: 'nc', text: 'nc' },
  { what: 'mark', text: 'Mark', key: 'm', file: false },
];

/**
 * @param {import('./entry.js').Entry} e
 * @param {import('./row.js').Look} look
 */
export function detail(e, look) {
  const [dir, name] = splitPath(e.source);
  const json = h('pre', { class: 'json', tabIndex: 0 });
  const head = h('div', { class: 'detail-head' },
    actions.filter((a) => !(look.file && a.file === false)).map((a) => button({
      text: a.text, title: a.text, key: a.key, class: 'button small', click: () => look.act(e, a.what),
    })));
  const facts = h('dl', { class: 'facts' },
    fact('Source', h('span', { class: 'dim' }, dir), name),
    fact('Place', h('code', null, at(e)), ` ${count(e.len)} bytes`),
    fact('Time', e.stamp || 'none'),
    e.level ? fact('Level', e.level) : null);
  const box = h('div', { class: 'detail' }, head, facts, table(e, look), json);
  fillJSON(json, e);
  return box;
}

/** @param {string} name @param {...any} value */
function fact(name, ...value) { return [h('dt', null, name), h('dd', null, ...value)]; }

/** @param {import('./entry.js').Entry} e @param {import('./row.js').Look} look */
function table(e, look) {
  const fields = fieldsOf(e);
  if (fields.length === 0) return null;
  const body = h('tbody', null, fields.slice(0, mostFields).map((f) => fieldRow(f, look)));
  const rest = fields.length - mostFields;
  const more = rest > 0 && button({
    text: `${count(rest)} more fields`, class: 'button small',
    click: (ev) => {
      body.append(...fields.slice(mostFields, 2000).map((f) => fieldRow(f, look)));
      /** @type {HTMLElement} */ (ev.currentTarget).remove();
    },
  });
  return h('div', { class: 'fields' }, h('table', null, body), more);
}

/** @param {[string, unknown]} field @param {import('./row.js').Look} look */
function fieldRow([key, value], look) {
  const shown = valueText(value).slice(0, 2000);
  const act = (/** @type {string} */ what, /** @type {string} */ label, /** @type {string} */ title) => h('button', {
    type: 'button', class: 'button tiny', title, data: { key, value: valueText(value).slice(0, 1000), what },
  }, label);
  return h('tr', null, h('th', { scope: 'row' }, key), h('td', null, ...text(shown, null, true)),
    h('td', { class: 'field-actions' }, look.file ? null : [
      act('only', 'only', `Only lines with ${key} as here`), act('not', 'not', `No lines with ${key} as here`),
    ], act('column', 'column', `Show ${key} as a column`)));
}

/**
 * The entry as the server wrote it; what this page does not have of it is asked for.
 * @param {import('./entry.js').Entry} e
 * @returns {Promise<string>}
 */
export async function jsonOf(e) {
  if (e.cut || e.raw) return whole(e);
  return jsonHere(e);
}

/** @param {import('./entry.js').Entry} e */
function jsonHere(e) {
  /** @type {Object<string, any>} */
  const o = { time: e.stamp, source: e.source };
  if (e.level) o.level = e.level;
  o.message = e.message;
  if (e.fields) o.fields = JSON.parse(e.fields);
  Object.assign(o, { at: at(e), len: e.len });
  if (e.partial) o.partial = true;
  if (e.truncated) o.truncated = true;
  return JSON.stringify(o);
}

/** @param {HTMLElement} el @param {import('./entry.js').Entry} e */
function fillJSON(el, e) {
  if (!e.cut && !e.raw) {
    fill(el, pretty(jsonHere(e)));
    return;
  }
  const load = button({
    text: e.cut ? 'Load the whole entry' : 'Load the entry with its bytes', class: 'button small',
    click: async () => {
      fill(el, 'Loading …');
      try { fill(el, pretty(await whole(e))); } catch (err) { fill(el, err instanceof Error ? err.message : String(err)); }
    },
  });
  fill(el, pretty(jsonHere(e)), '\n', load);
}

/** JSON with a colour for its keys. @param {string} json @returns {Node[]} */
function pretty(json) {
  let s = json;
  try { s = JSON.stringify(JSON.parse(json), null, 2); } catch { /* shown as it is */ }
  const rest = s.length - mostText;
  /** @type {Node[]} */
  const nodes = [];
  for (const line of s.slice(0, mostText).split('\n')) {
    const m = /^(\s*)("(?:[^"\\]|\\.)*")(: .*|:)?$/s.exec(line);
    if (m && m[3]) nodes.push(document.createTextNode(m[1]), h('span', { class: 'key' }, m[2]), ...text(m[3] + '\n', null, true));
    else nodes.push(...text(line + '\n', null, true));
  }
  if (rest > 0) nodes.push(h('span', { class: 'tag' }, `… ${count(rest)} more characters: copy the JSON to have all of it`));
  return nodes;
}
