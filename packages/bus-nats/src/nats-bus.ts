import { abortReason, AppError, assert, withTimeout, type Clock, type Logger, type Random } from '@volplane/base';
import { BUS_LIMITS, BUS_SUBJECT, type Bus, type BusHandler, type BusRequestOptions, type BusSubscription } from '@volplane/ports';
import type { Msg, NatsConnection, NatsError } from 'nats';
import { checkCredentials, type NatsCredentials } from './connection-options.js';
import { keepConnected } from './nats-link.js';
import { parseServerAddress, type ServerAddress } from './server-address.js';
import { ServedSubject } from './served-subject.js';

export interface NatsBusOptions extends NatsCredentials {
  /** Every server of the NATS cluster, `nats://host:port` or `tls://host:port`; addresses that servers gossip are not used. */
  readonly servers: readonly string[];
  /** Shown in the server's lists of connections. */
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** The bus on NATS. */
export class NatsBus implements Bus {
  readonly name = 'nats bus';
  readonly #options: NatsBusOptions;
  readonly #inbox: string;
  readonly #served = new Set<ServedSubject>();
  readonly #pending = new Map<string, PendingRequest>();
  readonly #running = new Set<Promise<void>>();
  readonly #stopDialling = new AbortController();
  readonly #linkEnded: Promise<void>;
  #connection: NatsConnection | undefined;
  #inboxOpen = false;
  #payloadBytesMax = PAYLOAD_BYTES_DEFAULT;
  #tokens = 0;
  #closing: Promise<void> | undefined;

  /**
   * Resolves at once, whether NATS is there or not; connects in the background and stays with it.
   *
   * @throws AppError INVALID_ARGUMENT for a wrong address or a credentials file that cannot be read
   */
  static async open(options: NatsBusOptions): Promise<NatsBus> {
    const servers = options.servers.map(parseServerAddress);
    if (servers.length === 0) throw new AppError('INVALID_ARGUMENT', 'at least one NATS server must be given');
    await checkCredentials(options);
    return new NatsBus(options, servers);
  }

  private constructor(options: NatsBusOptions, servers: readonly ServerAddress[]) {
    this.#options = options;
    this.#inbox = `_INBOX.${options.random.hex(INBOX_NAME_LENGTH)}`;
    const observer = {
      onUp: (connection: NatsConnection): void => {
        this.#onUp(connection);
      },
      onDown: (): void => {
        this.#onDown();
      },
    };
    this.#linkEnded = keepConnected({ ...options, servers }, observer, this.#stopDialling.signal);
  }

  get connected(): boolean {
    return this.#connection?.isClosed() === false;
  }

  get payloadBytesMax(): number {
    this.#payloadBytesMax = this.#connection?.info?.max_payload ?? this.#payloadBytesMax;
    return this.#payloadBytesMax;
  }

  async request(subject: string, payload: unknown, options: BusRequestOptions): Promise<unknown> {
    assert(BUS_SUBJECT.test(subject), 'a request goes to a subject without wildcards');
    const bytes = this.#encode(payload, subject);
    const { timeoutMs, signal } = options;
    if (signal?.aborted === true) throw abortReason(signal);
    const connection = this.#usableConnection(subject);
    if (this.#pending.size >= BUS_LIMITS.requestsPending) {
      throw new AppError('OVERLOADED', `too many requests wait for answers; ${subject} was not asked`, { subject });
    }
    this.#tokens += 1;
    const token = this.#tokens.toString(36);
    const answer = new Promise<unknown>((resolve, reject) => {
      this.#pending.set(token, { subject, resolve, reject });
    });
    try {
      publish(connection, subject, bytes, `${this.#inbox}.${token}`);
      const onTimeout = (): Error => unknownOutcome(subject, `no answer came in ${String(timeoutMs)} ms`);
      return await withTimeout(this.#options.clock, answer, { timeoutMs, signal, onTimeout });
    } finally {
      this.#pending.delete(token);
    }
  }

  serve(subject: string, group: string | undefined, handler: BusHandler): BusSubscription {
    assert(BUS_SUBJECT.test(subject), 'a subject that is served has no wildcards');
    const served = new ServedSubject({
      subject,
      group,
      handler,
      log: this.#options.log,
      answer: (replyTo, payload) => {
        this.#answer(replyTo, payload, subject);
      },
      track: (running) => {
        this.#track(running);
      },
    });
    if (this.#closing === undefined) {
      this.#served.add(served);
      if (this.#connection?.isClosed() === false) served.attach(this.#connection);
    }
    return {
      close: async () => {
        this.#served.delete(served);
        await served.detach();
      },
    };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  #onUp(connection: NatsConnection): void {
    this.#connection = connection;
    this.#inboxOpen = true;
    connection.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => {
        this.#receive(error, message);
      },
    });
    for (const served of this.#served) served.attach(connection);
  }

  #onDown(): void {
    this.#connection = undefined;
    this.#failPending('the connection to NATS broke before an answer came');
  }

  /** An answer arrives, or the server's word that nobody listens. Must not throw, see ServedSubject. */
  #receive(error: NatsError | null, message: Msg): void {
    if (error !== null) {
      this.#inboxOpen = false;
      this.#options.log.error('nats does not let this process receive answers; allow it to subscribe to _INBOX.>', { error });
      return;
    }
    const request = this.#pending.get(message.subject.slice(this.#inbox.length + 1));
    // Too late, or the second one.
    if (request === undefined) return;
    try {
      const nobody = message.data.length === 0 && message.headers?.code === NO_RESPONDERS;
      if (nobody) request.reject(unavailable(request.subject, 'nobody listens'));
      else request.resolve(JSON.parse(message.string()));
    } catch (parseError) {
      this.#options.log.debug('stray answer dropped', { subject: request.subject, error: parseError });
    }
  }

  #answer(replyTo: string, payload: unknown, subject: string): void {
    const bytes = this.#encode(payload, subject);
    const connection = this.#connection;
    if (connection === undefined || connection.isClosed()) {
      this.#options.log.debug('answer dropped, nats is down', { subject });
      return;
    }
    connection.publish(replyTo, bytes);
  }

  #track(running: Promise<void>): void {
    const tracked = running.finally(() => {
      this.#running.delete(tracked);
    });
    this.#running.add(tracked);
  }

  #encode(payload: unknown, subject: string): Uint8Array {
    const bytes = Buffer.from(JSON.stringify(payload ?? null));
    const bytesMax = this.payloadBytesMax;
    if (bytes.length > bytesMax) {
      throw new AppError('TOO_LARGE', `a message for ${subject} has ${String(bytes.length)} bytes, NATS takes ${String(bytesMax)}`, {
        subject,
      });
    }
    return bytes;
  }

  #usableConnection(subject: string): NatsConnection {
    if (this.#closing !== undefined) throw unavailable(subject, 'the bus is closed');
    const connection = this.#connection;
    if (connection === undefined || connection.isClosed()) throw unavailable(subject, 'NATS is not connected');
    if (!this.#inboxOpen) throw unavailable(subject, 'NATS does not let this process receive answers');
    return connection;
  }

  #failPending(why: string): void {
    for (const request of this.#pending.values()) request.reject(unknownOutcome(request.subject, why));
    this.#pending.clear();
  }

  async #close(): Promise<void> {
    this.#stopDialling.abort();
    try {
      const onTimeout = (): Error => new Error(`handlers or NATS took longer than ${String(DRAIN_MS_MAX)} ms`);
      await withTimeout(this.#options.clock, this.#drain(), { timeoutMs: DRAIN_MS_MAX, onTimeout });
    } catch (error) {
      this.#options.log.warn('bus closed without waiting longer', { error });
    }
    this.#served.clear();
    this.#failPending('the bus was closed before an answer came');
    await this.#connection?.close();
    await this.#linkEnded;
  }

  /** Lets what was received be answered, and the answers reach the server. */
  async #drain(): Promise<void> {
    await Promise.all([...this.#served].map((served) => served.detach()));
    await Promise.all(this.#running);
    if (this.connected) await this.#connection?.flush();
  }
}

interface PendingRequest {
  readonly subject: string;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** How long `close` waits for handlers and for the server. */
const DRAIN_MS_MAX = 5_000;

/** NATS' default (max_payload), until a server has told its own. */
const PAYLOAD_BYTES_DEFAULT = 1_048_576;

/** As long as the names that the library makes: nobody guesses it. */
const INBOX_NAME_LENGTH = 24;

/** The status in the header of the server's message that nobody listens. */
const NO_RESPONDERS = 503;

/** @throws AppError NODE_UNAVAILABLE: what this throws was not sent */
function publish(connection: NatsConnection, subject: string, bytes: Uint8Array, replyTo: string): void {
  try {
    connection.publish(subject, bytes, { reply: replyTo });
  } catch (error) {
    throw new AppError('NODE_UNAVAILABLE', `${subject} was not asked: the connection to NATS is closing`, { subject }, error);
  }
}

function unavailable(subject: string, why: string): AppError {
  return new AppError('NODE_UNAVAILABLE', `${subject} was not asked: ${why}`, { subject });
}

function unknownOutcome(subject: string, why: string): AppError {
  return new AppError('UNKNOWN_OUTCOME', `${subject} was asked and ${why}`, { subject });
}
