/** The server's paths, and its answers. */
import { EventParser } from './sse.js';
import { rowsOf, entryOf } from './entry.js';
import * as token from './token.js';

/** Where the server's paths begin: the page's files are two levels below. */
export const base = new URL('../../', import.meta.url);

/** The version of this page. */
export const version = import.meta.url.split('/').at(-2) ?? '';

/** What a name is in a path. @param {string} name */
export function pathOf(name) {
  return name.replace(/^\/+/, '').split('/').map(encodeURIComponent).join('/');
}

/** An answer that is not what was asked for. */
export class Refusal extends Error {
  /** @param {number} status @param {string} text @param {Headers} headers */
  constructor(status, text, headers) {
    super(text || `the server answers ${status}`);
    this.status = status;
    this.modified = headers.get('Last-Modified') ?? '';
    /** @type {string[]} */
    this.candidates = [];
    if (status !== 409) return;
    try {
      const o = JSON.parse(text);
      this.message = String(o.error ?? text);
      this.candidates = Array.isArray(o.candidates) ? o.candidates.map(String) : [];
    } catch { /* it is no JSON: the text stands */ }
  }
}

/** @type {(version: string) => void} */
let newer = () => {};

/** Calls fn when an answer names another version of the page. @param {(version: string) => void} fn */
export function onPageVersion(fn) { newer = fn; }

/**
 * @param {string} path
 * @param {{query?: URLSearchParams, signal?: AbortSignal}} [o]
 * @returns {Promise<Response>}
 */
export async function get(path, o = {}) {
  const url = new URL(path, base);
  if (o.query) url.search = o.query.toString();
  let response;
  try {
    response = await fetch(url, { headers: token.headers(), signal: o.signal, cache: 'no-store' });
  } catch (err) {
    if (o.signal?.aborted) throw err;
    throw new Error('the server cannot be reached');
  }
  const page = response.headers.get('Fairlead-Page');
  if (page) newer(page);
  if (!response.ok) throw new Refusal(response.status, (await response.text()).trim().slice(0, 4000), response.headers);
  return response;
}

/**
 * @param {string} path
 * @param {{query?: URLSearchParams, signal?: AbortSignal}} [o]
 * @returns {Promise<any>}
 */
export async function getJSON(path, o) { return (await get(path, o)).json(); }

/**
 * @typedef {Object} Piece   lines of one generation
 * @property {import('./entry.js').Entry[]} rows
 * @property {string} gen
 * @property {number} size   of the generation
 * @property {number} from   the bytes that were looked at
 * @property {number} to
 */

/**
 * @param {string} name
 * @param {URLSearchParams} query
 * @param {AbortSignal} [signal]
 * @returns {Promise<Piece>}
 */
export async function entries(name, query, signal) {
  const response = await get('entries/' + pathOf(name), { query, signal });
  const rows = (await response.text()).split('\n').filter((line) => line !== '').map((line) => entryOf(JSON.parse(line), ''));
  const [from, to] = (response.headers.get('Fairlead-Range') ?? '').split('-').map(Number);
  const end = rows.at(-1);
  return {
    rows, gen: (response.headers.get('ETag') ?? '').replaceAll('"', ''), size: Number(response.headers.get('Fairlead-Size')) || 0,
    from: from ?? rows[0]?.off ?? 0, to: to ?? (end ? end.off + end.len : 0),
  };
}

/**
 * The whole JSON of one entry.
 * @param {import('./entry.js').Entry} e
 * @returns {Promise<string>}
 */
export async function whole(e) {
  const query = new URLSearchParams({ gen: e.gen, from: `${e.gen}:${e.off}`, limit: '1' });
  const response = await get('entries/' + pathOf(e.source), { query });
  return (await response.text()).trim();
}

/**
 * The last entries in front of a position of the stream.
 * @param {URLSearchParams} query  with before and tail
 * @param {AbortSignal} [signal]
 * @returns {Promise<{rows: import('./entry.js').Row[], start: string}>}  start: the position in front of them
 */
export async function before(query, signal) {
  const response = await get('stream', { query, signal });
  /** @type {import('./entry.js').Row[]} */
  const rows = [];
  let start = '';
  const parser = new EventParser({
    event: (e) => {
      if (e.name === 'connected') start = e.id;
      else rows.push(...rowsOf(e.name, e.data, e.id));
    },
  });
  parser.push(new Uint8Array(await response.arrayBuffer()));
  return { rows, start };
}
