/**
 * What a terminal would do with the text, made harmless: colours become classes of a
 * fixed list, other escapes are dropped, other control characters are shown.
 */

/** @typedef {{text: string, look: string}} Segment */

const special = /[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/;
// CSI, OSC and its like up to their end, two characters otherwise.
const escape = /(?:\x1b\[|\x9b)([0-9;:?<=>]{0,64})[ -/]{0,8}([@-~])|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]{0,4096}(?:\x07|\x1b\\|\x9c)?|\x1b[ -/]{0,8}[0-~]?|([\x00-\x08\x0a-\x1a\x1c-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff])/g;

/** The text without escapes. @param {string} text */
export function strip(text) {
  return special.test(text) ? text.replace(escape, (all, _p, _f, control) => control ?? '') : text;
}

/**
 * @param {string} text
 * @returns {Segment[]}
 */
export function segments(text) {
  if (!special.test(text)) return [{ text, look: '' }];
  /** @type {Segment[]} */
  const out = [];
  const style = new Style();
  let done = 0;
  /** @param {string} s @param {string} look */
  const put = (s, look) => { if (s !== '') out.push({ text: s, look }); };
  for (const m of text.matchAll(escape)) {
    put(text.slice(done, m.index), style.look());
    done = m.index + m[0].length;
    if (m[3] !== undefined) put(visible(m[3]), m[3] === '\n' ? 'newline' : 'control');
    else if (m[2] === 'm' && !/[?<=>]/.test(m[1])) style.apply(m[1]);
  }
  put(text.slice(done), style.look());
  return out;
}

/** @param {string} c */
function visible(c) {
  const code = c.charCodeAt(0);
  if (c === '\n') return '\n';
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  if (code === 0x7f) return '\u2421';
  return `<U+${code.toString(16).toUpperCase().padStart(4, '0')}>`;
}

class Style {
  constructor() { this.reset(); }

  reset() {
    this.fg = -1;
    this.bg = -1;
    /** @type {Set<string>} */
    this.marks = new Set();
  }

  look() {
    const all = [...this.marks];
    if (this.fg >= 0) all.push(`fg${this.fg}`);
    if (this.bg >= 0) all.push(`bg${this.bg}`);
    return all.join(' ');
  }

  /** @param {string} parameters */
  apply(parameters) {
    const codes = parameters.split(/[;:]/).map(Number);
    for (let i = 0; i < codes.length; i++) {
      const code = codes[i];
      if (code === 38 || code === 48) {
        const [colour, used] = extended(codes.slice(i + 1));
        if (code === 38) this.fg = colour; else this.bg = colour;
        i += used;
      } else this.one(code);
    }
  }

  /** @param {number} code */
  one(code) {
    if (code === 0) this.reset();
    else if (code >= 30 && code <= 37) this.fg = code - 30;
    else if (code >= 90 && code <= 97) this.fg = code - 82;
    else if (code >= 40 && code <= 47) this.bg = code - 40;
    else if (code >= 100 && code <= 107) this.bg = code - 92;
    else if (code === 39) this.fg = -1;
    else if (code === 49) this.bg = -1;
    else if (on[code]) this.marks.add(on[code]);
    else for (const mark of off[code] ?? []) this.marks.delete(mark);
  }
}

/** @type {Object<number, string>} */
const on = { 1: 'bold', 2: 'faint', 3: 'italic', 4: 'underline', 7: 'inverse', 9: 'struck' };
/** @type {Object<number, string[]>} */
const off = { 22: ['bold', 'faint'], 23: ['italic'], 24: ['underline'], 27: ['inverse'], 29: ['struck'] };

/**
 * A colour of 256 or of 16 million, as the nearest of our 16.
 * @param {number[]} codes  behind 38 or 48
 * @returns {[number, number]}  the colour, and how many codes it took
 */
function extended(codes) {
  if (codes[0] === 5) return [nearest256(codes[1] ?? 0), 2];
  if (codes[0] === 2) return [nearest(codes[1] ?? 0, codes[2] ?? 0, codes[3] ?? 0), 4];
  return [-1, 1];
}

/** @param {number} n */
function nearest256(n) {
  if (n < 16) return n;
  if (n >= 232) return nearest(8 + (n - 232) * 10, 8 + (n - 232) * 10, 8 + (n - 232) * 10);
  const c = n - 16, of = (/** @type {number} */ v) => v ? 55 + v * 40 : 0;
  return nearest(of(Math.floor(c / 36)), of(Math.floor(c / 6) % 6), of(c % 6));
}

/** @param {number} r @param {number} g @param {number} b */
function nearest(r, g, b) {
  const high = Math.max(r, g, b), low = Math.min(r, g, b);
  if (high - low < 40) return high < 50 ? 0 : high < 120 ? 8 : high < 215 ? 7 : 15;
  const half = (high + low) / 2;
  const bits = (r > half ? 1 : 0) | (g > half ? 2 : 0) | (b > half ? 4 : 0);
  return high > 190 ? 8 + bits : bits;
}
