/** The keys, in one table: what they do, and the help that says so. */
import { fill, h } from './dom.js';
import { closePopover } from './popover.js';

/**
 * @typedef {{keys: string[], label: string, group: string, run: (e: KeyboardEvent) => void, when?: () => boolean}} Key
 */

export class Keys {
  constructor() {
    /** @type {Key[]} */
    this.all = [];
    document.addEventListener('keydown', (e) => this.press(e));
  }

  /** @param {Key[]} keys */
  add(keys) { this.all.push(...keys); }

  /** @param {KeyboardEvent} e */
  press(e) {
    if (e.ctrlKey || e.metaKey || e.altKey || e.isComposing || e.defaultPrevented) return;
    const target = e.target instanceof HTMLElement ? e.target : document.body;
    const typing = target.matches('input:not([type=checkbox]), textarea, select');
    if (e.key === 'Escape' && (closePopover() || closeHelp() || typing)) {
      if (typing) target.blur();
      e.preventDefault();
      return;
    }
    if (e.key === '?' && closeHelp()) return;
    if (typing || target.closest('.popover, dialog')) return;
    if (target.closest('button, a, summary') && (e.key === ' ' || e.key === 'Enter')) return;
    const key = this.all.find((k) => k.keys.includes(e.key) && (k.when?.() ?? true));
    if (!key) return;
    e.preventDefault();
    key.run(e);
  }
}

const names = /** @type {Object<string, string>} */ ({ ' ': 'Space', ArrowUp: '\u2191', ArrowDown: '\u2193', Escape: 'Esc', PageDown: 'PgDn', PageUp: 'PgUp' });

/** Shows all keys, or hides them. @param {Key[]} keys */
export function toggleHelp(keys) {
  if (closeHelp()) return;
  const dialog = /** @type {HTMLDialogElement} */ (document.getElementById('help'));
  const groups = [...new Set(keys.map((k) => k.group))];
  fill(dialog, h('div', { class: 'help-head' }, h('h2', null, 'Keys'),
    h('button', { type: 'button', class: 'button', on: { click: closeHelp } }, 'Close')),
  h('div', { class: 'help-groups' }, groups.map((group) => h('section', null, h('h3', null, group),
    h('dl', null, keys.filter((k) => k.group === group).map((k) => [
      h('dt', null, k.keys.map((key) => h('kbd', null, names[key] ?? key))), h('dd', null, k.label),
    ]))))),
  h('p', { class: 'dim' }, 'Filter, exclude and highlight take text, in any case of letters, or a regular expression as /timeout|refused/i. ',
    'Click a line for its details; click key=value to see only lines like it, with Alt or Shift to leave them out.'));
  dialog.showModal();
}

function closeHelp() {
  const dialog = /** @type {HTMLDialogElement} */ (document.getElementById('help'));
  const was = dialog.open;
  if (was) dialog.close();
  return was;
}
