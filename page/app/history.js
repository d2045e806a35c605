/**
 * What is in front of the first row. With one source chosen it is read from its files,
 * by byte, as far back as they go; with several, from the stream as far as it is kept.
 */
import { before, entries, getJSON, Refusal } from './api.js';
import { size, shortGen } from './format.js';

const tail = 500, limit = 500;
const beyond = '9007199254740991';

/** @typedef {{rows: import('./entry.js').Row[], more: boolean, note?: string, start?: string}} Older */

export class History {
  /**
   * @param {import('./store.js').Store} store
   * @param {{open: (name: string) => void, names: import('./names.js').Names}} o
   */
  constructor(store, o) {
    this.store = store;
    this.o = o;
    this.ended = false;
    this.busy = false;
    this.reset();
  }

  /** Begins anew, for another filter. */
  reset() {
    this.abort?.abort();
    this.abort = new AbortController();
    this.busy = false;
    this.ended = false;
    /** @type {{name: string, gen: string, before: string} | null} */
    this.place = null;
  }

  /** Loads some more, once at a time. */
  async older() {
    if (this.busy || this.ended) return;
    this.busy = true;
    const signal = /** @type {AbortController} */ (this.abort).signal;
    this.store.setHead(note('Loading older lines …'));
    try {
      const older = await this.load(signal);
      if (signal.aborted) return;
      this.store.setHead(null);
      if (older.rows.length > 0) this.store.prepend(older.rows);
      if (older.start) this.store.start = older.start;
      this.ended = !older.more;
      if (this.ended) this.store.setHead(this.beginning(older.note ?? ''));
      else if (older.note) this.pauseAt(older.note);
    } catch (err) {
      if (signal.aborted) return;
      this.ended = true; // until somebody asks
      const text = err instanceof Refusal && err.status === 410 ? `${err.message}` : `Older lines cannot be loaded: ${err instanceof Error ? err.message : err}`;
      this.store.setHead(note(text, [{ text: 'Try again', run: () => this.again() }]));
    } finally {
      if (!signal.aborted) this.busy = false;
    }
  }

  again() {
    this.ended = false;
    this.older();
  }

  /** Stops, and says how to go on. @param {string} text */
  pauseAt(text) {
    this.ended = true;
    this.store.setHead(note(text, [{ text: 'Search on', run: () => this.again() }]));
  }

  /** @param {AbortSignal} signal @returns {Promise<Older>} */
  load(signal) {
    const filter = this.store.filter;
    if (filter?.wanted.sources.length === 1) return this.fromFile(filter, signal);
    return this.fromStream(filter, signal);
  }

  /** @param {import('./filter.js').Filter | null} filter @param {AbortSignal} signal @returns {Promise<Older>} */
  async fromStream(filter, signal) {
    const position = this.store.start;
    if (!position) return { rows: [], more: false };
    const query = filter?.query({ not: false }) ?? new URLSearchParams();
    query.set('before', position);
    query.set('tail', String(tail));
    const { rows: all, start } = await before(query, signal);
    const got = all.filter((row) => row.kind === 'entry').length;
    // A gap alone says that this position is no longer kept: what is behind it is here already.
    const rows = got === 0 ? [] : all.filter((row) => filter?.lets(row) ?? true);
    return { rows, more: got >= tail, start };
  }

  /** @param {import('./filter.js').Filter} filter @param {AbortSignal} signal @returns {Promise<Older>} */
  async fromFile(filter, signal) {
    this.place ??= await this.firstPlace(filter.wanted.sources[0], signal);
    const place = this.place;
    if (!place) return { rows: [], more: false };
    const query = filter.query({ sources: false, not: false });
    query.set('gen', place.gen);
    query.set('before', place.before);
    query.set('limit', String(limit));
    const piece = await entries(place.name, query, signal);
    const rows = piece.rows.filter((row) => filter.lets(row));
    if (piece.from > 0) {
      place.before = String(piece.from);
      const text = rows.length === 0 ? `No match between byte ${size(piece.from)} and ${size(piece.to)} of generation ${shortGen(place.gen)}.` : '';
      return { rows, more: true, note: text };
    }
    const older = await this.olderGeneration(place.name, place.gen, signal);
    this.place = older ? { name: place.name, gen: older, before: beyond } : place;
    return { rows, more: older !== '' };
  }

  /** Where the oldest row that is shown begins. @param {string} wanted @param {AbortSignal} signal */
  async firstPlace(wanted, signal) {
    const first = this.store.shown.find((row) => row.kind === 'entry');
    if (first?.kind === 'entry') return { name: first.source, gen: first.gen, before: String(first.off) };
    const log = (await getJSON('logs', { signal })).find((/** @type {any} */ l) => l.name === wanted || l.name.endsWith('/' + wanted));
    return log?.generation ? { name: log.name, gen: log.generation, before: beyond } : null;
  }

  /** @param {string} name @param {string} gen @param {AbortSignal} signal @returns {Promise<string>} */
  async olderGeneration(name, gen, signal) {
    const log = (await getJSON('logs', { signal })).find((/** @type {any} */ l) => l.name === name);
    const all = [...(log?.older ?? []).map((/** @type {any} */ o) => o.generation), log?.generation ?? ''];
    const i = all.indexOf(gen);
    return i > 0 ? all[i - 1] : '';
  }

  /** @param {string} text */
  beginning(text) {
    const sources = this.store.filter?.wanted.sources ?? [];
    if (sources.length === 1) return note(text || 'Nothing older can be read.');
    const names = (sources.length > 0 ? sources : this.o.names.all()).slice(0, 8);
    return note('The stream begins here. Older lines are in the files:',
      names.map((name) => ({ text: this.o.names.short(name), run: () => this.o.open(name) })));
  }
}

/**
 * @param {string} text
 * @param {{text: string, run: () => void}[]} [actions]
 * @returns {import('./entry.js').Note}
 */
function note(text, actions) { return { kind: 'note', id: '', source: '', text, actions }; }
