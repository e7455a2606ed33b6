import { createInterface, type Interface } from 'node:readline';
import type { Duplex } from 'node:stream';

/** A line of a list of every mount that a node can have armed stays below this. */
export const LINE_BYTES_MAX = 4 * 1024 * 1024;

/**
 * The lines of a connection. It ends when its peer sends a longer line than {@link LINE_BYTES_MAX}: who reads lines keeps the whole of one in
 * memory; and when it is reset, as by a peer that is killed before it has read what it was sent.
 */
export function boundedLines(socket: Duplex): Interface {
  let lineBytes = 0;
  socket.on('data', (chunk: Buffer) => {
    const lineEnd = chunk.lastIndexOf(LINE_END);
    lineBytes = lineEnd === -1 ? lineBytes + chunk.length : chunk.length - lineEnd - 1;
    if (lineBytes > LINE_BYTES_MAX) socket.destroy();
  });
  // The reader of lines passes errors of its input on, and one that nobody listens to there ends the process: agent and guardian must
  // outlive each other.
  return createInterface({ input: socket }).on('error', () => socket.destroy());
}

const LINE_END = 0x0a;
