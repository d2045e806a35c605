/**
 * The rows of the Logs view. `all` are the newest that came, one after the other;
 * `shown` those of them that the filter lets through, with what was loaded in front;
 * `pending` those that came while nobody wanted anything to move.
 */
import { weight } from './entry.js';

export const most = 20_000;
const mostWeight = 48 << 20;
const slack = 1.05; // trimmed in steps

/** @typedef {import('./entry.js').Row & {seq: number}} Numbered */

export class Store {
  /** @param {{changed: () => void}} to */
  constructor(to) {
    this.to = to;
    /** @type {Numbered[]} */
    this.all = [];
    /** @type {Numbered[]} */
    this.shown = [];
    /** @type {Numbered[]} */
    this.pending = [];
    /** @type {Numbered | null} */
    this.head = null;
    this.paused = false;
    this.pausedAt = 0;   // seq of the last row before the pause
    this.letGo = 0;      // pending rows that were let go
    this.cutEnd = false; // shown lost rows at its end
    this.clearedAt = -Infinity;
    this.first = 0;      // seq of the oldest row that was loaded in front
    this.next = 1;       // seq of the next row
    this.weight = 0;
    this.allStart = '';  // the position in front of all[0]
    this.start = '';     // the position in front of shown[0]
    this.total = 0;      // entries that came
    this.version = 0;    // differs when shown does, other than at its end
    /** @type {import('./filter.js').Filter | null} */
    this.filter = null;
  }

  /** @param {Numbered} row */
  lets(row) { return row.seq > this.clearedAt && (this.filter === null || this.filter.lets(row)); }

  /**
   * Takes what came.
   * @param {import('./entry.js').Row[]} rows
   * @param {string} start  the position in front of them
   */
  take(rows, start) {
    if (this.all.length === 0) {
      this.allStart = start;
      if (this.shown.length === 0) this.start = start;
    }
    for (const row of rows) {
      const numbered = Object.assign(row, { seq: this.next++ });
      if (row.kind === 'entry') this.total++;
      this.all.push(numbered);
      this.weight += weight(row);
      if (this.lets(numbered)) (this.paused ? this.pending : this.shown).push(numbered);
    }
    this.trim();
    this.to.changed();
  }

  trim() {
    let n = this.all.length > most * slack ? this.all.length - most : 0;
    if (this.weight > mostWeight * slack) {
      for (let i = 0, w = this.weight; i < this.all.length - 1 && w > mostWeight; i++) {
        w -= weight(this.all[i]);
        n = Math.max(n, i + 1);
      }
    }
    if (n > 0) {
      this.allStart = this.all[n - 1].id || this.allStart;
      for (let i = 0; i < n; i++) this.weight -= weight(this.all[i]);
      this.all.splice(0, n);
    }
    if (this.pending.length > most * slack) this.letGo += this.pending.splice(0, this.pending.length - most).length;
    if (!this.paused && (this.shown.length > most * slack || n > 0 && this.weightOfShown() > mostWeight)) this.trimShown();
  }

  /** Rows that are shown and no longer in all cannot be more than all may be. */
  weightOfShown() {
    let w = 0;
    for (const row of this.shown) w += weight(row);
    return w;
  }

  trimShown() {
    this.setHead(null);
    const n = Math.max(this.shown.length - most, Math.floor(this.shown.length / 20));
    const gone = this.shown.splice(0, n);
    this.start = gone.findLast((row) => row.id !== '')?.id ?? this.start;
    this.version++;
  }

  /** @param {import('./filter.js').Filter} filter */
  setFilter(filter) {
    this.filter = filter;
    this.rebuild();
  }

  /** Shows what all has. */
  rebuild() {
    const until = this.paused ? this.pausedAt : Infinity;
    this.head = null;
    this.shown = this.all.filter((row) => row.seq <= until && this.lets(row));
    this.pending = this.all.filter((row) => row.seq > until && this.lets(row));
    this.start = this.clearedStart() ?? this.allStart;
    this.letGo = 0;
    this.cutEnd = false;
    this.version++;
    this.to.changed();
  }

  pause() {
    if (this.paused) return;
    this.paused = true;
    this.pausedAt = this.next - 1;
    this.to.changed();
  }

  /** Shows what came meanwhile. @returns {number} how many were let go */
  resume() {
    if (!this.paused) return 0;
    const gone = this.letGo;
    this.paused = false;
    if (gone > 0 || this.cutEnd) this.rebuild();
    else {
      for (const row of this.pending) this.shown.push(row);
      this.pending = [];
      this.trim();
    }
    this.to.changed();
    return gone;
  }

  /**
   * Puts older rows in front.
   * @param {import('./entry.js').Row[]} rows  oldest first
   */
  prepend(rows) {
    const head = this.head;
    this.setHead(null);
    this.first -= rows.length;
    const older = rows.map((row, i) => Object.assign(row, { seq: this.first + i }));
    this.shown = older.concat(this.shown);
    if (this.shown.length > most * 2) { // what is far below the eye can be had again
      this.shown.length = most;
      this.cutEnd = true;
    }
    this.setHead(head);
    this.version++;
    this.to.changed();
  }

  /** What stands in front of the first row. @param {import('./entry.js').Row | null} row */
  setHead(row) {
    if (this.head) this.shown.shift();
    this.head = row ? Object.assign(row, { seq: -Infinity }) : null;
    if (this.head) this.shown.unshift(this.head);
    this.version++;
    this.to.changed();
  }

  /**
   * Puts rows in the place of one.
   * @param {Numbered} row
   * @param {import('./entry.js').Row[]} rows
   */
  replace(row, rows) {
    for (const list of [this.shown, this.pending, this.all]) {
      const i = list.indexOf(row);
      if (i < 0) continue;
      const before = list[i - 1]?.seq ?? row.seq - 1;
      const numbered = rows.map((r, j) => r === row ? row :
        Object.assign(r, { seq: Math.max(before, row.seq - 1) + (row.seq - Math.max(before, row.seq - 1)) * (j + 1) / (rows.length + 1) }));
      list.splice(i, 1, ...(list === this.all ? numbered : numbered.filter((r) => this.lets(r))));
    }
    this.weight = this.all.reduce((sum, r) => sum + weight(r), 0);
    this.version++;
    this.to.changed();
  }

  /** Puts a row behind another, or at the end. @param {Numbered | null} row @param {import('./entry.js').Row} added */
  insert(row, added) {
    const last = this.shown.at(-1);
    if (!row || row === last || !this.shown.includes(row)) {
      const seq = !this.paused ? this.next++ : (last?.seq ?? 0) + 1 / 1024;
      this.shown.push(Object.assign(added, { seq }));
    } else {
      const i = this.shown.indexOf(row);
      this.shown.splice(i + 1, 0, Object.assign(added, { seq: (row.seq + this.shown[i + 1].seq) / 2 }));
    }
    if (this.all.length > 0) {
      const seq = /** @type {Numbered} */ (added).seq;
      let j = this.all.length;
      while (j > 0 && this.all[j - 1].seq > seq) j--;
      this.all.splice(j, 0, /** @type {Numbered} */ (added));
      this.weight += weight(added);
    }
    this.version++;
    this.to.changed();
  }

  /** Hides all that is shown until now. */
  clear() {
    this.clearedAt = this.paused ? this.pausedAt : this.next - 1;
    this.all = this.all.filter((row) => row.kind !== 'mark');
    this.weight = this.all.reduce((sum, r) => sum + weight(r), 0);
    this.shown = [];
    this.head = null;
    this.start = this.clearedStart() ?? this.start;
    this.version++;
    this.to.changed();
  }

  /** The position behind what was cleared. */
  clearedStart() { return this.all.findLast((row) => row.seq <= this.clearedAt && row.id !== '')?.id; }
}
