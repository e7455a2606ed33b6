import { type Logger } from '@volplane/base';
import { BUS_LIMITS, type BusHandler } from '@volplane/ports';
import type { Msg, NatsConnection, NatsError, Subscription } from 'nats';
import { parseRequestFrame, type RequestFrame } from './frames.js';
import type { RunningHandlers } from './running-handlers.js';

export interface ServedSubjectOptions {
  readonly subject: string;
  readonly group: string | undefined;
  readonly handler: BusHandler;
  readonly log: Logger;
  /** Sends an answer, through whatever connection there is by then. @throws when it never can be sent */
  readonly answer: (replyTo: string, id: number, answer: unknown, request: unknown) => void;
  /** All of the bus, so that it can wait for them when it closes. */
  readonly running: RunningHandlers;
}

/** One subject that this process answers, across connections. */
export class ServedSubject {
  readonly #options: ServedSubjectOptions;
  #attached: { readonly connection: NatsConnection; readonly subscription: Subscription } | undefined;
  #running = 0;
  #dropped = 0;

  constructor(options: ServedSubjectOptions) {
    this.#options = options;
  }

  /** Subscribes on a new connection; the subscription of the former one ended with it. */
  attach(connection: NatsConnection): void {
    const { subject, group } = this.#options;
    const subscription = connection.subscribe(subject, {
      ...(group === undefined ? {} : { queue: group }),
      callback: (error, message) => {
        this.#receive(error, message);
      },
    });
    this.#attached = { connection, subscription };
  }

  /** No new requests after it resolves; what the server had sent already is still handled. */
  async detach(): Promise<void> {
    const attached = this.#attached;
    this.#attached = undefined;
    if (attached === undefined || attached.subscription.isClosed()) return;
    // The library forgets who waits for the server's word when the connection ends.
    await Promise.race([attached.subscription.drain(), attached.connection.closed()]);
  }

  /** Must not throw: that would end the library's reader, and with it the connection, without a word. */
  #receive(error: NatsError | null, message: Msg): void {
    const { subject, log } = this.#options;
    if (error !== null) {
      log.error('nats refused a subscription', { subject, error });
      return;
    }
    const requests = parseRequests(message);
    if (requests === undefined) {
      log.debug('stray message dropped', { subject, bytes: message.data.length });
      return;
    }
    const { replyTo, frame } = requests;
    for (const [index, payload] of frame.payloads.entries()) this.#accept(replyTo, frame.firstId + index, payload);
  }

  /** Each request of a message for itself: they share nothing but the way. */
  #accept(replyTo: string, id: number, payload: unknown): void {
    const { subject, log } = this.#options;
    if (this.#running < BUS_LIMITS.handlersRunning) {
      this.#options.running.track(this.#run(replyTo, id, payload));
      return;
    }
    if (this.#dropped === 0) log.warn('bus requests are dropped, too many handlers run', { subject });
    this.#dropped += 1;
  }

  async #run(replyTo: string, id: number, payload: unknown): Promise<void> {
    const { subject, handler, answer, log } = this.#options;
    this.#running += 1;
    try {
      answer(replyTo, id, await handler(payload), payload);
    } catch (error) {
      log.error('bus handler failed', { subject, error });
    } finally {
      this.#running -= 1;
      this.#reportDropped();
    }
  }

  /** Once for each time of overload, which ends when half of the handlers have. */
  #reportDropped(): void {
    if (this.#dropped === 0 || this.#running > BUS_LIMITS.handlersRunning / 2) return;
    this.#options.log.warn('bus requests were dropped', { subject: this.#options.subject, dropped: this.#dropped });
    this.#dropped = 0;
  }
}

interface Requests {
  readonly replyTo: string;
  readonly frame: RequestFrame;
}

/** Undefined for what no process of ours sends: no frame, or nobody to answer. */
function parseRequests(message: Msg): Requests | undefined {
  try {
    const frame = parseRequestFrame(message.string());
    const replyTo = message.reply;
    return frame === undefined || replyTo === undefined || replyTo === '' ? undefined : { replyTo, frame };
  } catch {
    // Anyone with access to NATS can send anything.
    return undefined;
  }
}
