/**
 * The worker that all tabs of this version share. It is asked for before the rest of the
 * page has come, so that it has lines when there is somebody to show them.
 */
const version = import.meta.url.split('/').at(-2);

/** @returns {MessagePort | null} none where the browser has no such workers */
function begin() {
  if (typeof SharedWorker === 'undefined') return null;
  try {
    return new SharedWorker(new URL('./worker.js', import.meta.url), { type: 'module', name: `fairlead ${version}` }).port;
  } catch {
    return null;
  }
}

export const sharedPort = begin();
