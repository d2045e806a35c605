/** One row of lines as an element. */
import { h } from './dom.js';
import { segments } from './ansi.js';
import { fieldsOf, valueText } from './filter.js';
import { at } from './entry.js';
import { count, date, shortGen, time } from './format.js';
import { detail } from './detail.js';

const shortText = 4000, mostChips = 6, chipText = 48;

/**
 * @typedef {Object} Look    how rows are shown
 * @property {import('./names.js').Names} names
 * @property {string} time
 * @property {string[]} columns
 * @property {boolean} wrap
 * @property {boolean} file            in the file view
 * @property {RegExp | null} marked    what is highlighted
 * @property {any} current             the row
 * @property {Set<any>} open           rows that show their details
 * @property {string} target           GEN:OFFSET of the line that was asked for
 * @property {number} now
 * @property {(row: any, what: string) => void} act
 */

const letters = ['', 'T', 'D', 'I', 'W', 'E', 'F'];

/**
 * @param {any} row
 * @param {Look} look
 * @returns {HTMLElement}
 */
export function renderRow(row, look) {
  switch (row.kind) {
    case 'gap': return gapRow(row, look);
    case 'rotate': return h('div', { class: 'divider rotate', role: 'note' }, h('span', null, row.text));
    case 'mark': return h('div', { class: 'divider mark', role: 'note' }, h('span', null, 'Mark ', date(row.time)));
    case 'note': return noteRow(row);
  }
  return entryRow(row, look);
}

/**
 * @param {import('./entry.js').Entry} e
 * @param {Look} look
 */
function entryRow(e, look) {
  const open = look.open.has(e), place = at(e);
  const classes = ['row', `l${e.rank}`];
  if (look.current === e) classes.push('current');
  if (open) classes.push('open');
  if (look.target === place) classes.push('target');
  const fields = fieldsOf(e);
  return h('div', { class: classes.join(' '), data: { at: place }, 'aria-current': look.current === e ? 'true' : null },
    h('div', { class: 'line' },
      h('span', { class: 'time', title: e.stamp }, time(e.time, look.time, look.now)),
      sourceCell(e, look),
      h('span', { class: 'level', title: e.level || null }, letters[e.rank] || e.level.slice(0, 1).toUpperCase()),
      look.columns.map((key) => column(key, fields)),
      h('span', { class: 'message' }, messageText(e, look, open), chips(fields, look))),
    open ? detail(e, look) : null);
}

/** @param {import('./entry.js').Entry} e @param {Look} look */
function sourceCell(e, look) {
  return h('span', { class: `source s${look.names.colour(e.source)}`, title: e.source }, look.names.short(e.source));
}

/** @param {string} key @param {[string, unknown][]} fields */
function column(key, fields) {
  const field = fields.find(([name]) => name === key);
  const text = field ? valueText(field[1]) : '';
  return h('span', { class: 'column', title: field ? `${key}=${text.slice(0, 500)}` : null }, text.slice(0, 200));
}

/**
 * The text, with what is highlighted, and what cannot be seen made visible.
 * @param {import('./entry.js').Entry} e
 * @param {Look} look
 * @param {boolean} open
 */
function messageText(e, look, open) {
  const limit = open ? e.message.length : shortText;
  const cut = e.message.length > limit;
  const nodes = text(cut ? e.message.slice(0, limit) : e.message, look.marked, look.wrap || open);
  if (cut) nodes.push(h('span', { class: 'tag' }, `… ${count(e.message.length - limit)} more`));
  if (e.partial) nodes.push(h('span', { class: 'tag', title: 'The line had no end yet' }, 'partial'));
  if (e.truncated) nodes.push(h('span', { class: 'tag warn', title: `The line has ${count(e.len)} bytes; the stream has its first 256 KiB` }, 'truncated'));
  if (e.raw) nodes.push(h('span', { class: 'tag', title: 'Its bytes are not UTF-8; what is none is shown as \ufffd' }, 'bytes'));
  return nodes;
}

/**
 * Text as nodes. Never more than text nodes and spans of ours.
 * @param {string} raw
 * @param {RegExp | null} marked
 * @param {boolean} lines   newlines break the line
 * @returns {Node[]}
 */
export function text(raw, marked, lines) {
  const parts = segments(raw);
  const ranges = marked ? rangesOf(parts.map((p) => p.text).join(''), marked) : [];
  /** @type {Node[]} */
  const nodes = [];
  let off = 0;
  for (const part of parts) {
    let done = 0;
    for (const [from, to] of ranges) {
      const a = Math.max(from - off, done), b = Math.min(to - off, part.text.length);
      if (b <= a) continue;
      if (a > done) nodes.push(span(part, done, a, lines));
      nodes.push(h('mark', null, span(part, a, b, lines)));
      done = b;
    }
    if (done < part.text.length) nodes.push(span(part, done, part.text.length, lines));
    off += part.text.length;
  }
  return nodes;
}

/** @param {import('./ansi.js').Segment} part @param {number} from @param {number} to @param {boolean} lines */
function span(part, from, to, lines) {
  let s = part.text.slice(from, to);
  if (part.look === 'newline') s = lines ? '\n' : '\u23ce';
  return part.look ? h('span', { class: part.look }, s) : document.createTextNode(s);
}

/** @param {string} s @param {RegExp} re @returns {[number, number][]} */
function rangesOf(s, re) {
  /** @type {[number, number][]} */
  const ranges = [];
  for (const m of s.matchAll(new RegExp(re.source, re.flags.replace('g', '') + 'g'))) {
    if (m[0] === '') continue;
    ranges.push([m.index, m.index + m[0].length]);
    if (ranges.length >= 500) break;
  }
  return ranges;
}

/** @param {[string, unknown][]} fields @param {Look} look */
function chips(fields, look) {
  const { columns, marked } = look;
  const rest = columns.length ? fields.filter(([key]) => !columns.includes(key)) : fields;
  if (rest.length === 0) return null;
  const shown = rest.slice(0, mostChips).map(([key, value]) => chip(key, valueText(value), marked));
  if (rest.length > mostChips) shown.push(h('span', { class: 'more' }, `+${rest.length - mostChips}`));
  return h('span', { class: 'chips' }, shown);
}

/** @param {string} key @param {string} value @param {RegExp | null} marked */
function chip(key, value, marked) {
  const seen = value.length > chipText ? value.slice(0, chipText - 1) + '…' : value;
  return h('button', {
    class: 'chip', type: 'button', tabIndex: -1, title: `${key}=${value.slice(0, 500)}\nClick: only these. Alt or Shift: leave these out.`,
    data: { key, value: value.slice(0, 1000) },
  }, h('span', { class: 'key' }, key, '='), ...text(seen, marked, false));
}

/** @param {import('./entry.js').Gap} gap @param {Look} look */
function gapRow(gap, look) {
  const where = `${look.names.short(gap.source)} bytes ${count(gap.from)}\u2013${count(gap.to)} of generation ${shortGen(gap.gen)}`;
  return h('div', { class: 'notice gap', role: 'note', title: `${gap.source} ${gap.gen}` },
    h('span', null, h('b', null, 'Missing: '), where, gap.note ? ` \u2014 ${gap.note}` : ''),
    h('button', { type: 'button', class: 'button small', disabled: !!gap.busy, on: { click: () => look.act(gap, 'load') } }, gap.busy ? 'Loading …' : 'Load'));
}

/** @param {import('./entry.js').Note} note */
function noteRow(note) {
  return h('div', { class: note.warn ? 'notice gap' : 'notice', role: 'note' }, h('span', null, note.text),
    (note.actions ?? []).map((a) => h('button', { type: 'button', class: 'button small', on: { click: a.run } }, a.text)));
}
