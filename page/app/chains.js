/**
 * A second look at what the server promises: the next entry of a generation begins
 * at at + len of the one before. It is taken where something could have been lost,
 * when a connection was made anew, and only of sources whose entries have joined
 * until then: a server may leave entries out by a filter of its own.
 */

/** Generations of one source of which late bytes may still come. */
const remembered = 4;

/** @typedef {{next: Map<string, number>, whole: boolean, fresh: boolean}} Chain */

export class Chains {
  constructor() {
    /** @type {Map<string, Chain>} */
    this.sources = new Map();
  }

  /** A connection begins. @param {boolean} again */
  resumed(again) {
    for (const chain of this.sources.values()) chain.fresh = again;
  }

  /**
   * Puts a gap in front of an entry that does not join.
   * @param {import('./entry.js').Row[]} rows  of one event
   * @returns {import('./entry.js').Row[]}
   */
  check(rows) {
    const row = rows[0];
    if (row?.kind === 'gap') { // the server has said what is missing
      const missing = rows.filter((r) => r.kind !== 'gap' || this.clip(r));
      for (const r of rows) if (r.kind === 'gap') this.sources.delete(r.source);
      return missing;
    }
    if (row?.kind !== 'entry' || row.gen === '') return rows;
    const missing = this.join(row);
    return missing > 0
      ? [{ kind: 'gap', id: row.id, source: row.source, gen: row.gen, from: row.off - missing, to: row.off }, row]
      : rows;
  }

  /** A gap may begin before what came. @param {import('./entry.js').Gap} gap */
  clip(gap) {
    gap.from = Math.max(gap.from, this.sources.get(gap.source)?.next.get(gap.gen) ?? 0);
    return gap.from < gap.to;
  }

  /**
   * @param {import('./entry.js').Entry} e
   * @returns {number} how many bytes are missing in front of it
   */
  join(e) {
    let chain = this.sources.get(e.source);
    if (!chain) this.sources.set(e.source, chain = { next: new Map(), whole: true, fresh: false });
    const next = chain.next.get(e.gen);
    chain.next.delete(e.gen);
    chain.next.set(e.gen, e.off + e.len);
    if (chain.next.size > remembered) chain.next.delete(/** @type {string} */ (chain.next.keys().next().value));
    const joins = next === undefined || next === e.off;
    const missing = !joins && chain.fresh && chain.whole && e.off > next ? e.off - next : 0;
    chain.whole = chain.whole && (joins || chain.fresh);
    chain.fresh = false;
    return missing;
  }
}
