/** The choice of sources: any number of them, of which only some are drawn. */
import { button, fill, h } from './dom.js';
import { getJSON } from './api.js';
import { popover } from './popover.js';
import { plural, splitPath } from './format.js';

const most = 200;

/**
 * @param {HTMLElement} anchor
 * @param {{names: import('./names.js').Names, chosen: () => string[], choose: (sources: string[]) => void}} o
 */
export function openPicker(anchor, o) {
  const search = h('input', { type: 'search', class: 'box', placeholder: 'Find a source', 'aria-label': 'Find a source', spellcheck: 'false' });
  const list = h('div', { class: 'picker-list', role: 'group', 'aria-label': 'Sources' });
  const foot = h('div', { class: 'picker-foot dim' });
  /** @type {Set<string>} */
  const known = new Set(o.names.all());
  const draw = () => drawList(list, foot, [...known].sort(), search.value.trim().toLowerCase(), o, draw);
  search.addEventListener('input', draw);
  search.addEventListener('keydown', (/** @type {KeyboardEvent} */ e) => {
    if (e.key !== 'Enter') return;
    const found = [...known].filter((s) => s.toLowerCase().includes(search.value.trim().toLowerCase()));
    if (search.value.trim() && found.length > 0 && found.length <= most) o.choose(found);
    draw();
  });
  const all = button({ text: 'All sources', class: 'button small', click: () => { o.choose([]); draw(); } });
  popover(anchor, h('div', { class: 'picker' }, h('div', { class: 'picker-head' }, search, all), list, foot), 'Sources');
  draw();
  getJSON('logs').then((logs) => {
    for (const log of logs) known.add(log.name);
    draw();
  }).catch(() => { /* those that have sent something are there */ });
}

/**
 * @param {HTMLElement} list @param {HTMLElement} foot @param {string[]} known @param {string} wanted
 * @param {{names: import('./names.js').Names, chosen: () => string[], choose: (sources: string[]) => void}} o
 * @param {() => void} again
 */
function drawList(list, foot, known, wanted, o, again) {
  const chosen = o.chosen();
  const found = known.filter((s) => s.toLowerCase().includes(wanted));
  const order = [...found.filter((s) => chosen.includes(s)), ...found.filter((s) => !chosen.includes(s))];
  fill(list, order.slice(0, most).map((source) => {
    const [dir, name] = splitPath(source);
    const check = h('input', {
      type: 'checkbox', checked: chosen.includes(source),
      on: { change: () => o.choose(check.checked ? [...o.chosen(), source] : o.chosen().filter((s) => s !== source)) },
    });
    return h('div', { class: 'picker-row' },
      h('label', { title: source }, check, h('span', { class: `dot s${o.names.colour(source)}` }), h('span', { class: 'name' }, name), h('span', { class: 'dim dir' }, dir)),
      button({ text: 'only', title: `Only ${name}`, class: 'button tiny', click: () => { o.choose([source]); again(); } }));
  }));
  fill(foot, found.length > most ? `${plural(found.length, 'source')}; the first ${most} are shown: type to find others`
    : wanted ? `${plural(found.length, 'source')} of ${known.length}. Enter chooses them.` : plural(found.length, 'source'));
}
