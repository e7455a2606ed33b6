import { backoffMs, sleep, type Clock, type Logger, type Random } from '@volplane/base';
import { connect, DebugEvents, Events, type NatsConnection } from 'nats';
import { connectionOptions, type NatsCredentials } from './connection-options.js';
import { awaitGreeting, formatServerAddress, type ServerAddress } from './server-address.js';

export interface NatsLinkOptions extends NatsCredentials {
  readonly servers: readonly ServerAddress[];
  /** Shown in the server's lists of connections. */
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export interface NatsLinkObserver {
  /** A connection is there; nothing was subscribed on it yet. */
  onUp(connection: NatsConnection): void;
  /** That connection is gone for good. */
  onDown(): void;
}

/**
 * Keeps one connection to one of the servers, for ever, until `signal` fires.
 *
 * It dials itself and lets the library only connect once: the library's own reconnecting keeps what is published
 * meanwhile and sends it later, gives up after some errors, and cannot be stopped while it dials.
 *
 * @returns when the signal has fired and the last connection is closed; closing that one is up to the observer
 */
export async function keepConnected(options: NatsLinkOptions, observer: NatsLinkObserver, signal: AbortSignal): Promise<void> {
  const { clock, log } = options;
  const stopped = (): boolean => signal.aborted;
  let failures = 0;
  while (!stopped()) {
    try {
      // Each turn of the loop is one connection, from the first attempt to its end.
      const connection = await dial(options, signal);
      const upSinceMs = clock.monotonicMs();
      const error = await follow(connection, options, observer, signal);
      if (!stopped()) log.warn('nats connection lost', { error });
      if (clock.monotonicMs() - upSinceMs >= STEADY_MS) failures = 0;
    } catch (error) {
      if (!stopped()) logFailure(error, failures, options);
    }
    failures += 1;
    await pause(backoffMs(options.random, failures - 1, RETRY), clock, signal);
  }
}

/** The first delay after a lost connection is short, because the server may be back at once. */
const RETRY = { firstMs: 100, maxMs: 5_000 } as const;

/** A connection that lived this long was no failure: the next delay is the first again. */
const STEADY_MS = 10_000;

/** For each of: the greeting, the connection with its handshakes. */
const CONNECT_TIMEOUT_MS = 5_000;

async function dial(options: NatsLinkOptions, signal: AbortSignal): Promise<NatsConnection> {
  const errors: unknown[] = [];
  for (const address of shuffled(options.servers, options.random)) {
    try {
      // One server after the other: one connection is wanted.
      await awaitGreeting(address, { clock: options.clock, timeoutMs: CONNECT_TIMEOUT_MS, signal });
      return await connect(await connectionOptions(address, { ...options, timeoutMs: CONNECT_TIMEOUT_MS }));
    } catch (error) {
      errors.push(error);
      signal.throwIfAborted();
    }
  }
  throw errors.length === 1 ? errors[0] : new AggregateError(errors, 'no server lets us in');
}

/** Lives as long as the connection. @returns why it ended, where that is known */
async function follow(
  connection: NatsConnection,
  options: NatsLinkOptions,
  observer: NatsLinkObserver,
  signal: AbortSignal,
): Promise<unknown> {
  if (signal.aborted) {
    await connection.close();
    return undefined;
  }
  const server = connection.getServer();
  options.log.info('nats connected', { server });
  try {
    observer.onUp(connection);
    // The list of statuses does not end with the connection, so the connection's end is waited for beside it.
    return await Promise.race([connection.closed(), logStatuses(connection, server, options)]);
  } finally {
    observer.onDown();
    // It is closed already, unless something above failed.
    await connection.close();
  }
}

async function logStatuses(connection: NatsConnection, server: string, { log }: NatsLinkOptions): Promise<void> {
  for await (const { type, data, permissionContext } of connection.status()) {
    if (type === Events.Error) log.error('nats refused something', { server, code: data, permission: permissionContext });
    if (type === Events.LDM) log.info('nats server is about to stop', { server });
    if (type === DebugEvents.StaleConnection) log.warn('nats server stopped answering', { server });
  }
}

/** The first failure of an outage is for people; the rest says the same. */
function logFailure(error: unknown, failures: number, { servers, log }: NatsLinkOptions): void {
  const fields = { servers: servers.map(formatServerAddress), failures, error };
  if (failures === 0) log.warn('nats cannot be reached', fields);
  else log.debug('nats still cannot be reached', fields);
}

async function pause(delayMs: number, clock: Clock, signal: AbortSignal): Promise<void> {
  try {
    await sleep(clock, delayMs, signal);
  } catch {
    // The signal ends the pause; the loop looks at it next.
  }
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  return items
    .map((item) => ({ item, rank: random.float() }))
    .sort((left, right) => left.rank - right.rank)
    .map(({ item }) => item);
}
