/** The bar above the lines: what is looked for, and how it is shown. */
import { button, debounce, fill, h } from './dom.js';
import { levels } from './entry.js';
import { openPicker } from './picker.js';
import { menu } from './popover.js';
import { plural, timeFormats } from './format.js';

const levelNames = ['All levels', 'Trace and up', 'Debug and up', 'Info and up', 'Warn and up', 'Error and up', 'Fatal'];

/**
 * @typedef {Object} ToolbarActions
 * @property {() => void} toggleFollow
 * @property {(format: 'text' | 'json') => void} download
 * @property {() => void} copyLink
 * @property {() => void} copyCurl
 * @property {() => void} clear
 * @property {() => void} mark
 * @property {(step: number) => void} find
 */

export class Toolbar {
  /**
   * @param {HTMLElement} root
   * @param {import('./state.js').PageState} state
   * @param {import('./names.js').Names} names
   * @param {ToolbarActions} act
   */
  constructor(root, state, names, act) {
    this.state = state;
    this.names = names;
    this.act = act;
    this.sources = button({ text: '', class: 'button picker-button', title: 'Choose sources', key: 's', click: () => this.pick() });
    this.include = this.box('include', 'Filter: text or /regex/', 'Show only lines with this', '/');
    this.exclude = this.box('exclude', 'Exclude \u2026', 'Leave out lines with this');
    this.highlight = this.box('highlight', 'Highlight \u2026', 'Mark this, and leave nothing out', 'f');
    this.found = h('span', { class: 'found', 'aria-live': 'polite' });
    this.level = h('select', {
      class: 'box select', title: 'Least level (1\u20135)', 'aria-label': 'Least level',
      on: { change: () => state.set({ level: this.level.value }) },
    }, levels.map((value, i) => h('option', { value }, levelNames[i])));
    this.follow = button({ text: '', class: 'button follow', click: () => act.toggleFollow() });
    this.wrap = button({ icon: 'wrap', class: 'button icon', title: 'Wrap long lines', key: 'w', pressed: false, click: () => state.set({ wrap: !state.now.wrap }) });
    this.time = button({ icon: 'clock', class: 'button icon', title: 'How times are shown', key: 't', click: () => this.times() });
    this.more = button({ icon: 'more', class: 'button icon', title: 'More', click: () => this.menu() });
    this.tokens = h('div', { class: 'tokens' });
    const next = h('span', { class: 'steps' }, this.found,
      button({ icon: 'up', class: 'button icon flat', title: 'Previous match', key: 'Shift+N', click: () => act.find(-1) }),
      button({ icon: 'down', class: 'button icon flat', title: 'Next match', key: 'n', click: () => act.find(1) }));
    this.highlight.wrap.append(next);
    fill(root, h('div', { class: 'tools' }, this.sources, this.include.wrap, this.exclude.wrap, this.highlight.wrap, this.level,
      h('span', { class: 'group' }, this.wrap, this.time, this.more), this.follow), this.tokens);
    this.show();
  }

  /**
   * @param {'include' | 'exclude' | 'highlight'} name
   * @param {string} placeholder @param {string} label @param {string} [key]
   */
  box(name, placeholder, label, key) {
    const now = () => this.state.set({ [name]: input.value });
    const later = debounce(120, now);
    const input = h('input', {
      type: 'search', class: `box ${name}`, placeholder, 'aria-label': label, title: key ? `${label} (${key})` : label,
      'aria-keyshortcuts': key, spellcheck: 'false', autocomplete: 'off', autocapitalize: 'off', 'aria-describedby': `${name}-error`,
      on: { input: later, change: now, keydown: (/** @type {KeyboardEvent} */ e) => { if (e.key === 'Enter' && name === 'highlight') this.act.find(e.shiftKey ? -1 : 1); } },
    });
    const error = h('span', { class: 'box-error', id: `${name}-error`, role: 'alert' });
    return { input, error, wrap: h('span', { class: `box-wrap ${name}-wrap` }, input, error) };
  }

  pick() {
    openPicker(this.sources, {
      names: this.names, chosen: () => this.state.now.sources, choose: (sources) => this.state.set({ sources }),
    });
  }

  times() {
    menu(this.time, 'How times are shown', timeFormats.map((f) => ({
      text: f.label, checked: this.state.now.time === f.name, run: () => this.state.set({ time: f.name }),
    })));
  }

  menu() {
    const { act } = this;
    menu(this.more, 'More', [
      { text: 'Put a mark here', key: 'm', run: act.mark },
      { text: 'Clear what is shown', key: 'x', run: act.clear },
      { text: 'Copy link to this view', run: act.copyLink },
      { text: 'Copy as curl', key: 'u', run: act.copyCurl },
      { text: 'Download what I see, as text', key: 'd', run: () => act.download('text') },
      { text: 'Download what I see, as JSON lines', run: () => act.download('json') },
    ]);
  }

  /** Shows what the state is. */
  show() {
    const s = this.state.now;
    const n = s.sources.length;
    fill(this.sources, n === 0 ? 'All sources' : n === 1 ? this.names.short(s.sources[0]) : plural(n, 'source'));
    this.sources.classList.toggle('set', n > 0);
    for (const name of /** @type {const} */ (['include', 'exclude', 'highlight'])) {
      const { input } = this[name];
      if (input.value !== s[name] && document.activeElement !== input) input.value = s[name];
      input.classList.toggle('set', s[name] !== '');
    }
    this.level.value = levels.includes(s.level) ? s.level : '';
    this.level.classList.toggle('set', s.level !== '');
    this.wrap.setAttribute('aria-pressed', String(s.wrap));
    this.showTokens(s);
  }

  /** @param {import('./state.js').State} s */
  showTokens(s) {
    const token = (/** @type {string} */ text, /** @type {string} */ kind, /** @type {() => void} */ remove) => h('span', { class: `token ${kind}` },
      h('span', { title: text }, text), button({ icon: 'close', class: 'button icon tiny flat', title: `Remove ${text}`, click: remove }));
    fill(this.tokens,
      s.fields.map((f) => token(`${f.key} ${f.not ? '\u2260' : '='} ${f.value}`, f.not ? 'not' : '', () => this.state.set({ fields: this.state.now.fields.filter((o) => o !== f) }))),
      s.columns.map((c) => token(`column ${c}`, 'col', () => this.state.set({ columns: this.state.now.columns.filter((o) => o !== c) }))));
    this.tokens.hidden = s.fields.length + s.columns.length === 0;
  }

  /** @param {{include: string, exclude: string, highlight: string}} errors */
  showErrors(errors) {
    for (const name of /** @type {const} */ (['include', 'exclude', 'highlight'])) {
      const { input, error } = this[name];
      fill(error, errors[name]);
      input.setAttribute('aria-invalid', String(errors[name] !== ''));
    }
  }

  /** @param {boolean} following */
  showFollowing(following) {
    fill(this.follow, following ? 'Pause' : 'Follow');
    this.follow.title = following ? 'Hold still (Space)' : 'Go to the end and follow (G)';
    this.follow.setAttribute('aria-pressed', String(following));
  }

  /** @param {string} text */
  showFound(text) { fill(this.found, text); }
}
