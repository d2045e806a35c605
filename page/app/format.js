/** How numbers, sizes and times are written. */

const counts = new Intl.NumberFormat('en-US');

/** @param {number} n */
export function count(n) { return counts.format(n); }

/**
 * @param {number} n
 * @param {string} one
 * @param {string} [many]
 */
export function plural(n, one, many = one + 's') { return `${count(n)} ${n === 1 ? one : many}`; }

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** A size in few characters, as 5.2 MiB. @param {number} n */
export function size(n) {
  let unit = 0;
  while (n >= 1024 && unit < units.length - 1) { n /= 1024; unit++; }
  return `${unit === 0 || n >= 100 ? Math.round(n) : n.toFixed(1)} ${units[unit]}`;
}

/** How long, in its largest one or two units. @param {number} ms */
export function duration(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min` + (s < 600 && s % 60 ? ` ${s % 60} s` : '');
  if (s < 86400) return `${Math.floor(s / 3600)} h` + (s % 3600 >= 60 ? ` ${Math.floor(s % 3600 / 60)} min` : '');
  return plural(Math.floor(s / 86400), 'day');
}

/** @param {number} ms  time since then */
export function ago(ms) { return ms < 1500 ? 'now' : `${duration(ms)} ago`; }

/** @param {number} n @param {number} width */
const pad = (n, width = 2) => String(n).padStart(width, '0');

/** @param {Date} d */
const clock = (d) => `${pad(d.getHours())}:${pad(d.getMinutes())}:${pad(d.getSeconds())}.${pad(d.getMilliseconds(), 3)}`;

/** @param {Date} d */
const day = (d) => `${d.getFullYear()}-${pad(d.getMonth() + 1)}-${pad(d.getDate())}`;

/** The ways to write a time, in the order in which the button goes through them. */
export const timeFormats = [
  { name: 'local', label: 'Time of day', width: 12 },
  { name: 'full', label: 'Date and time', width: 23 },
  { name: 'relative', label: 'How long ago', width: 12 },
  { name: 'utc', label: 'UTC', width: 24 },
];

/**
 * @param {number} ms  since 1970; NaN if there is none
 * @param {string} format  a name of timeFormats
 * @param {number} now
 */
export function time(ms, format, now) {
  if (Number.isNaN(ms)) return '';
  const d = new Date(ms);
  switch (format) {
    case 'full': return `${day(d)} ${clock(d)}`;
    case 'relative': return relative(now - ms);
    case 'utc': return d.toISOString();
  }
  return clock(d);
}

/** @param {number} ms */
function relative(ms) {
  if (ms < 0) return ms > -2000 ? 'now' : `in ${duration(-ms)}`;
  if (ms < 1000) return 'now';
  return duration(ms);
}

/** A date for people, without a fraction. @param {string | number | Date} t */
export function date(t) {
  const d = new Date(t);
  return Number.isNaN(d.getTime()) ? '' : `${day(d)} ${clock(d).slice(0, 8)}`;
}

/**
 * A path as its directory, with the slash, and its name.
 * @param {string} path
 * @returns {[string, string]}
 */
export function splitPath(path) {
  const at = path.lastIndexOf('/') + 1;
  return [path.slice(0, at), path.slice(at)];
}

/** The digits of a generation that people compare. @param {string} gen */
export function shortGen(gen) { return gen.slice(0, 8); }
