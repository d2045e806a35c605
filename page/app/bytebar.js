/**
 * The bar beside a file: all bytes of a generation from top to bottom, with the part
 * that is in sight. It goes to any byte at once.
 */
import { h } from './dom.js';
import { count } from './format.js';

export class ByteBar {
  /** @param {HTMLElement} root @param {(off: number) => void} go */
  constructor(root, go) {
    this.go = go;
    this.size = this.from = this.to = 0;
    this.thumb = h('div', { class: 'thumb' });
    this.tip = h('div', { class: 'tip', hidden: true });
    this.bar = h('div', {
      class: 'bytebar', role: 'slider', tabIndex: 0, 'aria-label': 'Place in the file, in bytes', 'aria-orientation': 'vertical', 'aria-valuemin': 0,
      on: {
        pointerdown: (/** @type {PointerEvent} */ e) => this.down(e),
        pointermove: (/** @type {PointerEvent} */ e) => this.hover(e),
        pointerleave: () => { this.tip.hidden = true; },
        keydown: (/** @type {KeyboardEvent} */ e) => this.key(e),
      },
    }, this.thumb, this.tip);
    root.append(this.bar);
  }

  /** @param {number} size @param {number} from @param {number} to */
  show(size, from, to) {
    Object.assign(this, { size, from, to });
    const height = this.bar.clientHeight;
    const span = size > 0 ? Math.max(18, (to - from) / size * height) : height;
    const room = height - span, rest = Math.max(1, size - (to - from));
    this.thumb.style.height = `${Math.min(height, span)}px`;
    this.thumb.style.transform = `translateY(${Math.max(0, Math.min(room, from / rest * room))}px)`;
    this.bar.setAttribute('aria-valuemax', String(size));
    this.bar.setAttribute('aria-valuenow', String(from));
    this.bar.setAttribute('aria-valuetext', `byte ${count(from)} of ${count(size)}`);
  }

  /** @param {PointerEvent} e */
  offsetAt(e) {
    const box = this.bar.getBoundingClientRect();
    const part = Math.max(0, Math.min(1, (e.clientY - box.top) / box.height));
    return Math.floor(part * this.size);
  }

  /** @param {PointerEvent} e */
  hover(e) {
    const off = this.offsetAt(e);
    this.tip.hidden = false;
    this.tip.textContent = `${count(off)} \u00b7 ${this.size ? (off / this.size * 100).toFixed(1) : 0} %`;
    const box = this.bar.getBoundingClientRect();
    this.tip.style.top = `${Math.max(0, Math.min(box.height - 24, e.clientY - box.top - 12))}px`;
    if (this.bar.hasPointerCapture(e.pointerId)) this.go(off);
  }

  /** @param {PointerEvent} e */
  down(e) {
    if (e.button !== 0) return;
    this.bar.setPointerCapture(e.pointerId);
    this.go(this.offsetAt(e));
  }

  /** @param {KeyboardEvent} e */
  key(e) {
    const page = Math.max(1, this.to - this.from), part = Math.max(page, Math.floor(this.size / 20));
    const to = {
      ArrowUp: this.from - page, ArrowDown: this.to, PageUp: this.from - part, PageDown: this.from + part, Home: 0, End: this.size,
    }[e.key];
    if (to === undefined) return;
    e.preventDefault();
    e.stopPropagation();
    this.go(Math.max(0, Math.min(this.size, to)));
  }
}
