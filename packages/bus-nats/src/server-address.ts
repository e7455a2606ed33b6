import { connect, isIP } from 'node:net';
import { AppError, withTimeout, type Clock } from '@volplane/base';

/** One NATS server. */
export interface ServerAddress {
  readonly host: string;
  readonly port: number;
  /** From `tls://`: never talk to it in the clear. */
  readonly tls: boolean;
}

/**
 * Parses `nats://host:port`, `tls://host:port` or `host:port`; the port may be left out (4222).
 *
 * @throws AppError INVALID_ARGUMENT; also for a user or password in the address, which the client would ignore
 */
export function parseServerAddress(text: string): ServerAddress {
  const url = parseUrl(text.includes('://') ? text : `nats://${text}`);
  const fault = url === undefined ? 'it cannot be parsed' : addressFault(url);
  // The text may hold a password, so it is not repeated.
  if (url === undefined || fault !== undefined) {
    throw new AppError('INVALID_ARGUMENT', `a NATS server is given as nats://host:port or tls://host:port: ${fault ?? ''}`);
  }
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  return { host, port: url.port === '' ? DEFAULT_PORT : Number(url.port), tls: url.protocol === 'tls:' };
}

export function formatServerAddress({ host, port }: ServerAddress): string {
  return isIP(host) === 6 ? `[${host}]:${String(port)}` : `${host}:${String(port)}`;
}

/**
 * Resolves when the server sends its greeting, and hangs up.
 *
 * The client library never closes the socket of an attempt that timed out before the greeting, so that a frozen server
 * would cost one descriptor for each attempt; a server that has just greeted is not frozen.
 *
 * @throws Error when there is no connection or no greeting within `timeoutMs`; the signal's reason
 */
export async function awaitGreeting(
  address: ServerAddress,
  options: { readonly clock: Clock; readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<void> {
  const socket = connect(address.port, address.host);
  const greeting = new Promise<void>((resolve, reject) => {
    socket.once('data', (chunk) => {
      if (chunk.toString('latin1').startsWith('INFO ')) resolve();
      else reject(new Error(`what answers at ${formatServerAddress(address)} is no NATS server`));
    });
    socket.once('error', reject);
    socket.once('close', () => {
      reject(new Error(`${formatServerAddress(address)} hung up before its greeting`));
    });
  });
  const onTimeout = (): Error => new Error(`no greeting from ${formatServerAddress(address)} in ${String(options.timeoutMs)} ms`);
  try {
    await withTimeout(options.clock, greeting, { timeoutMs: options.timeoutMs, signal: options.signal, onTimeout });
  } finally {
    socket.destroy();
  }
}

const DEFAULT_PORT = 4222;

function parseUrl(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}

function addressFault(url: URL): string | undefined {
  if (url.protocol !== 'nats:' && url.protocol !== 'tls:') return `the scheme ${url.protocol} is not known`;
  if (url.username !== '' || url.password !== '') return 'user and password belong in the options of their own';
  if (url.hostname === '') return 'the host is missing';
  if (!['', '/'].includes(url.pathname) || url.search !== '' || url.hash !== '') return 'something follows the port';
  return undefined;
}
