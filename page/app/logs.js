/** The Logs view: the lines of the chosen sources as they come. */
import { button, fill, h, perFrame } from './dom.js';
import { Store } from './store.js';
import { Filter, pattern } from './filter.js';
import { Lines } from './lines.js';
import { History } from './history.js';
import { Toolbar } from './toolbar.js';
import { loadGap, sleptRow } from './gaps.js';
import { copy, download, say } from './copy.js';
import { curlStream } from './commands.js';
import { at } from './entry.js';
import { count, plural } from './format.js';

const filterKeys = /** @type {const} */ (['sources', 'include', 'exclude', 'level', 'fields']);

export class LogsView {
  /**
   * @param {{toolbar: HTMLElement, lines: HTMLElement, pill: HTMLElement, empty: HTMLElement, status: HTMLElement}} el
   * @param {import('./state.js').PageState} state
   * @param {import('./names.js').Names} names
   */
  constructor(el, state, names) {
    this.el = el;
    this.state = state;
    this.names = names;
    this.byScroll = false; // paused by scrolling: the end goes on
    this.rate = { at: Date.now(), total: 0, text: '' };
    this.live = false;
    this.began = Infinity; // when the first rows came
    this.lastId = '';
    this.update = perFrame(() => this.show());
    this.store = new Store({ changed: () => this.update() });
    this.history = new History(this.store, { open: (name) => state.set({ place: { name, gen: '', off: -1 } }, true), names });
    this.lines = new Lines(el.lines, {
      state, names, file: false, touched: () => this.pause(false), act: (row, what) => this.act(row, what),
      list: {
        away: () => this.pause(true), atEnd: () => { if (this.byScroll) this.follow(); },
        nearStart: () => this.nearStart(),
      },
    });
    this.lines.list.follow(true);
    this.toolbar = new Toolbar(el.toolbar, state, names, {
      toggleFollow: () => this.toggle(), download: (format) => this.download(format), copyLink: () => copy(location.origin + state.address(), 'Link'),
      copyCurl: () => this.copyCurl(), clear: () => this.clear(), mark: () => this.mark(), find: (step) => this.find(step),
    });
    this.pill = button({ text: '', class: 'pill', click: () => this.follow() });
    el.pill.append(this.pill);
    setInterval(() => this.second(), 1000);
    this.applyFilter();
    this.lines.apply();
    this.showFollowing();
  }

  /** @param {import('./state.js').State} now @param {import('./state.js').State} before */
  apply(now, before) {
    const differ = (/** @type {keyof import('./state.js').State} */ key) => JSON.stringify(now[key]) !== JSON.stringify(before[key]);
    if (filterKeys.some(differ)) this.applyFilter();
    this.showErrors();
    if (differ('include') || differ('highlight') || differ('columns') || differ('wrap') || differ('time')) this.lines.apply();
    this.toolbar.show();
    this.second();
  }

  applyFilter() {
    const s = this.state.now;
    const filter = new Filter(s, this.store.filter ?? undefined);
    this.history.reset();
    this.store.setFilter(filter);
    this.lines.frame.classList.toggle('one-source', s.sources.length === 1);
    this.showErrors();
    this.toolbar.show();
  }

  showErrors() { this.toolbar.showErrors({ .../** @type {Filter} */ (this.store.filter).errors, highlight: pattern(this.state.now.highlight).error }); }

  /** @param {import('./entry.js').Row[]} rows @param {number} missed @param {string} start */
  take(rows, missed, start) {
    if (this.began === Infinity) this.began = Date.now();
    for (const row of rows) this.names.add(row.source);
    if (missed > 0 && this.lastId) this.store.take([sleptRow(this.store, missed, this.lastId, start, (row) => this.lines.list.renew(row))], start);
    this.store.take(rows, start);
    this.lastId = rows.at(-1)?.id || this.lastId;
  }

  /** @param {import('./feed.js').Connection['state']} state */
  setState(state) {
    this.live = state === 'live';
    this.denied = state === 'denied';
    this.update();
  }

  nearStart() {
    if (!this.live && !this.store.start) return;
    if (!this.store.start && this.state.now.sources.length !== 1) return;
    if (this.el.lines.clientHeight > 0 && !this.cleared) this.history.older();
  }

  show() {
    const { store, lines } = this;
    lines.nameWidths();
    lines.list.setItems(store.shown);
    const none = store.shown.length === (store.head ? 1 : 0);
    this.el.empty.hidden = !none;
    if (none) this.showEmpty(); else this.emptyText = '';
    this.showPill();
  }

  showEmpty() {
    const active = this.store.filter?.active;
    const text = this.denied ? '' : !this.live ? 'Connecting \u2026' : this.cleared ? 'Cleared. New lines appear here.' : active ? 'No line matches so far.' : 'No lines yet. They appear here as they are written.';
    if (this.emptyText === text) return;
    this.emptyText = text;
    fill(this.el.empty, h('p', null, text),
      this.cleared ? button({ text: 'Show older lines', click: () => this.uncleared() }) : active && this.live ? button({ text: 'Remove all filters', click: () => this.state.set({ sources: [], include: '', exclude: '', level: '', fields: [] }) }) : null);
  }

  showPill() {
    const { store } = this;
    this.el.pill.hidden = !store.paused;
    if (!store.paused) return;
    const n = store.pending.length + store.letGo;
    const text = `${n}`;
    if (this.pillText === text) return;
    this.pillText = text;
    fill(this.pill, h('b', null, 'Paused'), h('span', null, n > 0 ? plural(n, 'new line') : 'nothing new'), h('span', { class: 'do' }, 'Follow ', h('kbd', null, 'G')));
  }

  showFollowing() {
    document.body.dataset.following = String(!this.store.paused);
    this.toolbar.showFollowing(!this.store.paused);
    this.pillText = '';
    this.update();
  }

  /** @param {boolean} byScroll */
  pause(byScroll) {
    if (this.store.paused) { if (!byScroll) this.byScroll = false; return; }
    this.byScroll = byScroll;
    this.store.pause();
    this.lines.list.follow(false);
    this.showFollowing();
  }

  follow() {
    const gone = this.store.resume();
    this.byScroll = false;
    this.lines.list.follow(true);
    if (gone > 0) {
      this.store.setHead({ kind: 'note', id: '', source: '', warn: true, text: `${plural(gone, 'line')} went by while you were paused and were let go here.`, actions: [{ text: 'Load', run: () => { this.pause(true); this.history.again(); } }] });
      this.history.reset();
      this.history.ended = true;
    }
    this.showFollowing();
  }

  toggle() { if (this.store.paused) this.follow(); else this.pause(false); }

  toStart() {
    this.pause(true);
    this.lines.list.toStart();
  }

  /** @param {any} row @param {string} what */
  act(row, what) {
    if (what === 'load') loadGap(this.store, row, () => this.lines.list.renew(row));
    if (what === 'mark') this.mark();
  }

  mark() {
    this.store.insert(this.lines.look.current, { kind: 'mark', id: '', source: '', time: Date.now() });
  }

  clear() {
    this.store.clear();
    this.lines.look.current = null;
    this.lines.look.open.clear();
    this.history.reset();
    this.cleared = true;
    this.emptyText = '';
    this.store.setHead({ kind: 'note', id: '', source: '', text: 'Cleared.', actions: [{ text: 'Show older lines', run: () => this.uncleared() }] });
  }

  uncleared() {
    this.cleared = false;
    this.emptyText = '';
    this.store.clearedAt = -Infinity;
    this.history.reset();
    this.store.rebuild();
  }

  /** @param {number} step */
  find(step) {
    if (!this.lines.look.marked) { say('Type what to find into the highlight box (f)'); return; }
    if (!this.lines.find(step)) say(step > 0 ? 'No match further down' : 'No match further up; older lines are loaded at the top');
    this.second();
  }

  copyCurl() {
    const row = this.lines.look.current;
    if (row?.kind === 'entry' && this.lines.look.open.has(row)) this.lines.act(row, 'curl');
    else copy(curlStream(/** @type {Filter} */ (this.store.filter)), 'curl command for this view');
  }

  /** @param {'text' | 'json'} format */
  download(format) {
    const rows = /** @type {import('./entry.js').Entry[]} */ (this.store.shown.filter((row) => row.kind === 'entry'));
    const line = (/** @type {import('./entry.js').Entry} */ e) => format === 'text' ? e.message : JSON.stringify({
      time: e.stamp, source: e.source, level: e.level || undefined, message: e.message, fields: e.fields ? JSON.parse(e.fields) : undefined, at: at(e), len: e.len,
    });
    const name = `fairlead-${new Date().toISOString().slice(0, 19).replaceAll(':', '')}.${format === 'text' ? 'log' : 'ndjson'}`;
    download(new Blob(rows.map((e) => line(e) + '\n'), { type: 'text/plain' }), name);
    say(`${plural(rows.length, 'line')} saved as ${name}`);
  }

  /** What is counted is written once a second. */
  second() {
    const { store, rate } = this;
    const now = Date.now(), passed = now - rate.at;
    if (now - this.began < 2500) Object.assign(rate, { at: now, total: store.total }); // what was there before is no rate
    else if (passed >= 900) {
      const perSecond = (store.total - rate.total) / passed * 1000;
      Object.assign(rate, { at: now, total: store.total, text: perSecond >= 10 ? `${count(Math.round(perSecond))} lines/s` : perSecond > 0 ? `${perSecond.toFixed(1)} lines/s` : 'quiet' });
    }
    if (document.hidden) return;
    const shown = store.shown.length - (store.head ? 1 : 0);
    fill(this.el.status, h('span', null, plural(shown, 'line')), store.filter?.active ? h('span', null, `filtered, of ${count(store.all.length)} kept here`) : null,
      h('span', null, plural(this.names.known.size, 'source')), h('span', { class: 'end' }, rate.text));
    this.toolbar.showFound(this.state.now.highlight ? this.lines.count() : '');
  }
}
