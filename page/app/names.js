/** Sources: what they are called in a narrow column, and their colours. */

export const colours = 12;

/** Of so many files with one name it is not found out what tells them apart. */
const many = 200;

export class Names {
  constructor() {
    /** @type {Map<string, {short: string, colour: number}>} */
    this.known = new Map();
    /** @type {Map<string, string[]>} */
    this.byEnd = new Map();
    this.version = 0;
    /** @type {Set<number>} */
    this.taken = new Set();
  }

  /** Learns a name. @param {string} source */
  add(source) {
    if (source === '' || this.known.has(source)) return;
    this.known.set(source, { short: source, colour: this.freeColour(source) });
    const end = ending(source, 1);
    const same = this.byEnd.get(end) ?? [];
    same.push(source);
    this.byEnd.set(end, same);
    for (const s of same.length > many ? [source] : same) {
      const known = this.known.get(s);
      if (known) known.short = distinct(s, same);
    }
    this.version++;
  }

  /** The colour that the name has by itself, or the next that no other has. @param {string} source */
  freeColour(source) {
    let colour = colourOf(source);
    for (let i = 0; i < colours && this.taken.has(colour); i++) colour = (colour + 5) % colours;
    this.taken.add(colour);
    return colour;
  }

  /** @param {string} source */
  short(source) {
    this.add(source);
    return this.known.get(source)?.short ?? source;
  }

  /** @param {string} source */
  colour(source) {
    this.add(source);
    return this.known.get(source)?.colour ?? 0;
  }

  /** All of them, in order. */
  all() { return [...this.known.keys()].sort(); }
}

/** @param {string} source */
function colourOf(source) {
  let hash = 2166136261;
  for (let i = 0; i < source.length; i++) hash = Math.imul(hash ^ source.charCodeAt(i), 16777619);
  hash ^= hash >>> 15;
  return (hash >>> 0) % colours;
}

/** The last n elements of a path. @param {string} path @param {number} n */
function ending(path, n) { return path.split('/').slice(-n).join('/'); }

/**
 * The shortest ending of a path that none of the others has.
 * @param {string} path
 * @param {string[]} others
 */
function distinct(path, others) {
  if (others.length > many) return ending(path, 3); // to compare each with each would take too long
  for (let n = 1; n < 6; n++) {
    const end = ending(path, n);
    if (others.length === 1 || !others.some((o) => o !== path && o.endsWith('/' + end))) return end;
  }
  return path;
}
