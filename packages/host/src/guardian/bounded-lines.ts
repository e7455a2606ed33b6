import type { Duplex } from 'node:stream';

/** A line of a list of every mount that a node can have armed stays below this. */
export const LINE_BYTES_MAX = 4 * 1024 * 1024;

/** Ends a connection whose peer sends a longer line than {@link LINE_BYTES_MAX}: who reads lines keeps the whole of one in memory. */
export function boundLines(socket: Duplex): void {
  let lineBytes = 0;
  socket.on('data', (chunk: Buffer) => {
    const lineEnd = chunk.lastIndexOf(LINE_END);
    lineBytes = lineEnd === -1 ? lineBytes + chunk.length : chunk.length - lineEnd - 1;
    if (lineBytes > LINE_BYTES_MAX) socket.destroy();
  });
}

const LINE_END = 0x0a;
