import { readFile } from 'node:fs/promises';
import { AppError, silentLogger, systemClock, systemRandom, type Clock, type Logger, type Random } from '@volplane/base';

export interface EtcdKvOptions {
  /** `http://host:port` or `https://host:port` of the members, all of one scheme; 1 to {@link ENDPOINTS_MAX}. */
  readonly endpoints: readonly string[];
  /** Both or none. etcd's simple tokens are renewed on the way. */
  readonly username?: string;
  readonly password?: string;
  /** PEM text, or the path of a PEM file: the authority of the members' certificates. Default: the system's. */
  readonly ca?: string;
  /** PEM text or path: the client certificate and its key; both or none, and only together with `ca`. */
  readonly cert?: string;
  readonly key?: string;
  /** Bound of one call, all attempts together. Default {@link CALL_TIMEOUT_MS}. */
  readonly callTimeoutMs?: number;
  /** How long a broken watch tries to resume before it ends. Default {@link WATCH_RESUME_MS}. */
  readonly watchResumeMs?: number;
  /** A key that the user may read; read for its revision only, need not exist. Default {@link BARRIER_KEY}. */
  readonly barrierKey?: string;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly log?: Logger;
}

/** The options with defaults filled in and files read. */
export interface EtcdSettings {
  readonly endpoints: readonly string[];
  readonly auth: { readonly username: string; readonly password: string } | undefined;
  readonly tls: { readonly rootCertificate: Buffer; readonly certChain?: Buffer; readonly privateKey?: Buffer } | undefined;
  readonly callTimeoutMs: number;
  readonly watchResumeMs: number;
  readonly barrierKey: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** An etcd cluster has 3 to 7 members; more addresses than this is a mistake. */
export const ENDPOINTS_MAX = 16;

/** Above etcd's election (1 s by default) with room for a slow disk, below the patience of a caller. */
export const CALL_TIMEOUT_MS = 5_000;

/** Longer than a member's restart, shorter than what a stale view may grow to. */
export const WATCH_RESUME_MS = 60_000;

/** Below the one prefix of the product, so that a role for that prefix can read it. */
export const BARRIER_KEY = '/volplane/barrier';

/** Checks the options and reads the PEM files. @throws AppError INVALID_ARGUMENT that names the field */
export async function readOptions(options: EtcdKvOptions): Promise<EtcdSettings> {
  const { endpoints, username, password } = options;
  checkEndpoints(endpoints);
  if ((username === undefined) !== (password === undefined)) throw invalid('username', 'username and password go together');
  return {
    endpoints,
    auth: username === undefined || password === undefined ? undefined : { username, password },
    tls: await readTls(options),
    callTimeoutMs: options.callTimeoutMs ?? CALL_TIMEOUT_MS,
    watchResumeMs: options.watchResumeMs ?? WATCH_RESUME_MS,
    barrierKey: options.barrierKey ?? BARRIER_KEY,
    clock: options.clock ?? systemClock,
    random: options.random ?? systemRandom,
    log: options.log ?? silentLogger,
  };
}

/** @throws AppError INVALID_ARGUMENT that names the field */
export async function checkEtcdOptions(options: EtcdKvOptions): Promise<void> {
  await readOptions(options);
}

function checkEndpoints(endpoints: readonly string[]): void {
  if (endpoints.length === 0 || endpoints.length > ENDPOINTS_MAX) {
    throw invalid('endpoints', `give 1 to ${String(ENDPOINTS_MAX)} endpoints`);
  }
  for (const endpoint of endpoints) {
    if (!/^https?:\/\/[^/\s]+:\d{1,5}$/.test(endpoint)) throw invalid('endpoints', `${endpoint} is not of the form http(s)://host:port`);
  }
  if (new Set(endpoints.map(schemeOf)).size > 1) throw invalid('endpoints', 'all endpoints need one scheme, http or https');
}

async function readTls({ endpoints, ca, cert, key }: EtcdKvOptions): Promise<EtcdSettings['tls']> {
  if ((cert === undefined) !== (key === undefined)) throw invalid('cert', 'cert and key go together');
  if (ca === undefined && cert === undefined) return undefined;
  // etcd3 takes a client certificate only together with an authority.
  if (ca === undefined) throw invalid('ca', 'a client certificate needs ca as well');
  if (schemeOf(endpoints[0] ?? '') !== 'https') throw invalid('endpoints', 'ca, cert and key need https endpoints');
  const rootCertificate = await readPem('ca', ca);
  if (cert === undefined || key === undefined) return { rootCertificate };
  return { rootCertificate, certChain: await readPem('cert', cert), privateKey: await readPem('key', key) };
}

async function readPem(field: string, textOrPath: string): Promise<Buffer> {
  if (textOrPath.includes('-----BEGIN ')) return Buffer.from(textOrPath, 'utf8');
  try {
    return await readFile(textOrPath);
  } catch (error) {
    throw invalid(field, `the PEM file ${textOrPath} cannot be read`, error);
  }
}

function schemeOf(endpoint: string): string {
  return endpoint.slice(0, endpoint.indexOf(':'));
}

function invalid(field: string, fault: string, cause?: unknown): AppError {
  return new AppError('INVALID_ARGUMENT', `etcd options: ${fault}`, { field }, cause);
}
