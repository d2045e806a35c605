/** The file view: the lines of one generation of one file, from any byte on. */
import { button, fill, h, icon } from './dom.js';
import { entries, getJSON, get, Refusal } from './api.js';
import { Lines } from './lines.js';
import { ByteBar } from './bytebar.js';
import { Filter, pattern } from './filter.js';
import { copy, download, say } from './copy.js';
import { curlFile, rawURL } from './commands.js';
import { hashOf } from './state.js';
import { count, date, shortGen, size, splitPath } from './format.js';
import * as token from './token.js';

const page = 300, kept = 6000;
const beyond = '9007199254740991';

/** @typedef {import('./state.js').Place} Place */

export class FileView {
  /**
   * @param {HTMLElement} root
   * @param {import('./state.js').PageState} state
   * @param {import('./names.js').Names} names
   */
  constructor(root, state, names) {
    this.state = state;
    this.root = root;
    this.head = h('div', { class: 'file-head' });
    this.notice = h('div', { class: 'file-notice', role: 'alert', hidden: true });
    this.scroller = h('div', { class: 'lines', tabIndex: 0, role: 'log', 'aria-live': 'off', 'aria-label': 'Lines of the file' });
    this.body = h('div', { class: 'file-body' }, h('div', { class: 'stage one-source' }, this.scroller));
    root.append(this.head, this.notice, this.body);
    this.lines = new Lines(this.scroller, {
      state, names, file: true, touched: () => this.follow(false), act: () => {}, chosen: (row) => this.chosen(row),
      list: {
        away: () => this.follow(false), atEnd: () => { if (this.atEnd()) this.follow(true); },
        nearStart: () => this.older(), nearEnd: () => this.newer(), shown: () => this.showPlace(),
      },
    });
    this.bar = new ByteBar(this.body, (off) => this.go(off));
    this.makeHead();
    /** @type {Place | null} */
    this.asked = null; // what was opened last
    this.reset({ name: '', gen: '', off: -1 });
  }

  makeHead() {
    this.title = h('span', { class: 'file-name' });
    this.gens = h('select', { class: 'box select', 'aria-label': 'Generation', title: 'Generation', on: { change: () => this.open({ name: this.name, gen: this.gens.value, off: 0 }) } });
    this.where = h('span', { class: 'file-where', role: 'status' });
    this.highlight = h('input', {
      type: 'search', class: 'box highlight', placeholder: 'Find in this file \u2026', 'aria-label': 'Find in this file (f)', spellcheck: 'false',
      on: {
        input: () => this.state.set({ highlight: this.highlight.value }),
        keydown: (/** @type {KeyboardEvent} */ e) => { if (e.key === 'Enter') this.find(e.shiftKey ? -1 : 1); },
      },
    });
    fill(this.head, button({ icon: 'back', text: 'Live', title: 'Back to the live view', key: 'Esc', click: () => this.leave() }), this.title, this.gens, this.highlight,
      h('span', { class: 'group' },
        button({ icon: 'up', class: 'button icon', title: 'Previous match', key: 'Shift+N', click: () => this.find(-1) }),
        button({ icon: 'down', class: 'button icon', title: 'Next match', key: 'n', click: () => this.find(1) })),
      h('span', { class: 'group' },
        button({ text: 'Start', title: 'First byte', key: 'g', click: () => this.go(0) }),
        button({ text: 'End', title: 'Last line', key: 'Shift+G', click: () => this.toEnd() })),
      h('span', { class: 'group' },
        button({ text: 'Link', title: 'Copy permalink', key: 'l', click: () => this.copyLink() }),
        button({ text: 'curl', title: 'Copy as curl', key: 'u', click: () => copy(curlFile(this.name, this.gen), 'curl command') }),
        button({ icon: 'download', class: 'button icon', title: 'Download the raw file', click: () => raw(this.name, this.gen) })), this.where);
  }

  /** @param {Place} place */
  reset(place) {
    this.abort?.abort();
    this.abort = new AbortController();
    Object.assign(this, { name: place.name, gen: place.gen, from: 0, to: 0, size: 0, busy: false, ended: false, current: false });
    /** @type {any[]} */
    this.rows = [];
    this.following = false;
    this.lines.list.follow(false);
    this.lines.list.toStart();
  }

  /** Shows a place. Whatever cannot be shown is said. @param {Place} place */
  async open(place) {
    this.reset(place);
    this.asked = place;
    const signal = this.abort.signal;
    const [dir, name] = splitPath(place.name);
    fill(this.title, h('span', { class: 'dim' }, dir), name);
    this.title.title = place.name;
    this.highlight.value = this.state.now.highlight;
    this.lines.apply();
    this.busy = true;
    try {
      await this.load(place, signal);
      this.notice.hidden = true;
      this.body.hidden = false;
    } catch (err) {
      if (!signal.aborted) this.refused(place, err);
    } finally {
      if (!signal.aborted) this.busy = false;
    }
    if (!signal.aborted && this.notice.hidden) this.generations(signal).catch(() => {});
  }

  /** @param {Place} place @param {AbortSignal} signal */
  async load(place, signal) {
    const query = new URLSearchParams();
    if (place.gen) query.set('gen', place.gen);
    if (place.off < 0) query.set('before', beyond); else query.set('near', String(place.off));
    query.set('limit', String(page));
    const piece = await entries(place.name, query, signal);
    this.gen = piece.gen || place.gen;
    this.take(piece, false);
    const target = place.off >= 0 ? piece.rows.find((e) => e.off + e.len > place.off) ?? null : null;
    if (place.off > 0 && piece.from > 0) {
      this.take(await entries(place.name, new URLSearchParams({ gen: this.gen, before: String(piece.from), limit: String(page / 2) }), signal), true);
    }
    this.lines.look.current = target;
    this.lines.setTarget(place.off > 0 || place.gen ? target : null);
    this.lines.list.setItems(this.rows);
    if (target && place.off > 0) this.lines.list.show(target, true);
    else if (place.off < 0) this.follow(true);
    else this.lines.list.toStart();
  }

  /**
   * @param {import('./api.js').Piece} piece
   * @param {boolean} front
   */
  take(piece, front) {
    const first = this.rows.length === 0;
    const rows = piece.rows.map((e) => Object.assign(e, { seq: e.off }));
    this.size = Math.max(this.size, piece.size);
    if (front || first) this.from = piece.from;
    if (!front || first) this.to = piece.to;
    this.rows = front ? rows.concat(this.rows) : this.rows.concat(rows);
    this.trim(front);
    this.ended = this.to >= this.size;
    this.lines.list.setItems(this.rows);
  }

  /** Lets go of what is far from the eye. @param {boolean} front */
  trim(front) {
    const n = this.rows.length - kept;
    if (n <= 0) return;
    if (front) {
      this.rows.length = kept;
      const last = this.rows.findLast((r) => r.kind === 'entry');
      this.to = last.off + last.len;
    } else {
      this.rows.splice(0, n);
      this.from = this.rows.find((r) => r.kind === 'entry').off;
    }
  }

  async older() {
    if (this.busy || this.from <= 0 || !this.gen) return;
    await this.fetch({ before: String(this.from), limit: String(page) }, true);
  }

  async newer() {
    if (this.busy || !this.gen || this.ended) return;
    await this.fetch({ from: `${this.gen}:${this.to}`, limit: String(page) }, false);
  }

  /** @param {Record<string, string>} query @param {boolean} front */
  async fetch(query, front) {
    const signal = this.abort.signal;
    this.busy = true;
    try {
      const piece = await entries(this.name, new URLSearchParams({ gen: this.gen, ...query }), signal);
      if (front && piece.from >= this.from && this.rows.length > 0) piece.from = 0; // blank lines at the beginning
      if (!signal.aborted) this.take(piece, front);
    } catch (err) {
      if (!signal.aborted) say(err instanceof Error ? err.message : String(err), true);
      this.ended = this.ended || !front;
      if (front) this.from = 0;
    } finally {
      if (!signal.aborted) this.busy = false;
    }
  }

  /** What comes live belongs here, too, if it is of this generation. @param {import('./entry.js').Row[]} rows */
  live(rows) {
    if (!this.gen || !this.ended || this.root.hidden) return;
    for (const row of rows) {
      if (row.kind === 'rotate' && row.source === this.name && row.old === this.gen) this.rotated(row);
      if (row.kind !== 'entry' || row.source !== this.name || row.gen !== this.gen) continue;
      this.size = Math.max(this.size, row.off + row.len);
      const last = this.rows.findLast((r) => r.kind === 'entry');
      if (last?.partial && last.off === row.off) this.rows.splice(this.rows.lastIndexOf(last), 1);
      else if (row.off > this.to) { this.ended = false; break; }
      else if (row.off < this.to) continue;
      this.rows.push({ ...row, id: '', seq: row.off, height: undefined, layout: 0 });
      this.to = row.off + row.len;
    }
    this.trim(false);
    this.lines.list.setItems(this.rows);
  }

  /** The generation that is shown has ended. @param {import('./entry.js').Rotate} row */
  rotated(row) {
    const next = () => this.state.set({ place: { name: this.name, gen: row.next, off: 0 } });
    this.rows.push({
      kind: 'note', id: '', source: '', seq: this.to - 0.5, text: `${row.text}.`, warn: true,
      actions: row.next ? [{ text: 'Go on there', run: next }] : [],
    });
    this.generations(this.abort.signal).catch(() => {});
  }

  /** Goes to a byte; of many wishes the last counts. @param {number} off */
  async go(off) {
    this.wish = off;
    if (this.going) return;
    this.going = true;
    while (this.wish !== undefined) {
      const to = this.wish;
      this.wish = undefined;
      await this.open({ name: this.name, gen: this.gen, off: Math.min(to, Math.max(0, this.size - 1)) });
    }
    this.going = false;
    if (this.asked && this.state.now.place) this.state.set({ place: this.asked });
  }

  toEnd() { this.open({ name: this.name, gen: this.gen, off: -1 }); }

  atEnd() { return this.ended; }

  /** @param {boolean} yes */
  follow(yes) {
    this.following = yes;
    this.lines.list.follow(yes);
    if (!this.root.hidden) document.body.dataset.following = String(yes);
  }

  /** @param {any} row */
  chosen(row) { this.state.set({ place: { name: this.name, gen: row.gen, off: row.off } }); }

  /** Is this the place that is shown? @param {Place} place */
  has(place) {
    const same = (/** @type {any} */ p) => !!p && p.off === place.off && p.gen === place.gen;
    return place.name === this.name && (same(this.asked) || same(this.lines.look.current));
  }

  showPlace() {
    const { list } = this.lines, top = this.scroller.scrollTop;
    const first = list.indexAt(top), last = list.indexAt(top + this.scroller.clientHeight - 1);
    const seen = this.rows.slice(first, last + 1).filter((r) => r.kind === 'entry');
    const from = seen[0]?.off ?? 0, to = seen.length ? seen[seen.length - 1].off + seen[seen.length - 1].len : this.size;
    this.bar.show(this.size, from, to);
    const part = this.size > 0 ? Math.min(100, to / this.size * 100) : 100;
    fill(this.where, `${count(from)}\u2013${count(to)} of ${count(this.size)} bytes (${part.toFixed(part < 10 ? 2 : 0)} %)`);
  }

  /** @param {AbortSignal} signal */
  async generations(signal) {
    const logs = await getJSON('logs', { signal });
    const log = logs.find((/** @type {any} */ l) => l.name === this.name || l.name.endsWith('/' + this.name));
    if (!log) return;
    this.name = log.name;
    const all = [...(log.older ?? []).map((/** @type {any} */ o) => ({ ...o, now: false })), ...(log.generation ? [{ ...log, now: true }] : [])].reverse();
    fill(this.gens, all.map((g) => h('option', { value: g.generation, selected: g.generation === this.gen },
      `${g.now ? 'now' : date(g.modified) || 'older'} \u00b7 ${size(g.size)} \u00b7 ${shortGen(g.generation)}`)));
    this.gens.hidden = all.length < 2;
    this.current = log.generation === this.gen;
  }

  /** @param {Place} place @param {unknown} err */
  refused(place, err) {
    this.body.hidden = true;
    this.notice.hidden = false;
    fill(this.where);
    const refusal = err instanceof Refusal ? err : null;
    const [, name] = splitPath(place.name);
    const now = button({ text: `Open ${name} as it is now`, class: 'button primary', click: () => this.state.set({ place: { name: place.name, gen: '', off: -1 } }) });
    const live = button({ text: 'Back to the live view', click: () => this.leave() });
    if (refusal?.status === 410) {
      const since = refusal.modified ? ` Its last byte was written ${date(refusal.modified)}.` : ` This is so as of ${date(Date.now())}.`;
      fill(this.notice, h('h2', null, 'This line is gone'),
        h('p', null, `Generation ${shortGen(place.gen)} of ${place.name} can no longer be read.${since}`), h('p', { class: 'dim' }, refusal.message), h('p', { class: 'row-buttons' }, now, live));
    } else if (refusal?.status === 409) {
      fill(this.notice, h('h2', null, 'Several files have this name'), h('ul', { class: 'candidates' }, refusal.candidates.map((c) => h('li', null,
        button({ text: c, class: 'button', click: () => this.state.set({ place: { ...place, name: c } }) })))), h('p', null, live));
    } else {
      fill(this.notice, h('h2', null, refusal?.status === 404 ? 'There is no such file' : 'This cannot be shown'),
        h('p', null, err instanceof Error ? err.message : String(err)), h('p', { class: 'row-buttons' },
          place.off >= 0 && refusal?.status !== 404 ? now : null, button({ text: 'Try again', click: () => this.open(place) }), live));
    }
  }

  /** Goes to the next match, also where nothing is loaded. @param {number} step */
  async find(step) {
    if (this.lines.find(step)) return;
    const typed = this.state.now.highlight;
    if (!typed) { this.highlight.focus(); return; }
    if (pattern(typed).error) { say(pattern(typed).error, true); return; }
    const query = new Filter({ sources: [], include: typed, exclude: '', level: '', fields: [] }).query();
    const signal = this.abort.signal;
    let at = step > 0 ? this.to : this.from;
    while (!signal.aborted && (step > 0 ? at < this.size : at > 0)) {
      say(`Searching \u2026 ${size(at)} of ${size(this.size)}`);
      const q = new URLSearchParams(query);
      q.set('gen', this.gen);
      q.set('limit', '1');
      if (step > 0) q.set('from', `${this.gen}:${at}`); else q.set('before', String(at));
      const piece = await entries(this.name, q, signal).catch((err) => { if (!signal.aborted) say(String(err.message), true); return null; });
      if (!piece) return;
      if (piece.rows.length > 0) { this.open({ name: this.name, gen: this.gen, off: piece.rows[0].off }); return; }
      const next = step > 0 ? piece.to : piece.from;
      if (next === at) break;
      at = next;
    }
    if (!signal.aborted) say(step > 0 ? 'No match from here to the end' : 'No match from the start to here');
  }

  copyLink() {
    const row = this.lines.look.current ?? this.rows[this.lines.list.indexAt(this.scroller.scrollTop)];
    copy(location.origin + location.pathname + hashOf({ name: this.name, gen: this.gen, off: row?.off ?? 0 }), 'Permalink');
  }

  /** Ends what is under way. */
  stop() { this.abort.abort(); }

  leave() { this.state.set({ place: null }, true); }
}

/** Downloads a file's bytes: by a link, or, where a token is needed, by fetch. @param {string} name @param {string} [gen] */
export async function raw(name, gen) {
  const file = splitPath(name)[1] || 'log';
  if (!token.value()) {
    const a = h('a', { href: rawURL(name, gen).href, download: file });
    document.body.append(a);
    a.click();
    a.remove();
    return;
  }
  say('Downloading \u2026');
  try {
    const url = rawURL(name, gen);
    download(await (await get(url.href)).blob(), file);
  } catch (err) {
    say(err instanceof Error ? err.message : String(err), true);
  }
}
