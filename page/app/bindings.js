/** Which key does what, in which view. */
import { levels } from './entry.js';
import { timeFormats } from './format.js';

/**
 * @param {{state: import('./state.js').PageState, logs: import('./logs.js').LogsView, file: import('./file.js').FileView,
 *   sources: import('./sources.js').SourcesView, show: (view: 'logs' | 'sources') => void, help: () => void}} p
 * @returns {import('./keys.js').Key[]}
 */
export function bindings(p) {
  const { state, logs, file } = p;
  const inFile = () => state.now.place !== null;
  const inSources = () => !inFile() && state.now.view === 'sources';
  const inLogs = () => !inFile() && !inSources();
  const inLines = () => !inSources();
  const lines = () => inFile() ? file.lines : logs.lines;
  const next = () => {
    const i = timeFormats.findIndex((f) => f.name === state.now.time);
    state.set({ time: timeFormats[(i + 1) % timeFormats.length].name });
  };
  return [
    { group: 'Follow', keys: [' '], label: 'Pause, or follow', when: inLines, run: () => inFile() ? file.follow(!file.following) : logs.toggle() },
    { group: 'Follow', keys: ['G', 'End'], label: 'Go to the end and follow', when: inLines, run: () => inFile() ? file.toEnd() : logs.follow() },
    { group: 'Follow', keys: ['g', 'Home'], label: 'Go to the top', when: inLines, run: () => inFile() ? file.go(0) : logs.toStart() },
    { group: 'Lines', keys: ['j', 'ArrowDown'], label: 'Next line', when: inLines, run: () => lines().move(1) },
    { group: 'Lines', keys: ['k', 'ArrowUp'], label: 'Previous line', when: inLines, run: () => lines().move(-1) },
    { group: 'Lines', keys: ['PageDown', 'PageUp'], label: 'A page down, or up', when: inLines, run: (e) => lines().page(e.key === 'PageDown' ? 1 : -1) },
    { group: 'Lines', keys: ['Enter'], label: 'Details of the line', when: inLines, run: () => lines().toggle() },
    { group: 'Lines', keys: ['Escape'], label: 'Close the details', when: inLogs, run: () => logs.lines.closeAll() },
    { group: 'Lines', keys: ['c'], label: 'Context: the line in its file', when: inLogs, run: () => logs.lines.actCurrent('context') },
    { group: 'Lines', keys: ['m'], label: 'Put a mark', when: inLogs, run: () => logs.mark() },
    { group: 'Lines', keys: ['x'], label: 'Clear what is shown', when: inLogs, run: () => logs.clear() },
    { group: 'Find', keys: ['/'], label: 'Filter', when: () => !inFile(), run: () => (inSources() ? p.sources.search : logs.toolbar.include.input).focus() },
    { group: 'Find', keys: ['f'], label: 'Highlight', when: inLines, run: () => (inFile() ? file.highlight : logs.toolbar.highlight.input).focus() },
    { group: 'Find', keys: ['n'], label: 'Next match', when: inLines, run: () => inFile() ? file.find(1) : logs.find(1) },
    { group: 'Find', keys: ['N'], label: 'Previous match', when: inLines, run: () => inFile() ? file.find(-1) : logs.find(-1) },
    { group: 'Find', keys: ['s'], label: 'Choose sources', when: inLogs, run: () => logs.toolbar.pick() },
    { group: 'Find', keys: ['1', '2', '3', '4', '5'], label: 'Least level: all, debug, info, warn, error', when: inLogs, run: (e) => state.set({ level: e.key === '1' ? '' : levels[Number(e.key)] }) },
    { group: 'Show', keys: ['w'], label: 'Wrap long lines', when: inLines, run: () => state.set({ wrap: !state.now.wrap }) },
    { group: 'Show', keys: ['t'], label: 'Next time format', when: inLines, run: next },
    { group: 'Show', keys: ['v'], label: 'Next view', run: () => p.show(inSources() ? 'logs' : 'sources') },
    { group: 'Show', keys: ['?'], label: 'These keys', run: p.help },
    { group: 'Show', keys: ['Escape'], label: 'Back to the live view', when: inFile, run: () => file.leave() },
    { group: 'Copy', keys: ['y'], label: 'Copy the line', when: inLines, run: () => lines().actCurrent('copy') },
    { group: 'Copy', keys: ['Y'], label: 'Copy the line as JSON', when: inLines, run: () => lines().actCurrent('json') },
    { group: 'Copy', keys: ['l'], label: 'Copy a permalink to the line', when: inLines, run: () => inFile() ? file.copyLink() : logs.lines.actCurrent('link') },
    { group: 'Copy', keys: ['u'], label: 'Copy as curl', when: inLogs, run: () => logs.copyCurl() },
    { group: 'Copy', keys: ['d'], label: 'Download what I see', when: inLogs, run: () => logs.download('text') },
  ];
}
