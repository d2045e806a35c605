/** A box below a button, which closes when one looks elsewhere. */
import { h } from './dom.js';

/** @type {(() => void) | null} */
let closeOpen = null;

/** Closes what is open. @returns {boolean} something was */
export function closePopover() {
  if (!closeOpen) return false;
  closeOpen();
  return true;
}

/**
 * @param {HTMLElement} anchor   the button
 * @param {HTMLElement} content
 * @param {string} label
 * @param {() => void} [closed]
 */
export function popover(anchor, content, label, closed) {
  const again = anchor.getAttribute('aria-expanded') === 'true';
  closeOpen?.();
  if (again) return;
  const box = h('div', { class: 'popover', role: 'dialog', 'aria-label': label }, content);
  document.body.append(box);
  place(box, anchor);
  anchor.setAttribute('aria-expanded', 'true');
  const outside = (/** @type {Event} */ e) => {
    const el = /** @type {Node} */ (e.target);
    if (!box.contains(el) && !anchor.contains(el)) closeOpen?.();
  };
  const resize = () => place(box, anchor);
  closeOpen = () => {
    closeOpen = null;
    const inside = box.contains(document.activeElement);
    box.remove();
    anchor.setAttribute('aria-expanded', 'false');
    document.removeEventListener('pointerdown', outside, true);
    removeEventListener('resize', resize);
    if (inside) anchor.focus();
    closed?.();
  };
  document.addEventListener('pointerdown', outside, true);
  addEventListener('resize', resize);
  /** @type {HTMLElement | null} */ (box.querySelector('input, button'))?.focus();
}

/** @param {HTMLElement} box @param {HTMLElement} anchor */
function place(box, anchor) {
  const a = anchor.getBoundingClientRect();
  box.style.top = `${a.bottom + 4}px`;
  box.style.maxHeight = `${innerHeight - a.bottom - 16}px`;
  box.style.left = `${Math.max(8, Math.min(a.left, innerWidth - box.offsetWidth - 8))}px`;
}

/**
 * A menu of commands.
 * @param {HTMLElement} anchor
 * @param {string} label
 * @param {{text: string, key?: string, checked?: boolean, run: () => void}[]} items
 */
export function menu(anchor, label, items) {
  const box = h('div', { class: 'menu', role: 'menu' }, items.map((item) => h('button', {
    type: 'button', role: item.checked === undefined ? 'menuitem' : 'menuitemradio',
    'aria-checked': item.checked === undefined ? null : String(item.checked), class: 'menu-item',
    on: { click: () => { closePopover(); item.run(); } },
  }, h('span', null, item.text), item.key ? h('kbd', null, item.key) : null)));
  box.addEventListener('keydown', (/** @type {KeyboardEvent} */ e) => {
    const step = e.key === 'ArrowDown' ? 1 : e.key === 'ArrowUp' ? -1 : 0;
    if (!step) return;
    e.preventDefault();
    const all = [...box.children], i = all.indexOf(document.activeElement);
    all[(i + step + all.length) % all.length].focus();
  });
  popover(anchor, box, label);
}
