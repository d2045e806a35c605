/**
 * A tab's end of the feed: that of the shared worker, or, where there is none, one of
 * its own, which rests while nobody looks.
 */
import { Hub } from './hub.js';
import { base } from './api.js';
import { sharedPort } from './shared.js';

const restAfter = 60_000;

/**
 * @typedef {Object} LinkEvents
 * @property {(rows: import('./entry.js').Row[], missed: number, start: string) => void} rows
 * @property {(c: import('./feed.js').Connection) => void} connection
 * @property {(token: string) => void} token
 */

export class Link {
  /** @param {LinkEvents} to */
  constructor(to) {
    this.to = to;
    /** @type {number | undefined} */
    this.next = undefined;
    this.port = sharedPort ?? this.ownPort();
    this.port.addEventListener('message', (e) => this.hear(e.data));
    this.port.start();
    addEventListener('pagehide', () => this.say({ type: 'leave' }));
    addEventListener('pageshow', (e) => { if (e.persisted) this.join(''); });
    addEventListener('online', () => this.say({ type: 'now' }));
    document.addEventListener('visibilitychange', () => { if (!document.hidden) this.say({ type: 'now' }); });
    document.addEventListener('resume', () => this.say({ type: 'now' }));
  }

  /** @param {string} token */
  join(token) { this.say({ type: 'join', next: this.next, token }); }

  /** @param {any} message */
  say(message) { this.port.postMessage(message); }

  /** @param {any} m */
  hear(m) {
    switch (m.type) {
      case 'rows':
        this.next = m.next;
        this.to.rows(m.rows, m.missed, m.start);
        this.say({ type: 'taken' });
        break;
      case 'beat': this.say({ type: 'here' }); break;
      case 'connection': this.to.connection(m.connection); break;
      case 'token': this.to.token(m.token); break;
    }
  }

  ownPort() {
    const channel = new MessageChannel();
    new Hub(base).add(channel.port2);
    let timer = 0, resting = false;
    document.addEventListener('visibilitychange', () => {
      clearTimeout(timer);
      if (document.hidden) {
        timer = setTimeout(() => { resting = true; this.say({ type: 'leave' }); }, restAfter);
      } else if (resting) {
        resting = false;
        this.join('');
      }
    });
    return channel.port1;
  }
}
