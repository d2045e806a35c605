/**
 * One feed for all tabs. The newest rows are kept once; a tab is a position among
 * them, and is sent on when it has said that it took what it was sent. So a tab that
 * sleeps costs nothing, and finds out what it missed.
 */
import { Feed } from './feed.js';
import { weight } from './entry.js';

const kept = 20_000, keptWeight = 48 << 20;
const batch = 500;           // rows in one message
const ahead = 3;             // messages that a tab has not answered yet
const beat = 20_000, silent = 150_000;

/**
 * @typedef {Object} Tab
 * @property {MessagePort} port
 * @property {number} next     number of the next row to send
 * @property {number} open     messages it has not answered
 * @property {number} heard    when it last said something
 * @property {boolean} here
 */

export class Hub {
  /** @param {URL} base  of the server's paths */
  constructor(base) {
    /** @type {import('./entry.js').Row[]} */
    this.rows = [];
    this.first = 0; // number of rows[0]
    this.weight = 0;
    /** @type {Set<Tab>} */
    this.tabs = new Set();
    this.startId = '';
    this.flushing = false;
    this.feed = new Feed({
      url: new URL('stream', base),
      rows: (rows) => this.take(rows),
      state: (c) => this.tell({ type: 'connection', connection: c }),
    });
    setInterval(() => this.beat(), beat);
  }

  /** @param {MessagePort} port */
  add(port) {
    /** @type {Tab} */
    const tab = { port, next: 0, open: 0, heard: Date.now(), here: false };
    port.addEventListener('message', (e) => this.hear(tab, e.data));
    port.start();
  }

  /** @param {Tab} tab @param {any} m */
  hear(tab, m) {
    tab.heard = Date.now();
    switch (m.type) {
      case 'join': this.join(tab, m); return;
      case 'taken': tab.open = Math.max(0, tab.open - 1); break;
      case 'token': this.feed.setToken(m.token); this.tell({ type: 'token', token: m.token }); break;
      case 'now': this.feed.now(); break;
      case 'leave': this.drop(tab); return;
    }
    if (!tab.here) { this.join(tab, { next: tab.next }); return; } // it was thought gone
    this.send(tab);
  }

  /** @param {Tab} tab @param {{next?: number, token?: string}} m */
  join(tab, m) {
    tab.here = true;
    tab.open = 0;
    tab.next = m.next ?? this.first;
    this.tabs.add(tab);
    if (m.token) this.feed.setToken(m.token);
    else if (this.feed.token) tab.port.postMessage({ type: 'token', token: this.feed.token });
    this.feed.start();
    tab.port.postMessage({ type: 'connection', connection: this.feed.connection });
    this.send(tab);
  }

  /** @param {Tab} tab */
  drop(tab) {
    tab.here = false;
    this.tabs.delete(tab);
    if (this.tabs.size === 0) this.feed.stop();
  }

  beat() {
    for (const tab of this.tabs) {
      if (Date.now() - tab.heard > silent) this.drop(tab);
      else tab.port.postMessage({ type: 'beat' });
    }
  }

  /** @param {import('./entry.js').Row[]} rows */
  take(rows) {
    for (const row of rows) {
      this.rows.push(row);
      this.weight += weight(row);
    }
    if (this.rows.length > kept * 1.1 || this.weight > keptWeight) this.trim();
    if (this.flushing) return;
    this.flushing = true;
    setTimeout(() => {
      this.flushing = false;
      for (const tab of this.tabs) this.send(tab);
    }, 60);
  }

  trim() {
    let n = Math.max(0, this.rows.length - kept);
    for (let i = 0; i < this.rows.length - 1 && (i < n || this.weight > keptWeight); i++) {
      this.weight -= weight(this.rows[i]);
      n = Math.max(n, i + 1);
    }
    if (n > 0) this.startId = this.rows[n - 1].id;
    this.rows.splice(0, n);
    this.first += n;
  }

  /** Sends a tab what it has not got, as much as it can take. @param {Tab} tab */
  send(tab) {
    while (tab.open < ahead && tab.next < this.first + this.rows.length) {
      const missed = Math.max(0, this.first - tab.next);
      const at = tab.next + missed - this.first;
      const rows = this.rows.slice(at, at + batch);
      tab.next += missed + rows.length;
      tab.open++;
      const start = at > 0 ? this.rows[at - 1].id : this.startId || this.feed.startId;
      tab.port.postMessage({ type: 'rows', rows, missed, start, next: tab.next });
    }
  }

  /** @param {any} message */
  tell(message) {
    for (const tab of this.tabs) tab.port.postMessage(message);
  }
}
