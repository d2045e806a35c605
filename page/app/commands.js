/** Command lines that do what is seen here. A secret is never in one. */
import { base, pathOf, getJSON } from './api.js';
import { at } from './entry.js';
import * as token from './token.js';

/** A word for a POSIX shell. @param {string} s */
export function word(s) { return /^[\w@%+=:,./-]+$/.test(s) ? s : `'${s.replaceAll("'", `'\\''`)}'`; }

/** @param {string} flags @param {string} path @param {URLSearchParams} [query] */
function curl(flags, path, query) {
  const q = query?.toString() ?? '';
  const url = base.href + path + (q && '?' + q.replaceAll('%2F', '/').replaceAll('%3A', ':'));
  const header = token.value() ? '-H "Authorization: Bearer $FAIRLEAD_TOKEN" ' : '';
  return `curl ${flags}${header}'${url.replaceAll("'", '%27')}'`;
}

/** One line. @param {import('./entry.js').Entry} e */
export function curlEntry(e) {
  return curl('', 'entries/' + pathOf(e.source), new URLSearchParams({ gen: e.gen, from: at(e), limit: '1' }));
}

/** What is shown, as it comes. @param {import('./filter.js').Filter} filter */
export function curlStream(filter) { return curl('-N ', 'stream', filter.query()); }

/** The bytes of a file. @param {string} name @param {string} [gen] */
export function curlFile(name, gen) { return curl('', 'logs/' + pathOf(name), gen ? new URLSearchParams({ gen }) : undefined); }

/**
 * The bytes from a line on, over plain TCP, if the server has a listener for that.
 * @param {import('./entry.js').Entry} e
 */
export async function netcat(e) {
  const status = await getJSON('status');
  const listener = (status.listeners ?? []).find((/** @type {any} */ l) => l.room === 'serve' && !l.tls);
  if (!listener) throw new Error('this server has no listener for raw bytes without TLS');
  const port = String(listener.address).split(':').at(-1);
  return `echo ${word(`${e.source} ${e.off}`)} | nc ${location.hostname} ${port}`;
}

/** Where a file's bytes can be had by a link. @param {string} name @param {string} [gen] */
export function rawURL(name, gen) {
  const url = new URL('logs/' + pathOf(name), base);
  if (gen) url.searchParams.set('gen', gen);
  return url;
}
