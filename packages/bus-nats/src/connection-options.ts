import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { AppError } from '@volplane/base';
import { credsAuthenticator, nkeyAuthenticator, type ConnectionOptions, type TlsOptions } from 'nats';
import { formatServerAddress, type ServerAddress } from './server-address.js';

/** How a process shows to NATS who it is. Files are read again for every connection, so that they can be replaced. */
export type NatsAuth =
  | { readonly type: 'password'; readonly user: string; readonly password: string }
  | { readonly type: 'token'; readonly token: string }
  /** A file with an nkey seed (`SU…`). */
  | { readonly type: 'nkey'; readonly seedFile: string }
  /** A file with a JWT and a seed, as `nsc` writes it. */
  | { readonly type: 'creds'; readonly credsFile: string };

/** Paths of PEM files. Given, even if empty, TLS is demanded; without `caFile` the system's authorities count. */
export interface NatsTls {
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
}

export interface NatsCredentials {
  readonly auth?: NatsAuth;
  readonly tls?: NatsTls;
}

/**
 * The library's options for one connection to one server, without any reconnecting of its own.
 *
 * @throws Node's own error when a file cannot be read
 */
export async function connectionOptions(
  address: ServerAddress,
  options: NatsCredentials & { readonly name: string; readonly timeoutMs: number },
): Promise<ConnectionOptions> {
  const { auth, name, timeoutMs } = options;
  const tls = options.tls ?? (address.tls ? {} : undefined);
  return {
    servers: formatServerAddress(address),
    name,
    timeout: timeoutMs,
    reconnect: false,
    // The library's own look-up asks DNS only, not the hosts file, and does not try IPv4 and IPv6 side by side.
    resolve: false,
    ignoreClusterUpdates: true,
    noAsyncTraces: true,
    pingInterval: PING_INTERVAL_MS,
    maxPingOut: PINGS_UNANSWERED_MAX,
    ...(auth === undefined ? {} : await authOptions(auth)),
    ...(tls === undefined ? {} : { tls: tlsOptions(tls, address.host) }),
  };
}

/** Reads every file once, so that a wrong path is told at the start. @throws AppError INVALID_ARGUMENT naming the file */
export async function checkCredentials({ auth, tls }: NatsCredentials): Promise<void> {
  const paths = [tls?.caFile, tls?.certFile, tls?.keyFile];
  if (auth?.type === 'nkey') paths.push(auth.seedFile);
  if (auth?.type === 'creds') paths.push(auth.credsFile);
  for (const path of paths) {
    if (path === undefined) continue;
    try {
      // One after the other: at most four small files, once.
      await readFile(path);
    } catch (error) {
      throw new AppError('INVALID_ARGUMENT', `the file ${path} for the connection to NATS cannot be read`, { path }, error);
    }
  }
}

/** A server that stopped answering is given up after at least two and at most three of these. */
const PING_INTERVAL_MS = 3_000;
const PINGS_UNANSWERED_MAX = 2;

async function authOptions(auth: NatsAuth): Promise<ConnectionOptions> {
  switch (auth.type) {
    case 'password':
      return { user: auth.user, pass: auth.password };
    case 'token':
      return { token: auth.token };
    case 'nkey': {
      const seed = await readFile(auth.seedFile, 'utf8');
      return { authenticator: nkeyAuthenticator(new TextEncoder().encode(seed.trim())) };
    }
    case 'creds':
      return { authenticator: credsAuthenticator(await readFile(auth.credsFile)) };
  }
}

/**
 * The library passes what it does not know on to `tls.connect`, whose check of the certificate wants the name of the
 * server: `servername` for names, `host` for addresses (which may not be sent as a name).
 */
function tlsOptions(tls: NatsTls, host: string): TlsOptions & { readonly host: string; readonly servername: string } {
  return { ...tls, host, servername: isIP(host) === 0 ? host : '' };
}
