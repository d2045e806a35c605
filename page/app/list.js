/**
 * A list of any length of which only the rows in sight are elements. Its rows may have
 * any height. It either follows its end, or holds still what is under the eye, whatever
 * comes or goes above and below.
 */
import { perFrame } from './dom.js';

const mostNodes = 200, margin = 8;

/**
 * @typedef {any & {seq: number, height?: number, layout?: number}} Item  seq: grows along the list
 * @typedef {Object} ListOptions
 * @property {(item: Item) => HTMLElement} render
 * @property {(item: Item) => number} estimate   its height before it was seen
 * @property {() => void} [away]      it follows, and somebody scrolls up
 * @property {() => void} [atEnd]     somebody scrolled to its end
 * @property {() => void} [nearStart] its beginning is close
 * @property {() => void} [nearEnd]
 * @property {() => void} [shown]     after a frame
 */

export class List {
  /** @param {HTMLElement} root @param {ListOptions} o */
  constructor(root, o) {
    this.o = o;
    this.root = root;
    this.canvas = document.createElement('div');
    this.canvas.className = 'canvas';
    this.window = document.createElement('div');
    this.window.className = 'window';
    this.canvas.append(this.window);
    root.append(this.canvas);
    /** @type {Item[]} */
    this.items = [];
    this.following = false;
    /** @type {{seq: number, delta: number} | null} */
    this.anchor = null;
    this.tops = new Float64Array(1);
    /** @type {Map<Item, HTMLElement>} */
    this.nodes = new Map();
    /** @type {WeakMap<Element, Item>} */
    this.itemOf = new WeakMap();
    this.layout = 1;
    this.expected = 0;
    this.measured = 0;
    this.first = this.last = 0;
    this.changed = perFrame(() => this.frame());
    root.addEventListener('scroll', () => this.scrolled(), { passive: true });
    root.addEventListener('wheel', (e) => { if (e.deltaY < 0 && this.following && this.overflows()) this.o.away?.(); }, { passive: true });
    let width = 0;
    new ResizeObserver(() => {
      if (root.clientWidth !== width) this.layout++;
      width = root.clientWidth;
      this.changed();
    }).observe(root);
  }

  /** @param {Item[]} items */
  setItems(items) {
    this.items = items;
    this.changed();
  }

  /** Makes all rows anew. */
  refresh() {
    this.layout++;
    this.nodes.clear();
    this.changed();
  }

  /** Makes one row anew. @param {Item} item */
  renew(item) {
    item.layout = 0;
    this.nodes.delete(item);
    this.changed();
  }

  overflows() { return this.fresh()[this.items.length] > this.root.clientHeight; }

  /** Follows the end, or stays where it is. @param {boolean} yes */
  follow(yes) {
    if (!yes && this.following) this.hold(this.root.scrollTop);
    this.following = yes;
    this.changed();
  }

  /** Holds still what is at a height. @param {number} top */
  hold(top) {
    let i = this.indexAt(top);
    if (this.items[i]?.seq === -Infinity && i + 1 < this.items.length) i++; // what stands in front is no place to stay at
    const item = this.items[i];
    this.anchor = item ? { seq: item.seq, delta: top - this.tops[i] } : null;
  }

  /** Goes to its beginning. */
  toStart() {
    this.anchor = null;
    this.changed();
  }

  /** Goes to its end, once. */
  toEnd() {
    this.anchor = { seq: Infinity, delta: 0 };
    this.changed();
  }

  /**
   * Brings an item into sight.
   * @param {Item} item
   * @param {boolean} [middle]  into the middle
   */
  show(item, middle = false) {
    const i = this.indexOf(item);
    if (i < 0) return;
    this.measureTops();
    const top = this.current(), height = this.root.clientHeight;
    const from = this.tops[i], to = this.tops[i + 1];
    const at = (/** @type {number} */ delta) => { this.anchor = { seq: item.seq, delta }; };
    if (middle) at(-height / 3);
    else if (from < top + 4) at(-4);
    else if (to > top + height - 4) at(Math.min(-4, to - from - height + 4));
    else at(top - from);
    this.following = false;
    this.changed();
  }

  /** @param {Item} item */
  indexOf(item) {
    const i = this.search((j) => this.items[j].seq >= item.seq);
    return this.items[i] === item ? i : this.items.indexOf(item);
  }

  /** The first index for which yes holds. @param {(i: number) => boolean} yes */
  search(yes) {
    let low = 0, high = this.items.length;
    while (low < high) {
      const mid = (low + high) >> 1;
      if (yes(mid)) high = mid; else low = mid + 1;
    }
    return low;
  }

  /** The row at a height. @param {number} top */
  indexAt(top) { return Math.max(0, this.search((i) => this.fresh()[i + 1] > top)); }

  fresh() {
    if (this.measured !== this.items.length) this.measureTops();
    return this.tops;
  }

  measureTops() {
    const n = this.items.length;
    if (this.tops.length < n + 1) this.tops = new Float64Array(Math.ceil((n + 1) * 1.5));
    let y = 0;
    for (let i = 0; i < n; i++) {
      this.tops[i] = y;
      const item = this.items[i];
      y += item.layout === this.layout ? item.height : this.o.estimate(item);
    }
    this.tops[n] = y;
    this.measured = n;
  }

  /** Where the view is to begin. */
  current() {
    const n = this.items.length, most = Math.max(0, this.tops[n] - this.root.clientHeight);
    if (this.following || this.anchor?.seq === Infinity) return most;
    if (!this.anchor) return 0;
    const { seq, delta } = this.anchor;
    const i = this.search((j) => this.items[j].seq >= seq);
    const exact = this.items[i]?.seq === seq;
    return Math.min(most, Math.max(0, this.tops[Math.min(i, n)] + (exact ? delta : 0)));
  }

  frame() {
    const height = this.root.clientHeight;
    if (height === 0) return;
    let top = 0;
    for (let pass = 0; pass < 4; pass++) {
      this.measureTops();
      top = this.current();
      this.place(top, height);
      if (!this.measure()) break;
    }
    if (!this.following && !this.anchor) this.hold(top);
    const total = Math.ceil(this.tops[this.items.length]);
    if (this.total !== total) this.canvas.style.height = `${this.total = total}px`;
    this.window.style.transform = `translateY(${this.tops[this.first]}px)`;
    if (Math.abs(this.root.scrollTop - top) > 0.5) this.root.scrollTop = top;
    this.expected = this.root.scrollTop;
    this.root.dataset.count = String(this.items.length);
    this.o.shown?.();
    this.edges(top, height);
  }

  /** @param {number} top @param {number} height */
  edges(top, height) {
    if (top < height / 2) this.o.nearStart?.();
    if (top + height * 1.5 > this.tops[this.items.length]) this.o.nearEnd?.();
  }

  /** Puts the rows in sight there. @param {number} top @param {number} height */
  place(top, height) {
    const n = this.items.length;
    this.first = Math.max(0, this.indexAt(top) - margin);
    this.last = Math.min(n, this.search((i) => this.tops[i] >= top + height) + margin, this.first + mostNodes);
    /** @type {Map<Item, HTMLElement>} */
    const nodes = new Map();
    for (let i = this.first; i < this.last; i++) {
      const item = this.items[i];
      nodes.set(item, this.nodes.get(item) ?? this.make(item));
    }
    for (const [item, node] of this.nodes) if (!nodes.has(item)) node.remove();
    const wanted = new Set(nodes.values());
    for (const node of [...this.window.children]) if (!wanted.has(/** @type {HTMLElement} */ (node))) node.remove();
    let next = this.window.firstChild;
    for (const node of nodes.values()) {
      if (node === next) next = next.nextSibling;
      else this.window.insertBefore(node, next);
    }
    this.nodes = nodes;
  }

  /** @param {Item} item */
  make(item) {
    const node = this.o.render(item);
    this.itemOf.set(node, item);
    return node;
  }

  /** Takes the heights of new rows. @returns {boolean} some differ from what was thought */
  measure() {
    let differ = false;
    for (const [item, node] of this.nodes) {
      if (item.layout === this.layout) continue;
      const height = node.getBoundingClientRect().height;
      if (Math.abs(height - this.o.estimate(item)) > 0.1) differ = true;
      item.height = height;
      item.layout = this.layout;
    }
    return differ;
  }

  scrolled() {
    const top = this.root.scrollTop, moved = top - this.expected;
    if (Math.abs(moved) < 1.5) return;
    this.expected = top;
    // The end that could be reached: rows that came since the last frame are below it.
    // A view that grows moves what is in it without anybody scrolling.
    const end = top + this.root.clientHeight >= this.root.scrollHeight - 4;
    if (this.following) {
      if (moved > 0 || end) return;
      this.o.away?.();
      this.following = false;
    }
    this.hold(top);
    if (moved > 0 && end) this.o.atEnd?.();
    this.changed();
  }

  /** The item of an element within a row. @param {Element | null} el @returns {Item | null} */
  itemAt(el) {
    while (el && el.parentElement !== this.window) el = el.parentElement;
    return el ? this.itemOf.get(el) ?? null : null;
  }
}
