import { resolve } from 'node:path';
import { AppError } from '@volplane/base';

/**
 * The socket path of a CSI_ENDPOINT, in every spelling that is about: `unix:///p`, `unix:/p`, `/p`, and `unix://p` where a
 * slash was forgotten.
 *
 * @throws AppError INVALID_ARGUMENT for anything but a unix socket, and for paths that the kernel would cut off
 */
export function parseEndpoint(endpoint: string): string {
  const path = socketPath(endpoint.trim());
  if (path === undefined) {
    throw new AppError(
      'INVALID_ARGUMENT',
      `CSI_ENDPOINT ${JSON.stringify(endpoint)} is not a unix socket; write unix:///run/csi/csi.sock`,
      {
        field: 'CSI_ENDPOINT',
      },
    );
  }
  const bytes = Buffer.byteLength(path);
  if (bytes > SOCKET_PATH_BYTES_MAX) {
    const text = `CSI_ENDPOINT ${path} has ${bytes} bytes, and a socket path has at most ${SOCKET_PATH_BYTES_MAX}; use a shorter folder or socket name`;
    throw new AppError('INVALID_ARGUMENT', text, { field: 'CSI_ENDPOINT' });
  }
  return path;
}

/** Linux: 108 bytes with the ending zero. libuv cuts longer ones off without a word, and the socket then has another name. */
const SOCKET_PATH_BYTES_MAX = 107;

function socketPath(endpoint: string): string | undefined {
  const scheme = /^([a-zA-Z][a-zA-Z0-9+.-]*):/.exec(endpoint)?.[1]?.toLowerCase();
  if (scheme !== undefined && scheme !== 'unix') return undefined;
  const rest = scheme === undefined ? endpoint : endpoint.slice('unix:'.length);
  const path = rest.startsWith('//') ? `/${rest.replace(/^\/+/, '')}` : rest;
  // A name without a slash is more likely a slip than a socket in whatever folder this process was started in.
  if (!path.includes('/') || path.endsWith('/') || path.includes('\0')) return undefined;
  return resolve(path);
}
