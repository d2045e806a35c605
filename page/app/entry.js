/**
 * What a line of the stream is to the page. It is made once, in the worker, and is
 * small: text beyond a limit stays with the server, where it can be asked for.
 */

/**
 * @typedef {Object} Entry
 * @property {'entry'} kind
 * @property {string} id       the position in the stream behind it; empty if it came from a file
 * @property {number} time     milliseconds since 1970, NaN if it has none
 * @property {string} stamp    the time as it was written
 * @property {string} source
 * @property {string} level    as the program writes it
 * @property {number} rank     0 none, 1 trace ... 6 fatal
 * @property {string} message
 * @property {string} fields   JSON, or empty
 * @property {string} gen
 * @property {number} off
 * @property {number} len
 * @property {boolean} partial
 * @property {boolean} truncated  the server has only the first 256 KiB of the text
 * @property {boolean} raw        its bytes are not UTF-8
 * @property {boolean} cut        more of it is at the server
 *
 * @typedef {Object} Gap
 * @property {'gap'} kind
 * @property {string} id
 * @property {string} source
 * @property {string} gen
 * @property {number} from
 * @property {number} to
 * @property {string} [note]   what became of an attempt to load it
 * @property {boolean} [busy]
 *
 * @typedef {Object} Rotate
 * @property {'rotate'} kind
 * @property {string} id
 * @property {string} source
 * @property {string} text
 * @property {string} old      the generation that ended; empty if it is not known
 * @property {string} next
 *
 * @typedef {Object} Note      a row that the page itself says something with
 * @property {'note'} kind
 * @property {string} id
 * @property {string} text
 * @property {string} source
 * @property {{text: string, run: () => void}[]} [actions]
 * @property {boolean} [warn]
 *
 * @typedef {Object} Mark
 * @property {'mark'} kind
 * @property {string} id
 * @property {string} source
 * @property {number} time
 *
 * @typedef {Entry | Gap | Rotate | Note | Mark} Row
 */

/** Characters of one text that are kept. */
export const keptText = 64 << 10;

/** Gaps of one event that become rows of their own. */
const mostGaps = 50;

const ranks = new Map(Object.entries({
  trace: 1, trc: 1, verbose: 1, finest: 1,
  debug: 2, dbg: 2, fine: 2,
  info: 3, inf: 3, information: 3, informational: 3, notice: 3,
  warn: 4, warning: 4, wrn: 4,
  error: 5, err: 5, severe: 5,
  fatal: 6, crit: 6, critical: 6, panic: 6, dpanic: 6, alert: 6, emerg: 6, emergency: 6,
}));

/** The levels one can ask for, by rank. */
export const levels = ['', 'trace', 'debug', 'info', 'warn', 'error', 'fatal'];

/** @param {unknown} level */
export function rankOf(level) { return typeof level === 'string' ? ranks.get(level.toLowerCase()) ?? 0 : 0; }

/**
 * GEN:N as its parts.
 * @param {unknown} at
 * @returns {{gen: string, off: number}}
 */
export function place(at) {
  const [gen, off] = typeof at === 'string' ? at.split(':') : ['', ''];
  return { gen, off: Number(off) || 0 };
}

/** @param {Entry} e */
export function at(e) { return `${e.gen}:${e.off}`; }

/** @param {unknown} v */
const text = (v) => typeof v === 'string' ? v : '';

/**
 * An entry of the server as a row.
 * @param {any} o   the parsed JSON
 * @param {string} id
 * @returns {Entry}
 */
export function entryOf(o, id) {
  const { gen, off } = place(o.at);
  const message = text(o.message);
  const fields = o.fields === undefined ? '' : JSON.stringify(o.fields);
  const cut = message.length > keptText || fields.length > keptText;
  return {
    kind: 'entry', id, time: Date.parse(o.time), stamp: text(o.time), source: text(o.source),
    level: text(o.level), rank: rankOf(o.level), message: message.slice(0, keptText),
    fields: fields.length > keptText ? '' : fields, gen, off, len: Number(o.len) || 0,
    partial: o.partial === true, truncated: o.truncated === true, raw: o.raw_b64 !== undefined, cut,
  };
}

/**
 * What one event of the stream becomes: usually one row, for a gap one for each of
 * its ranges, none for what this page does not know.
 * @param {string} name   of the event; empty for entries
 * @param {string} data
 * @param {string} id
 * @returns {Row[]}
 */
export function rowsOf(name, data, id) {
  let o;
  try { o = JSON.parse(data); } catch { return []; }
  if (o === null || typeof o !== 'object') return [];
  const type = name || o.type || '';
  switch (type) {
    case '': return [entryOf(o, id)];
    case 'gap': return gapsOf(o.missing, id);
    case 'rotate': return [rotateOf(o, id)];
  }
  return [];
}

/**
 * @param {any} missing  ranges by source
 * @param {string} id
 * @returns {Row[]}
 */
function gapsOf(missing, id) {
  /** @type {Row[]} */
  const rows = [];
  let more = 0;
  for (const [source, ranges] of Object.entries(missing ?? {})) {
    for (const range of Array.isArray(ranges) ? ranges : []) {
      const m = /^([0-9a-f]+):(\d+)-(\d+)$/.exec(range);
      if (!m) continue;
      if (rows.length >= mostGaps) { more++; continue; }
      rows.push({ kind: 'gap', id, source, gen: m[1], from: Number(m[2]), to: Number(m[3]) });
    }
  }
  if (more > 0) rows.push({ kind: 'note', id, source: '', warn: true, text: `Missing: ${more} more ranges of bytes, in other sources` });
  if (rows.length === 0) rows.push({ kind: 'note', id, source: '', warn: true, text: 'Something is missing here; the server does not know which bytes' });
  return rows;
}

/** @param {any} o @param {string} id @returns {Rotate} */
function rotateOf(o, id) {
  const old = o.old ? place(o.old) : null, next = place(o.new);
  const name = text(o.source).slice(text(o.source).lastIndexOf('/') + 1);
  const what = text(o.reason) || 'rotated';
  const ended = old ? `: ${old.gen.slice(0, 8)} ended at ${old.off.toLocaleString('en-US')} bytes` : '';
  return {
    kind: 'rotate', id, source: text(o.source), old: old?.gen ?? '', next: next.gen ?? '',
    text: `${name} was ${what}${ended}` + (next.gen ? `, ${next.gen.slice(0, 8)} goes on` : ''),
  };
}

/** About how many characters a row keeps alive. @param {Row} row */
export function weight(row) { return row.kind === 'entry' ? 200 + row.message.length + row.fields.length : 200; }
