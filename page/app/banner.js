/** What stands above everything: no connection, no permission, a newer server. */
import { button, fill, h } from './dom.js';
import { duration } from './format.js';
import { version } from './api.js';

/** @typedef {import('./feed.js').Connection} Connection */

const words = { connecting: 'Connecting', live: 'Live', lost: 'Disconnected', denied: 'Not allowed' };

export class Banner {
  /**
   * @param {HTMLElement} root
   * @param {HTMLElement} light   says the same in a word
   * @param {{now: () => void, token: (token: string) => void}} act
   */
  constructor(root, light, act) {
    this.root = root;
    this.light = light;
    this.act = act;
    /** @type {Connection} */
    this.connection = { state: 'connecting', since: Date.now() };
    this.newer = false;
    this.lost = h('div', { class: 'banner bad', role: 'alert', hidden: true });
    this.old = h('div', { class: 'banner', role: 'status', hidden: true },
      'This page is of an older version than the server. ', button({ text: 'Reload', class: 'button small', click: () => location.reload() }));
    this.box = this.tokenBox();
    root.append(this.lost, this.box, this.old);
    this.age = h('span', { class: 'age' });
    setInterval(() => this.tick(), 1000);
  }

  tokenBox() {
    const input = h('input', { type: 'password', class: 'box', placeholder: 'Token', 'aria-label': 'Token', autocomplete: 'off' });
    const why = this.why = h('p', { class: 'dim' });
    return h('form', {
      class: 'denied', hidden: true,
      on: { submit: (/** @type {Event} */ e) => { e.preventDefault(); if (input.value.trim()) this.act.token(input.value.trim()); input.value = ''; } },
    }, this.title = h('h2'), why, this.cure = h('p', null, 'On the machine where it runs, ', h('code', null, 'fairlead token new NAME --role view'), ' prints an address that has one in it: open that, or paste the token here.'),
    this.row = h('div', { class: 'denied-row' }, input, h('button', { type: 'submit', class: 'button primary' }, 'Use it')));
  }

  /** @param {Connection} c */
  show(c) {
    this.connection = c;
    document.body.dataset.connection = c.state;
    this.light.dataset.state = c.state;
    fill(/** @type {Element} */ (this.light.lastElementChild), words[c.state]);
    this.lost.hidden = c.state !== 'lost';
    this.box.hidden = c.state !== 'denied';
    this.showDenied(c);
    if (c.page) this.version(c.page);
    if (c.state === 'lost') fill(this.lost, this.age, button({ text: 'Try now', class: 'button small', click: () => this.act.now() }));
    this.tick();
  }

  /** @param {Connection} c */
  showDenied(c) {
    const asked = c.status !== 403;
    fill(this.title, asked ? 'This server wants a token' : 'The server refuses this page');
    fill(this.why, c.reason ?? '');
    this.cure.hidden = this.row.hidden = !asked;
  }

  tick() {
    const c = this.connection;
    if (c.state !== 'lost') return;
    const left = Math.ceil(((c.retryAt ?? 0) - Date.now()) / 1000);
    fill(this.age, `Disconnected for ${duration(Date.now() - c.since)}: ${c.reason}. `, left > 0 ? `Trying again in ${left} s. ` : 'Trying again \u2026 ');
  }

  /** @param {string} page  the version that the server has */
  version(page) { this.old.hidden = page === version; }
}
