import { type Logger } from '@volplane/base';
import { BUS_LIMITS, type BusHandler } from '@volplane/ports';
import type { Msg, NatsConnection, NatsError, Subscription } from 'nats';

export interface ServedSubjectOptions {
  readonly subject: string;
  readonly group: string | undefined;
  readonly handler: BusHandler;
  readonly log: Logger;
  /** Sends an answer, through whatever connection there is now. @throws when it cannot be sent */
  readonly answer: (replyTo: string, payload: unknown) => void;
  /** Takes every handler that runs, so that the bus can wait for it when it closes. Never rejects. */
  readonly track: (running: Promise<void>) => void;
}

/** One subject that this process answers, across connections. */
export class ServedSubject {
  readonly #options: ServedSubjectOptions;
  #subscription: Subscription | undefined;
  #running = 0;
  #dropped = 0;

  constructor(options: ServedSubjectOptions) {
    this.#options = options;
  }

  /** Subscribes on a new connection; the subscription of the former one ended with it. */
  attach(connection: NatsConnection): void {
    const { subject, group } = this.#options;
    this.#subscription = connection.subscribe(subject, {
      ...(group === undefined ? {} : { queue: group }),
      callback: (error, message) => {
        this.#receive(error, message);
      },
    });
  }

  /** No new requests after it resolves; what the server had sent already is still handled. */
  async detach(): Promise<void> {
    const subscription = this.#subscription;
    this.#subscription = undefined;
    if (subscription === undefined || subscription.isClosed()) return;
    await subscription.drain();
  }

  /** Must not throw: that would end the library's reader, and with it the connection, without a word. */
  #receive(error: NatsError | null, message: Msg): void {
    const { subject, log } = this.#options;
    if (error !== null) {
      log.error('nats refused a subscription', { subject, error });
      return;
    }
    const request = parseRequest(message);
    if (request === undefined) {
      log.debug('stray message dropped', { subject, bytes: message.data.length });
      return;
    }
    if (this.#running >= BUS_LIMITS.handlersRunning) {
      if (this.#dropped === 0) log.warn('bus requests are dropped, too many handlers run', { subject });
      this.#dropped += 1;
      return;
    }
    this.#options.track(this.#run(request));
  }

  async #run({ replyTo, payload }: Request): Promise<void> {
    const { subject, handler, answer, log } = this.#options;
    this.#running += 1;
    try {
      answer(replyTo, await handler(payload));
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

interface Request {
  readonly replyTo: string;
  readonly payload: unknown;
}

/** Undefined for what no process of ours sends: no JSON, or nobody to answer. */
function parseRequest(message: Msg): Request | undefined {
  try {
    const payload: unknown = JSON.parse(message.string());
    return message.reply === undefined || message.reply === '' ? undefined : { replyTo: message.reply, payload };
  } catch {
    // Anyone with access to NATS can send anything.
    return undefined;
  }
}
