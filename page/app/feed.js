/**
 * The reader of /stream. It connects, and connects again, for as long as it runs,
 * and goes on exactly where it was: each event's id is the position behind it.
 */
import { EventParser } from './sse.js';
import { rowsOf } from './entry.js';
import { Chains } from './chains.js';

const firstTail = 1000;
const shortest = 1000, longest = 30_000; // of waiting before another try
const goodAfter = 10_000;                // so long a connection has been good
const stall = 75_000;                    // without a byte; heartbeats come each 30 s
const answerWithin = 20_000;

/**
 * @typedef {Object} Connection
 * @property {'connecting' | 'live' | 'lost' | 'denied'} state
 * @property {number} since     when this state began
 * @property {string} [reason]
 * @property {number} [retryAt]
 * @property {number} [status]  401: a token would help; 403: not
 * @property {string} [page]    the version of the page that the server has now
 */

export class Feed {
  /**
   * @param {{url: URL, rows: (rows: import('./entry.js').Row[]) => void, state: (c: Connection) => void}} o
   */
  constructor(o) {
    this.o = o;
    this.token = '';
    this.lastId = '';
    this.startId = ''; // the position in front of the first row
    this.wait = shortest;
    this.lastByte = 0;
    this.page = '';
    this.chains = new Chains();
    /** @type {AbortController | null} */
    this.run = null;
    /** @type {(() => void) | null} */
    this.wake = null;
    /** @type {Connection} */
    this.connection = { state: 'connecting', since: Date.now() };
  }

  start() {
    if (this.run) return;
    this.run = new AbortController();
    this.loop(this.run.signal);
  }

  stop() {
    this.run?.abort();
    this.run = null;
  }

  /** Starts again with another token. @param {string} token */
  setToken(token) {
    const denied = this.connection.state === 'denied';
    if (token === this.token && !denied) return;
    this.token = token;
    if (this.connection.state !== 'live') this.restart();
  }

  restart() {
    this.stop();
    this.set({ state: 'connecting', since: Date.now() });
    this.start();
  }

  /** Tries at once; and finds out whether a connection that seems to live does, after a sleep. */
  now() {
    this.wait = shortest;
    if (this.connection.state === 'denied') this.restart();
    if (this.connection.state === 'live' && Date.now() - this.lastByte > 40_000) this.attempt?.abort();
    this.wake?.();
  }

  /** @param {AbortSignal} signal */
  async loop(signal) {
    while (!signal.aborted) {
      const began = Date.now();
      const why = await this.connect(signal).catch((err) => reasonOf(err));
      if (signal.aborted) return;
      if (why === 'denied') { // there is no use in trying before there is a token
        this.set({ state: 'denied', since: Date.now(), reason: this.denial, status: this.status });
        return;
      }
      if (this.connection.state === 'live' && Date.now() - began > goodAfter) this.wait = shortest;
      const wait = this.wait * (0.5 + Math.random() / 2);
      this.wait = Math.min(longest, this.wait * 2);
      const since = this.connection.state === 'lost' ? this.connection.since : Date.now();
      this.set({ state: 'lost', since, reason: why, retryAt: Date.now() + wait });
      await this.sleep(wait, signal);
    }
  }

  /**
   * One connection, from its beginning to its end.
   * @param {AbortSignal} signal
   * @returns {Promise<string>} why it ended
   */
  async connect(signal) {
    const attempt = this.attempt = new AbortController();
    const end = () => attempt.abort();
    signal.addEventListener('abort', end);
    this.lastByte = Date.now();
    let limit = answerWithin;
    const watch = setInterval(() => { if (Date.now() - this.lastByte > limit) attempt.abort(); }, 5000);
    try {
      const url = new URL(this.o.url);
      if (this.lastId === '') url.searchParams.set('tail', String(firstTail));
      const response = await fetch(url, { headers: this.headers(), signal: attempt.signal, cache: 'no-store' });
      this.page = response.headers.get('Fairlead-Page') ?? this.page;
      if (response.status === 401 || response.status === 403) {
        this.status = response.status;
        this.denial = (await response.text()).trim();
        return 'denied';
      }
      if (!response.ok || !response.body) return `${response.status} ${(await response.text()).trim().slice(0, 300)}`;
      limit = stall;
      this.set({ state: 'live', since: Date.now() });
      this.chains.resumed(this.lastId !== '');
      return await this.read(response.body);
    } catch (err) {
      if (attempt.signal.aborted && !signal.aborted) return 'nothing came from the server for too long';
      throw err;
    } finally {
      clearInterval(watch);
      signal.removeEventListener('abort', end);
      attempt.abort();
    }
  }

  /** @returns {Record<string, string>} */
  headers() {
    /** @type {Record<string, string>} */
    const headers = {};
    if (this.token) headers.Authorization = `Bearer ${this.token}`;
    if (this.lastId) headers['Last-Event-ID'] = this.lastId;
    return headers;
  }

  /**
   * @param {ReadableStream<Uint8Array>} body
   * @returns {Promise<string>}
   */
  async read(body) {
    /** @type {import('./entry.js').Row[]} */
    let rows = [];
    let why = 'the server ended the connection';
    const parser = new EventParser({
      event: (e) => {
        if (e.name === 'connected' && this.startId === '') this.startId = e.id;
        if (e.name === 'shutdown') why = 'the server was stopped';
        if (e.id) this.lastId = e.id;
        if (e.name === 'connected') return;
        rows.push(...this.chains.check(rowsOf(e.name, e.data, e.id)));
      },
    });
    const reader = body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return why;
      this.lastByte = Date.now();
      parser.push(value);
      if (rows.length === 0) continue;
      this.o.rows(rows);
      rows = [];
    }
  }

  /** @param {Connection} c */
  set(c) {
    this.connection = { ...c, page: this.page };
    this.o.state(this.connection);
  }

  /**
   * @param {number} ms
   * @param {AbortSignal} signal
   * @returns {Promise<void>}
   */
  sleep(ms, signal) {
    return new Promise((done) => {
      const timer = setTimeout(done, ms);
      this.wake = () => { clearTimeout(timer); done(); };
      signal.addEventListener('abort', this.wake, { once: true });
    });
  }
}

/** @param {unknown} err */
function reasonOf(err) {
  if (err instanceof TypeError) return 'the server cannot be reached';
  return err instanceof Error ? err.message : String(err);
}
