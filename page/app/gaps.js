/** What is missing is fetched from where it still is. */
import { before, entries, Refusal } from './api.js';
import { count, date } from './format.js';

const limit = 1000, tail = 1000;

/**
 * Puts the lines of a gap in its place, a page at a time; what is left stays a gap.
 * @param {import('./store.js').Store} store
 * @param {import('./entry.js').Gap & {seq: number}} gap
 * @param {() => void} changed  the row looks different
 */
export async function loadGap(store, gap, changed) {
  if (gap.busy) return;
  gap.busy = true;
  changed();
  const query = new URLSearchParams({ gen: gap.gen, from: `${gap.gen}:${gap.from}`, to: String(gap.to), limit: String(limit) });
  try {
    const piece = await entries(gap.source, query);
    const have = new Set(store.shown.map((r) => r.kind === 'entry' && r.source === gap.source && r.gen === gap.gen ? r.off : -1));
    const rows = piece.rows.filter((r) => !have.has(r.off)); // a gap may name more than is missing
    const advanced = piece.to > gap.from;
    if (piece.to < gap.to && advanced) {
      gap.from = piece.to;
      store.replace(gap, [...rows, gap]);
    } else if (piece.to < gap.to) gap.note = 'no lines in what can be read of it';
    else store.replace(gap, rows.length > 0 ? rows : [said(gap, piece.rows.length > 0 ? 'All lines of this gap are here already' : `There are no lines in the ${count(gap.to - gap.from)} bytes that were missing here`)]);
  } catch (err) {
    gap.note = why(err);
  }
  gap.busy = false;
  changed();
}

/** @param {unknown} err */
function why(err) {
  if (err instanceof Refusal && err.status === 410) return 'gone' + (err.modified ? ` since ${date(err.modified)}` : ': it can no longer be read');
  return err instanceof Error ? err.message : String(err);
}

/** @param {import('./entry.js').Gap} gap @param {string} text @returns {import('./entry.js').Note} */
function said(gap, text) { return { kind: 'note', id: gap.id, source: gap.source, text }; }

/** Where a position of the stream is. @param {string} id */
function offset(id) { return Number(id.slice(id.lastIndexOf('-') + 1)); }

/**
 * A row for what went by while this tab slept, with which it can be loaded.
 * @param {import('./store.js').Store} store
 * @param {number} missed
 * @param {string} from   the position behind the last row before
 * @param {string} to     the position in front of the next row
 * @param {(row: any) => void} changed  the row looks different
 * @returns {import('./entry.js').Note}
 */
export function sleptRow(store, missed, from, to, changed) {
  /** @type {import('./entry.js').Note} */
  const row = { kind: 'note', id: to, source: '', warn: true, text: `${count(missed)} lines went by while this tab slept.` };
  let position = to;
  const load = async () => {
    try {
      const piece = await before(new URLSearchParams({ before: position, tail: String(tail) }));
      const rows = piece.rows.filter((r) => offset(r.id) > offset(from));
      const done = rows.length < piece.rows.length || piece.rows.length < tail;
      position = piece.start;
      row.text = 'More lines went by while this tab slept.';
      store.replace(/** @type {any} */ (row), done ? rows : [row, ...rows]);
    } catch (err) {
      row.text = `They cannot be loaded: ${err instanceof Error ? err.message : err}`;
    }
    changed(row);
  };
  row.actions = [{ text: 'Load', run: load }];
  return row;
}
