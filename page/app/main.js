/** The start: makes the parts, and leads from one to the other. */
import { PageState } from './state.js';
import { Names } from './names.js';
import { Link } from './link.js';
import { LogsView } from './logs.js';
import { FileView } from './file.js';
import { SourcesView } from './sources.js';
import { Banner } from './banner.js';
import { Keys, toggleHelp } from './keys.js';
import { bindings } from './bindings.js';
import { startTheme, toggleTheme } from './theme.js';
import { onPageVersion } from './api.js';
import { button } from './dom.js';
import { splitPath } from './format.js';
import * as token from './token.js';

/** @param {string} id @returns {HTMLElement} */
const $ = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

startTheme();
token.fromAddress();

const state = new PageState();
const names = new Names();
const logs = new LogsView({ toolbar: $('toolbar'), lines: $('lines'), pill: $('pill'), empty: $('empty'), status: $('status') }, state, names);
const file = new FileView($('file'), state, names);
const sources = new SourcesView($('sources'), state, names);
const banner = new Banner($('banners'), $('light'), { now: () => link.say({ type: 'now' }), token: useToken });
const keys = new Keys();
const link = new Link({
  rows: (rows, missed, start) => {
    logs.take(rows, missed, start);
    file.live(rows);
  },
  connection: (c) => {
    banner.show(c);
    logs.setState(c.state);
  },
  token: (t) => { if (t !== token.value()) token.store(t); },
});

/** @param {string} t */
function useToken(t) {
  token.store(t);
  link.say({ type: 'token', token: t });
  if (state.now.place) file.open(state.now.place);
  sources.poll();
}

/** Shows the view that the state names. */
function route() {
  const { view, place, chrome } = state.now;
  const now = place ? 'file' : view;
  const changed = document.body.dataset.view !== now;
  document.body.dataset.view = now;
  document.body.dataset.chrome = chrome ? '1' : '0';
  $('logs').hidden = now !== 'logs';
  $('file').hidden = now !== 'file';
  $('sources').hidden = now !== 'sources';
  for (const tab of document.querySelectorAll('[data-tab]')) {
    tab.setAttribute('aria-current', String(/** @type {HTMLElement} */ (tab).dataset.tab === (place ? 'logs' : view)));
  }
  document.title = (place ? splitPath(place.name)[1] : view === 'sources' ? 'Sources' : state.now.sources.length === 1 ? names.short(state.now.sources[0]) : 'Logs') + ' \u00b7 Fairlead';
  if (place && (changed || !file.has(place))) file.open(place);
  if (now !== 'file') file.stop();
  if (now === 'sources') sources.poll();
  if (now === 'logs' && changed) logs.showFollowing();
  logs.lines.list.changed();
}

state.listen((after, before) => {
  logs.apply(after, before);
  if (after.highlight !== before.highlight || after.wrap !== before.wrap || after.time !== before.time || after.columns !== before.columns) file.lines.apply();
  route();
});

for (const tab of document.querySelectorAll('[data-tab]')) {
  tab.addEventListener('click', () => show(/** @type {any} */ (tab).dataset.tab));
}

/** @param {'logs' | 'sources'} view */
function show(view) { if (state.now.view !== view || state.now.place) state.set({ view, place: null }, true); }

$('controls').append(
  button({ icon: 'theme', class: 'button icon flat', title: 'Dark or light', click: toggleTheme }),
  button({ icon: 'help', class: 'button icon flat', title: 'Keys', key: '?', click: () => toggleHelp(keys.all) }));
keys.add(bindings({ state, logs, file, sources, show, help: () => toggleHelp(keys.all) }));
onPageVersion((v) => banner.version(v));
banner.show({ state: 'connecting', since: Date.now() });
route();
link.join(token.value());
