/** The shared worker: one feed for all tabs that show this version of the page. */
import { Hub } from './hub.js';

const hub = new Hub(new URL('../../', import.meta.url));

addEventListener('connect', (e) => hub.add(/** @type {MessageEvent} */ (e).ports[0]));
