/** The Sources view: how each file does, and what is wrong. */
import { button, fill, h } from './dom.js';
import { getJSON } from './api.js';
import { List } from './list.js';
import { copy } from './copy.js';
import { curlFile } from './commands.js';
import { raw } from './file.js';
import { hashOf } from './state.js';
import { ago, count, date, duration, plural, shortGen, size, splitPath } from './format.js';

const every = 2000;

/** @type {{key: string, label: string, title: string, number?: boolean}[]} */
const columns = [
  { key: 'name', label: 'Source', title: 'Path of the file' },
  { key: 'state', label: 'State', title: 'Can it be read?' },
  { key: 'size', label: 'Size', title: 'Bytes of the generation that is there now', number: true },
  { key: 'rate', label: 'Rate', title: 'How fast it grows', number: true },
  { key: 'modified', label: 'Written', title: 'When it was last written', number: true },
  { key: 'behind', label: 'Behind', title: 'Bytes that are not in the stream yet', number: true },
  { key: 'clients', label: 'Clients', title: 'Who read its bytes now', number: true },
  { key: 'generation', label: 'Generation', title: 'Its first eight digits' },
];

export class SourcesView {
  /**
   * @param {HTMLElement} root
   * @param {import('./state.js').PageState} state
   * @param {import('./names.js').Names} names
   */
  constructor(root, state, names) {
    this.root = root;
    this.state = state;
    this.names = names;
    this.sort = { key: 'name', down: false };
    this.wanted = '';
    /** @type {any[]} */
    this.all = [];
    /** @type {Map<string, any>} */
    this.known = new Map();
    this.summary = h('span', { class: 'summary' });
    this.search = h('input', {
      type: 'search', class: 'box', placeholder: 'Find a source', 'aria-label': 'Find a source (/)', spellcheck: 'false',
      on: { input: () => { this.wanted = this.search.value.trim().toLowerCase(); this.order(); } },
    });
    this.problems = h('div', { class: 'problems' });
    this.headRow = h('div', { class: 'source-row source-head', role: 'row' });
    this.scroller = h('div', { class: 'source-list', tabIndex: 0, role: 'table', 'aria-label': 'Sources' });
    root.append(h('div', { class: 'tools' }, this.search, this.summary), this.problems, h('div', { class: 'source-table' }, this.headRow, this.scroller));
    this.list = new List(this.scroller, { render: (row) => this.renderRow(row), estimate: () => 34 });
    this.drawHead();
    this.timer = 0;
    document.addEventListener('visibilitychange', () => { if (!document.hidden) this.poll(); });
  }

  /** Asks while it is looked at. */
  async poll() {
    clearTimeout(this.timer);
    if (this.root.hidden || document.hidden) return;
    try {
      this.take(await getJSON('status'));
    } catch (err) {
      fill(this.problems, h('div', { class: 'problem' }, h('span', null, `The state is not known: ${err instanceof Error ? err.message : err}`)));
    }
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.poll(), this.all.length > 5000 ? every * 3 : every);
  }

  /** @param {any} status */
  take(status) {
    const now = Date.now();
    const fresh = [];
    for (const s of status.sources ?? []) {
      let row = this.known.get(s.name);
      if (!row) {
        this.known.set(s.name, row = { name: s.name, lower: s.name.toLowerCase(), rate: 0 });
        fresh.push(row);
        this.names.add(s.name);
      }
      const same = row.generation === s.generation && s.size >= row.size;
      if (same && row.seen) row.rate = smooth(row.rate, (s.size - row.size) / (now - row.seen) * 1000);
      Object.assign(row, {
        state: s.state, generation: s.generation ?? '', size: s.size ?? 0, written: s.modified ? Date.parse(s.modified) : NaN,
        clients: s.clients ?? 0, error: s.error ?? '', behind: s.read === undefined ? NaN : Math.max(0, s.size - s.read),
        from: s.from ?? '', shipped: withRates(s.shipped ?? [], same ? row.shipped ?? [] : [], now - row.seen), seen: now,
      });
      row.modified = Number.isNaN(row.written) ? Infinity : now - row.written;
    }
    for (const row of this.known.values()) if (row.seen !== now) this.known.delete(row.name);
    const rows = this.all.filter((row) => row.seen === now).concat(fresh); // nearly in order already
    this.all = rows;
    this.showProblems(status.problems ?? []);
    const total = (/** @type {string} */ key) => rows.reduce((sum, r) => sum + (r[key] || 0), 0);
    fill(this.summary, `${plural(rows.length, 'file')} \u00b7 ${size(total('size'))} \u00b7 ${rateText(total('rate')) || 'quiet'}`);
    setTimeout(() => this.order());
  }

  /** @param {{what: string, cure?: string}[]} problems */
  showProblems(problems) {
    const text = JSON.stringify(problems);
    if (text === this.problemText) return;
    this.problemText = text;
    fill(this.problems, problems.map((p) => h('div', { class: 'problem', role: 'alert' }, h('span', null, p.what), p.cure ? h('span', { class: 'cure' },
      h('code', null, p.cure), button({ text: 'Copy', class: 'button tiny', title: 'Copy the cure', click: () => copy(p.cure ?? '', 'Cure') })) : null)));
  }

  order() {
    const { key, down } = this.sort;
    const value = (/** @type {any} */ r) => Number.isNaN(r[key]) ? -1 : r[key];
    this.all.sort((a, b) => (value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : a.name < b.name ? -1 : 1) * (down ? -1 : 1));
    const rows = this.wanted ? this.all.filter((r) => r.lower.includes(this.wanted)) : this.all.slice();
    rows.forEach((r, i) => { r.seq = i; });
    this.list.setItems(rows);
    this.redraw();
  }

  /** Makes the rows in sight anew, without what somebody has opened in them. */
  redraw() {
    for (const [row, node] of this.list.nodes) {
      fill(/** @type {Element} */ (node.firstElementChild), this.cells(row));
      if (Math.abs(node.getBoundingClientRect().height - row.height) > 0.1) row.layout = 0; // it is measured anew
    }
  }

  drawHead() {
    fill(this.headRow, columns.map((c) => h('span', { role: 'columnheader', class: `c-${c.key}`, 'aria-sort': this.sort.key === c.key ? (this.sort.down ? 'descending' : 'ascending') : 'none' },
      h('button', { type: 'button', class: 'sort', title: c.title, on: { click: () => this.sortBy(c) } }, c.label, this.sort.key === c.key ? (this.sort.down ? ' \u2193' : ' \u2191') : ''))),
    h('span', { class: 'c-actions', role: 'columnheader' }));
  }

  /** @param {{key: string, number?: boolean}} c */
  sortBy(c) {
    this.sort = { key: c.key, down: this.sort.key === c.key ? !this.sort.down : !!c.number && c.key !== 'modified' };
    this.drawHead();
    this.order();
    this.list.toStart();
  }

  /** @param {any} row */
  renderRow(row) {
    return h('div', { class: 'source-item' }, h('div', { class: 'source-row', role: 'row' }, this.cells(row)), row.below ? row.below() : null);
  }

  /** @param {any} row */
  cells(row) {
    const [dir, name] = splitPath(row.name);
    const cell = (/** @type {string} */ key, /** @type {any} */ ...what) => h('span', { class: `c-${key}`, role: 'cell' }, ...what);
    const rate = rateText(row.rate);
    return [
      cell('name', h('button', { type: 'button', class: 'link', title: `${row.name}\nWatch only this`, on: { click: () => this.watch(row.name) } },
        h('span', { class: `dot s${this.names.colour(row.name)}` }), h('span', { class: 'dim dir' }, h('bdi', null, dir)), h('span', { class: 'name' }, name)),
      row.error ? h('span', { class: 'source-error', title: row.error }, row.error) : null),
      cell('state', h('span', { class: `badge ${row.state}` }, row.state)),
      cell('size', h('span', { title: `${count(row.size)} bytes` }, size(row.size))),
      cell('rate', rate || h('span', { class: 'dim' }, '-')),
      cell('modified', h('span', { title: date(row.written) }, Number.isNaN(row.written) ? '-' : ago(Math.max(0, Date.now() - row.written)))),
      cell('behind', row.behind > 0 ? size(row.behind) : h('span', { class: 'dim' }, '-')),
      cell('clients', row.clients > 0 ? count(row.clients) : h('span', { class: 'dim' }, '-')),
      cell('generation', row.generation ? button({ text: shortGen(row.generation), title: `${row.generation}\nOlder generations`, class: 'button tiny mono', click: () => this.older(row) }) : '-'),
      cell('actions',
        button({ text: 'Open', class: 'button tiny', title: 'Open the file at its end', click: () => this.state.set({ place: { name: row.name, gen: '', off: -1 } }, true) }),
        button({ text: 'Why', class: 'button tiny', title: 'Why is it collected, or not?', click: () => this.why(row) }),
        button({ text: 'curl', class: 'button tiny', title: 'Copy as curl', click: () => copy(curlFile(row.name), 'curl command') }),
        button({ icon: 'download', class: 'button tiny icon', title: 'Download the raw file', click: () => raw(row.name) })),
      row.from || row.shipped.length ? cell('shipped', row.from ? h('span', null, `from ${row.from}`) : null, row.shipped.map(shippedText)) : null,
    ];
  }

  /** @param {string} name */
  watch(name) { this.state.set({ view: 'logs', place: null, sources: [name] }, true); }

  /** @param {any} row @param {() => HTMLElement} content */
  below(row, content) {
    row.below = row.below ? undefined : content;
    this.list.renew(row);
  }

  /** @param {any} row */
  why(row) {
    this.below(row, () => {
      const box = h('div', { class: 'source-below' }, 'Asking \u2026');
      getJSON('why', { query: new URLSearchParams({ path: row.name }) }).then((o) => fill(box, h('dl', { class: 'facts' },
        Object.entries(o).filter(([, v]) => v !== '' && v !== null).map(([k, v]) => [h('dt', null, k), h('dd', null, k === 'shipped' ? v.map(shippedText) : typeof v === 'object' ? JSON.stringify(v) : String(v))]))),
      (err) => fill(box, err.message)).finally(() => { row.layout = 0; this.list.changed(); });
      return box;
    });
  }

  /** @param {any} row */
  older(row) {
    this.below(row, () => {
      const box = h('div', { class: 'source-below' }, 'Asking \u2026');
      const link = (/** @type {any} */ g, /** @type {string} */ what) => h('li', null, h('a', { href: hashOf({ name: row.name, gen: g.generation, off: 0 }) },
        h('code', null, g.generation)), ` ${what} \u00b7 ${size(g.size)} \u00b7 ${date(g.modified)}`);
      getJSON('logs').then((logs) => {
        const log = logs.find((/** @type {any} */ l) => l.name === row.name);
        const older = (log?.older ?? []).toReversed();
        fill(box, h('ul', { class: 'generations' }, log?.generation ? link(log, 'now') : null, older.map((/** @type {any} */ g) => link(g, 'older'))), older.length ? null : h('p', { class: 'dim' }, 'No older generation can be read.'));
      }, (err) => fill(box, err.message)).finally(() => { row.layout = 0; this.list.changed(); });
      return box;
    });
  }
}

/**
 * How far receivers are, with how fast they get there.
 * @param {any[]} list @param {any[]} before @param {number} ms  between the two
 */
function withRates(list, before, ms) {
  return list.map((t) => {
    const was = before.find((o) => o.to === t.to);
    return { ...t, rate: was ? smooth(was.rate, Math.max(0, t.acknowledged - was.acknowledged) / ms * 1000) : 0 };
  });
}

/** @param {any} t */
function shippedText(t) {
  const left = t.lag && t.rate ? `, ${duration(t.lag / t.rate * 1000)} left` : '';
  const behind = t.lag ? `, ${size(t.lag)} behind for ${duration(t.lag_seconds * 1000)}${left}` : '';
  return h('div', { title: `${count(t.acknowledged)} bytes acknowledged; ${t.state}` }, `to ${t.to}: ${size(t.acknowledged)} acknowledged${behind}`,
    t.error ? h('span', { class: 'source-error' }, t.error) : null);
}

/** @param {number} before @param {number} now */
function smooth(before, now) {
  const next = before === 0 ? now : before * 0.6 + now * 0.4;
  return next < 1 ? 0 : next;
}

/** @param {number} perSecond */
function rateText(perSecond) { return perSecond >= 1 ? `${size(perSecond)}/s` : ''; }
