import { abortReason, AppError, assert, errorText, withTimeout, type Clock, type Logger, type Random } from '@volplane/base';
import { BUS_SUBJECT, type Bus, type BusFallback, type BusHandler, type BusRequestOptions, type BusSubscription } from '@volplane/ports';
import type { Msg, NatsConnection, NatsError } from 'nats';
import type { NatsCredentials } from './connection-options.js';
import { checkNats } from './check-nats.js';
import { encodePayload, FRAME_BYTES, ITEM_BYTES, readAnswerFrame, type EncodedPayload } from './frames.js';
import { keepConnected } from './nats-link.js';
import { OutgoingAnswers } from './outgoing-answers.js';
import { OutgoingRequests } from './outgoing-requests.js';
import { unavailable } from './pending-request.js';
import { RunningHandlers } from './running-handlers.js';
import type { ServerAddress } from './server-address.js';
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
  readonly #requests: OutgoingRequests;
  readonly #answers: OutgoingAnswers;
  readonly #running = new RunningHandlers();
  readonly #stopDialling = new AbortController();
  readonly #linkEnded: Promise<void>;
  #connection: NatsConnection | undefined;
  #inboxOpen = false;
  #frameBytesMaxTold = FRAME_BYTES_MAX_DEFAULT;
  #closing: Promise<void> | undefined;

  /**
   * Resolves at once, whether NATS is there or not; connects in the background and stays with it.
   *
   * @throws AppError INVALID_ARGUMENT for a wrong address or a credentials file that cannot be read
   */
  static async open(options: NatsBusOptions): Promise<NatsBus> {
    return new NatsBus(options, await checkNats(options));
  }

  private constructor(options: NatsBusOptions, servers: readonly ServerAddress[]) {
    this.#options = options;
    this.#inbox = `_INBOX.${options.random.hex(INBOX_NAME_LENGTH)}`;
    this.#requests = new OutgoingRequests({
      clock: options.clock,
      publish: (subject, frame, firstId) => this.#refusal() ?? this.#publish(subject, frame, `${this.#inbox}.${String(firstId)}`),
    });
    this.#answers = new OutgoingAnswers({
      clock: options.clock,
      log: options.log,
      publish: (replyTo, frame) => this.#publish(replyTo, frame),
    });
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
    return this.#frameBytesMax() - FRAME_BYTES - ITEM_BYTES;
  }

  async request(subject: string, payload: unknown, options: BusRequestOptions): Promise<unknown> {
    assert(BUS_SUBJECT.test(subject), 'a request goes to a subject without wildcards');
    const encoded = this.#encode(payload, subject);
    if (options.signal?.aborted === true) throw abortReason(options.signal);
    const refusal = this.#closing === undefined ? this.#refusal() : 'the bus is closed';
    if (refusal !== undefined) throw unavailable(subject, refusal);
    return await this.#requests.ask({ subject, payload: encoded, options, frameBytesMax: this.#frameBytesMax() });
  }

  serve(subject: string, group: string | undefined, handler: BusHandler, onTooLarge?: BusFallback): BusSubscription {
    assert(BUS_SUBJECT.test(subject), 'a subject that is served has no wildcards');
    const served = new ServedSubject({
      subject,
      group,
      handler,
      log: this.#options.log,
      answer: (replyTo, id, answer, request) => {
        const { text, bytes } = this.#encodeAnswer(
          answer,
          subject,
          onTooLarge === undefined ? undefined : (error) => onTooLarge(error, request),
        );
        this.#answers.add({ text, bytes, replyTo, id }, this.#frameBytesMax());
      },
      running: this.#running,
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
    this.#requests.failSent('the connection to NATS broke before an answer came');
  }

  /** Answers arrive, or the server's word that nobody listens. Must not throw, see ServedSubject. */
  #receive(error: NatsError | null, message: Msg): void {
    if (error !== null) {
      this.#inboxOpen = false;
      this.#options.log.error('nats does not let this process receive answers; allow it to subscribe to _INBOX.>', { error });
      return;
    }
    try {
      const nobody = message.data.length === 0 && message.headers?.code === NO_RESPONDERS;
      if (nobody) this.#requests.refuse(Number(message.subject.slice(this.#inbox.length + 1)));
      else readAnswerFrame(message.string(), this.#onAnswer);
    } catch (parseError) {
      this.#options.log.debug('stray answers dropped', { error: parseError });
    }
  }

  readonly #onAnswer = (id: unknown, payload: unknown): void => {
    this.#requests.settle(id, payload);
  };

  /** @throws AppError TOO_LARGE */
  #encode(payload: unknown, subject: string): EncodedPayload {
    const encoded = encodePayload(payload);
    const bytesMax = this.payloadBytesMax;
    if (encoded.bytes > bytesMax) {
      throw new AppError('TOO_LARGE', `a message for ${subject} has ${String(encoded.bytes)} bytes, NATS takes ${String(bytesMax)}`, {
        subject,
      });
    }
    return encoded;
  }

  /** @throws AppError TOO_LARGE */
  #encodeAnswer(answer: unknown, subject: string, onTooLarge: ((error: AppError) => unknown) | undefined): EncodedPayload {
    const encoded = encodePayload(answer);
    const bytesMax = this.payloadBytesMax;
    if (encoded.bytes <= bytesMax) return encoded;
    const text = `the answer of ${subject} has ${String(encoded.bytes)} bytes, NATS takes ${String(bytesMax)}; ask for less at once`;
    const error = new AppError('TOO_LARGE', text, { subject });
    if (onTooLarge === undefined) throw error;
    return this.#encode(onTooLarge(error), subject);
  }

  /** The server's word, or the last one while there is none. */
  #frameBytesMax(): number {
    this.#frameBytesMaxTold = this.#connection?.info?.max_payload ?? this.#frameBytesMaxTold;
    return this.#frameBytesMaxTold;
  }

  /** Why nothing can be asked now, if so. */
  #refusal(): string | undefined {
    const connection = this.#connection;
    if (connection === undefined || connection.isClosed()) return 'NATS is not connected';
    return this.#inboxOpen ? undefined : 'NATS does not let this process receive answers';
  }

  /** @returns why it was not sent, if so */
  #publish(subject: string, frame: Buffer, reply?: string): string | undefined {
    const connection = this.#connection;
    if (connection === undefined || connection.isClosed()) return 'NATS is not connected';
    try {
      connection.publish(subject, frame, reply === undefined ? {} : { reply });
      return undefined;
    } catch (error) {
      // The library throws before it sends: the connection is closing, or takes smaller messages since a moment ago.
      return `the connection to NATS does not take it: ${errorText(error)}`;
    }
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
    this.#requests.failSent('the bus was closed before an answer came');
    await this.#connection?.close();
    await this.#linkEnded;
  }

  /** Lets what was received be answered, and the answers reach the server. */
  async #drain(): Promise<void> {
    await Promise.all([...this.#served].map((served) => served.detach()));
    await this.#running.idle();
    // What the last handlers answered still waits for the end of its turn.
    this.#answers.flush();
    const connection = this.#connection;
    if (connection?.isClosed() === false) await Promise.race([connection.flush(), connection.closed()]);
  }
}

/** How long `close` waits for handlers and for the server. */
const DRAIN_MS_MAX = 5_000;

/** NATS' default (max_payload), until a server has told its own. */
const FRAME_BYTES_MAX_DEFAULT = 1_048_576;

/** As long as the names that the library makes: nobody guesses it. */
const INBOX_NAME_LENGTH = 24;

/** The status in the header of the server's message that nobody listens. */
const NO_RESPONDERS = 503;
