/**
 * Which rows are shown. The same words become the query of the server, so that what is
 * loaded later, or by curl, is what is seen here.
 */
import { levels } from './entry.js';
import { strip } from './ansi.js';

/**
 * @typedef {{key: string, value: string, not: boolean}} FieldTest
 * @typedef {Object} Wanted
 * @property {string[]} sources
 * @property {string} include
 * @property {string} exclude
 * @property {string} level
 * @property {FieldTest[]} fields
 */

/**
 * What somebody typed: text, or /regex/ with the flags i, m and s.
 * @param {string} typed
 * @returns {{regexp: RegExp | null, error: string}}
 */
export function pattern(typed) {
  if (typed === '') return { regexp: null, error: '' };
  const m = /^\/(.+)\/([ims]*)$/s.exec(typed);
  try {
    return { regexp: m ? new RegExp(m[1], m[2]) : new RegExp(quote(typed), 'i'), error: '' };
  } catch (err) {
    const text = err instanceof Error ? err.message : String(err);
    return { regexp: null, error: text.replace(/^Invalid regular expression: /, '') };
  }
}

/** @param {string} text */
export function quote(text) { return text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&'); }

/**
 * The same for the server, as RE2.
 * @param {string} typed
 */
function forServer(typed) {
  const m = /^\/(.+)\/([ims]*)$/s.exec(typed);
  if (!m) return '(?i)' + quote(typed).replaceAll('\\/', '/');
  return (m[2] ? `(?${m[2]})` : '') + m[1].replaceAll('\\/', '/');
}

/** The text of a field's value. @param {unknown} v */
export function valueText(v) { return typeof v === 'string' ? v : JSON.stringify(v) ?? ''; }

/**
 * The fields of an entry as names and values.
 * @param {import('./entry.js').Entry} e
 * @returns {[string, unknown][]}
 */
export function fieldsOf(e) {
  if (e.fields === '') return [];
  try {
    const o = JSON.parse(e.fields);
    return o !== null && typeof o === 'object' ? Object.entries(o) : [['fields', o]];
  } catch {
    return [];
  }
}

/** @param {string} source @param {string} want */
function named(source, want) {
  return source === want || source.endsWith(want) && (want.startsWith('/') || source[source.length - want.length - 1] === '/');
}

export class Filter {
  /**
   * @param {Wanted} wanted
   * @param {Filter} [last]  keeps its expressions where the new ones cannot be read
   */
  constructor(wanted, last) {
    this.wanted = wanted;
    const include = pattern(wanted.include), exclude = pattern(wanted.exclude);
    this.errors = { include: include.error, exclude: exclude.error };
    this.include = include.error && last ? last.include : include.regexp;
    this.exclude = exclude.error && last ? last.exclude : exclude.regexp;
    this.least = Math.max(0, levels.indexOf(wanted.level));
    /** @type {Map<string, boolean>} */
    this.known = new Map();
  }

  /** Does it leave anything out? */
  get active() {
    const w = this.wanted;
    return w.sources.length > 0 || this.least > 0 || !!this.include || !!this.exclude || w.fields.length > 0;
  }

  /** @param {import('./entry.js').Row} row */
  lets(row) {
    if (row.source !== '' && !this.ofSource(row.source)) return false;
    if (row.kind === 'rotate') return !this.include && this.least === 0 && this.wanted.fields.length === 0; // else it is noise
    if (row.kind !== 'entry') return true;
    if (this.least > 0 && row.rank < this.least) return false;
    if (this.include && !found(this.include, row)) return false;
    if (this.exclude && found(this.exclude, row)) return false;
    return this.wanted.fields.every((test) => holds(test, row));
  }

  /** @param {string} source */
  ofSource(source) {
    if (this.wanted.sources.length === 0) return true;
    let yes = this.known.get(source);
    if (yes === undefined) this.known.set(source, yes = this.wanted.sources.some((want) => named(source, want)));
    return yes;
  }

  /**
   * The query of /stream and /entries.
   * @param {{sources?: boolean, not?: boolean}} [o]  sources: name them; not: leave out fields that must not be,
   *   which the server looks for anywhere in the fields
   */
  query(o = {}) {
    const w = this.wanted, query = new URLSearchParams();
    if (o.sources ?? true) for (const s of w.sources) query.append('source', s);
    if (w.level) query.set('level', w.level);
    if (this.include && !this.errors.include) {
      if (/^\/.+\/[ims]*$/s.test(w.include)) query.append('regex', forServer(w.include));
      else query.append('q', w.include);
    }
    if (this.exclude && !this.errors.exclude) query.append('exclude', forServer(w.exclude));
    for (const f of w.fields) {
      if (f.not && o.not === false) continue;
      query.append(f.not ? 'exclude' : 'regex', fieldExpression(f));
    }
    return query;
  }
}

/** @param {FieldTest} f */
function fieldExpression(f) {
  const text = quote(JSON.stringify(f.value)).replaceAll('\\/', '/');
  const bare = quote(f.value).replaceAll('\\/', '/');
  return `${quote(JSON.stringify(f.key)).replaceAll('\\/', '/')}:(${text}|${bare})[,}]`;
}

/** @param {RegExp} re @param {import('./entry.js').Entry} e */
function found(re, e) {
  return re.test(e.message) || e.fields !== '' && re.test(e.fields) || e.message.includes('\x1b') && re.test(strip(e.message));
}

/** @param {FieldTest} test @param {import('./entry.js').Entry} e */
function holds(test, e) {
  const has = e.fields.includes(JSON.stringify(test.key)) &&
    fieldsOf(e).some(([key, value]) => key === test.key && valueText(value) === test.value);
  return has !== test.not;
}
