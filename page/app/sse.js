/**
 * Server-Sent Events, as the HTML standard has them, out of pieces of bytes that may
 * be cut anywhere: between CR and LF, and within a character.
 */

/** A line that is longer ends the connection: the server sends none. */
const longest = 32 << 20;

/** @typedef {{name: string, data: string, id: string}} StreamEvent */

export class EventParser {
  /** @param {{event: (e: StreamEvent) => void, retry?: (ms: number) => void}} to */
  constructor(to) {
    this.to = to;
    this.decoder = new TextDecoder('utf-8');
    this.rest = '';
    this.afterCR = false;
    this.id = '';
    this.name = '';
    /** @type {string[]} */
    this.data = [];
  }

  /** @param {Uint8Array} bytes */
  push(bytes) {
    let text = this.decoder.decode(bytes, { stream: true });
    if (text === '') return;
    if (this.afterCR && text[0] === '\n') text = text.slice(1);
    this.afterCR = text.endsWith('\r');
    const lines = (this.rest + text).split(/\r\n|\n|\r/);
    this.rest = lines.pop() ?? '';
    if (this.rest.length > longest) throw new Error('a line of the stream has no end');
    for (const line of lines) this.line(line);
  }

  /** @param {string} line */
  line(line) {
    if (line === '') { this.dispatch(); return; }
    const colon = line.indexOf(':');
    if (colon === 0) return; // a comment: a heartbeat
    const key = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    switch (key) {
      case 'data': this.data.push(value); break;
      case 'event': this.name = value; break;
      case 'id': if (!value.includes('\0')) this.id = value; break;
      case 'retry': if (/^\d+$/.test(value)) this.to.retry?.(Number(value)); break;
    }
  }

  dispatch() {
    if (this.data.length > 0) this.to.event({ name: this.name === 'message' ? '' : this.name, data: this.data.join('\n'), id: this.id });
    this.name = '';
    this.data = [];
  }
}
