/**
 * Lines one can walk through: the list of the Logs view, and that of the file view.
 * One of them is the current one; any may show its details.
 */
import { fill, h } from './dom.js';
import { List } from './list.js';
import { renderRow } from './row.js';
import { jsonOf } from './detail.js';
import { copy, say } from './copy.js';
import { curlEntry, netcat } from './commands.js';
import { hashOf } from './state.js';
import { at } from './entry.js';
import { pattern } from './filter.js';
import { strip } from './ansi.js';
import { time, timeFormats } from './format.js';
import { whole } from './api.js';

const rowHeight = 20, noticeHeight = 32;

/**
 * @typedef {Object} LinesOptions
 * @property {import('./state.js').PageState} state
 * @property {import('./names.js').Names} names
 * @property {boolean} file
 * @property {(row: any, what: string) => void} act   what only the view can do
 * @property {() => void} touched                     somebody looks at a line: nothing may move
 * @property {(row: any) => void} [chosen]
 * @property {Partial<import('./list.js').ListOptions>} list
 */

export class Lines {
  /** @param {HTMLElement} root @param {LinesOptions} o */
  constructor(root, o) {
    this.o = o;
    this.root = root;
    this.frame = /** @type {HTMLElement} */ (root.parentElement);
    /** @type {import('./row.js').Look} */
    this.look = {
      names: o.names, time: 'local', columns: [], wrap: false, file: o.file, marked: null, current: null,
      open: new Set(), target: '', now: Date.now(), act: (row, what) => this.act(row, what),
    };
    this.list = new List(root, {
      render: (row) => renderRow(row, this.look), estimate: (row) => this.estimate(row), ...o.list,
    });
    this.head = h('div', { class: 'line columns-head', 'aria-hidden': 'true', hidden: true });
    root.before(this.head);
    this.namesVersion = 0;
    this.perLine = 100;
    root.addEventListener('click', (e) => this.click(e));
    root.addEventListener('pointerdown', (e) => { if (this.list.itemAt(/** @type {Element} */ (e.target))) o.touched(); });
    new ResizeObserver(() => this.measureText()).observe(root);
    setInterval(() => this.tick(), 1000);
  }

  /** Looks as the state says. */
  apply() {
    const s = this.o.state.now, look = this.look;
    Object.assign(look, { time: s.time, columns: s.columns, wrap: s.wrap });
    look.marked = this.markedBy(s);
    const format = timeFormats.find((f) => f.name === s.time) ?? timeFormats[0];
    this.frame.style.setProperty('--time-ch', String(format.width));
    this.frame.style.setProperty('--columns', s.columns.map((c) => `${Math.max(8, Math.min(16, c.length + 2))}ch`).join(' '));
    this.root.classList.toggle('wrap', s.wrap);
    this.frame.classList.toggle('with-columns', s.columns.length > 0);
    this.head.hidden = s.columns.length === 0;
    fill(this.head, h('span', null, 'Time'), h('span', { class: 'source' }, 'Source'), h('span'), s.columns.map((c) => h('span', { class: 'column' }, c)), h('span', null, 'Message'));
    this.refresh();
  }

  /** @param {import('./state.js').State} s */
  markedBy(s) {
    const highlight = pattern(s.highlight).regexp;
    return highlight ?? (this.o.file ? null : pattern(s.include).regexp);
  }

  refresh() {
    this.look.now = Date.now();
    this.list.refresh();
  }

  /** A new name may make others longer. */
  nameWidths() {
    if (this.o.names.version === this.namesVersion) return;
    this.namesVersion = this.o.names.version;
    let most = 6;
    for (const { short } of this.o.names.known.values()) most = Math.max(most, Math.min(24, short.length));
    this.frame.style.setProperty('--source-ch', String(most));
    this.refresh();
  }

  /** About how many characters a wrapped line has. */
  measureText() { this.perLine = Math.max(20, Math.floor((this.root.clientWidth - 300) / 7.4)); }

  /** @param {any} row */
  estimate(row) {
    if (row.kind !== 'entry') return noticeHeight;
    if (!this.look.wrap) return rowHeight;
    return rowHeight * Math.max(1, Math.ceil((Math.min(row.message.length, 4000) + Math.min(row.fields.length, 200)) / this.perLine));
  }

  tick() {
    if (this.look.time !== 'relative' || document.hidden) return;
    const now = this.look.now = Date.now();
    for (const [row, node] of this.list.nodes) {
      const cell = row.kind === 'entry' && node.querySelector('.time');
      if (cell) cell.textContent = time(row.time, 'relative', now);
    }
  }

  /** @param {MouseEvent} e */
  click(e) {
    const el = /** @type {HTMLElement} */ (e.target);
    const row = this.list.itemAt(el);
    if (!row || row.kind !== 'entry') return;
    const field = /** @type {HTMLElement | null} */ (el.closest('[data-key]'));
    if (field) { this.field(field, e); return; }
    if (!el.closest('.line') || !getSelection()?.isCollapsed) return;
    const open = this.look.open.has(row);
    this.choose(row);
    this.setOpen(row, !open);
  }

  /** @param {HTMLElement} el @param {MouseEvent} e */
  field(el, e) {
    const { key = '', value = '', what } = el.dataset;
    const state = this.o.state;
    if (what === 'column') {
      if (!state.now.columns.includes(key)) state.set({ columns: [...state.now.columns, key] });
      return;
    }
    if (this.o.file) { say('Filters are for the live view; highlight works here'); return; }
    const not = what === 'not' || e.altKey || e.shiftKey;
    const fields = state.now.fields.filter((f) => f.key !== key || f.value !== value);
    state.set({ fields: [...fields, { key, value, not }] });
  }

  /** Makes a row the current one. @param {any} row */
  choose(row) {
    const before = this.look.current;
    this.look.current = row;
    if (before) this.list.renew(before);
    if (row) this.list.renew(row);
    this.o.touched();
    if (row) this.o.chosen?.(row);
  }

  /** @param {any} row @param {boolean} open */
  setOpen(row, open) {
    if (open) this.look.open.add(row); else this.look.open.delete(row);
    if (this.look.open.size > 50) this.look.open = new Set([row]);
    this.list.renew(row);
    requestAnimationFrame(() => this.list.show(row));
  }

  /** Opens the current row, or closes it. */
  toggle() {
    const row = this.look.current;
    if (row?.kind === 'entry') this.setOpen(row, !this.look.open.has(row));
  }

  closeAll() {
    for (const row of this.look.open) this.list.renew(row);
    this.look.open.clear();
  }

  /** @param {number} step */
  page(step) { this.root.scrollTop += step * Math.max(40, this.root.clientHeight - 40); }

  /** Goes up or down by lines. @param {number} step */
  move(step) {
    const { items } = this.list;
    let i = this.look.current ? this.list.indexOf(this.look.current) : -1;
    if (i < 0) i = this.outside(step);
    do i += step; while (items[i] && items[i].kind !== 'entry');
    if (!items[i]) return;
    this.choose(items[i]);
    this.list.show(items[i]);
  }

  /** From where to step into what is in sight. @param {number} step */
  outside(step) {
    const { list, root } = this;
    if (step > 0) return list.indexAt(root.scrollTop) - 1;
    return Math.min(list.items.length, list.indexAt(root.scrollTop + root.clientHeight - 1) + 1);
  }

  /** Is a row highlighted? @param {any} row */
  matches(row) {
    const re = this.look.marked;
    return row.kind === 'entry' && !!re && (re.test(strip(row.message)) || re.test(row.fields));
  }

  /**
   * Goes to the next row that is highlighted.
   * @param {number} step
   * @returns {boolean} there was one
   */
  find(step) {
    const { items } = this.list;
    let i = this.look.current ? this.list.indexOf(this.look.current) : -1;
    if (i < 0) i = this.outside(step);
    for (i += step; i >= 0 && i < items.length; i += step) {
      if (!this.matches(items[i])) continue;
      this.choose(items[i]);
      this.list.show(items[i], true);
      return true;
    }
    return false;
  }

  /** Which match the current row is, of how many. @returns {string} */
  count() {
    if (!this.look.marked) return '';
    let all = 0, current = 0;
    for (const row of this.list.items) {
      if (!this.matches(row)) continue;
      all++;
      if (row === this.look.current) current = all;
    }
    return current ? `${current} of ${all}` : `${all}`;
  }

  /** Does something with the current row. @param {string} what */
  actCurrent(what) {
    const row = this.look.current;
    if (row?.kind === 'entry') this.act(row, what);
    else say('Choose a line first: click it, or j and k');
  }

  /** @param {any} row @param {string} what */
  act(row, what) {
    switch (what) {
      case 'copy': copy(row.cut ? whole(row).then((json) => JSON.parse(json).message) : row.message, 'Line'); break;
      case 'json': copy(jsonOf(row), 'JSON'); break;
      case 'link': copy(location.origin + location.pathname + hashOf({ name: row.source, gen: row.gen, off: row.off }), 'Permalink'); break;
      case 'curl': copy(curlEntry(row), 'curl command'); break;
      case 'nc': copy(netcat(row), 'nc command'); break;
      case 'context': this.o.state.set({ place: { name: row.source, gen: row.gen, off: row.off } }, true); break;
      default: this.o.act(row, what);
    }
  }

  /** Marks the line that was asked for. @param {import('./entry.js').Entry | null} e */
  setTarget(e) {
    this.look.target = e ? at(e) : '';
    this.list.refresh();
  }
}
