import { abortReason, AppError, assert, hasReason, withTimeout, type Clock, type Logger } from '@volplane/base';
import {
  BUS_LIMITS,
  BUS_SUBJECT,
  type Bus,
  type BusFallback,
  type BusHandler,
  type BusRequestOptions,
  type BusSubscription,
} from '@volplane/ports';

/** One process on a simulated bus; `MemoryBusNetwork` opens it and carries its messages. */
export class MemoryBus implements Bus {
  readonly name: string;
  readonly payloadBytesMax: number;
  readonly #wire: MemoryBusWire;
  readonly #listeners = new Set<MemoryBusListener>();
  readonly #pending = new Map<number, PendingRequest>();
  readonly #running = new Set<Promise<void>>();
  #tokens = 0;
  #state: 'open' | 'closing' | 'closed' | 'crashed' = 'open';

  constructor(name: string, wire: MemoryBusWire) {
    this.name = name;
    this.payloadBytesMax = wire.payloadBytesMax;
    this.#wire = wire;
  }

  get connected(): boolean {
    return this.#is('open', 'closing') && this.#wire.isUp(this.name);
  }

  async request(subject: string, payload: unknown, options: BusRequestOptions): Promise<unknown> {
    assert(BUS_SUBJECT.test(subject), 'a request goes to a subject without wildcards');
    if (this.#is('crashed')) return await never();
    const text = encode(payload, subject, this.payloadBytesMax);
    if (options.signal?.aborted === true) throw abortReason(options.signal);
    if (!this.#is('open')) throw unavailable(subject, 'the bus is closed');
    if (!this.connected) throw unavailable(subject, 'the bus is down');
    if (this.#pending.size >= BUS_LIMITS.requestsPending) {
      throw new AppError('OVERLOADED', `too many requests wait for answers; ${subject} was not asked`, { subject });
    }
    this.#tokens += 1;
    const token = this.#tokens;
    const answer = new Promise<unknown>((resolve, reject) => {
      this.#pending.set(token, { subject, resolve, reject });
    });
    try {
      if (!this.#wire.send({ from: this, token, subject, text })) throw unavailable(subject, 'nobody listens');
      return await this.#wait(answer, subject, options);
    } finally {
      this.#pending.delete(token);
    }
  }

  serve(subject: string, group: string | undefined, handler: BusHandler, onTooLarge?: BusFallback): BusSubscription {
    assert(BUS_SUBJECT.test(subject), 'a subject that is served has no wildcards');
    const listener: MemoryBusListener = { bus: this, subject, group, handler, onTooLarge, running: 0 };
    if (this.#is('open')) this.#listeners.add(listener);
    return {
      close: () => {
        this.#listeners.delete(listener);
        return Promise.resolve();
      },
    };
  }

  async close(): Promise<void> {
    if (!this.#is('open')) return;
    this.#state = 'closing';
    this.#listeners.clear();
    try {
      const onTimeout = (): Error => new Error('handlers still run');
      await withTimeout(this.#wire.clock, Promise.all(this.#running), { timeoutMs: DRAIN_MS_MAX, onTimeout });
    } catch (error) {
      this.#wire.log.warn('bus closed without waiting longer', { endpoint: this.name, error });
    }
    if (this.#is('crashed')) return;
    this.#state = 'closed';
    this.#wire.leave(this);
    this.lose('the bus was closed');
  }

  /** For the network: those who serve `subject` here. */
  listenersOf(subject: string): MemoryBusListener[] {
    return [...this.#listeners].filter((listener) => listener.subject === subject);
  }

  /** For the network: the process is gone. What it still runs hears nothing and reaches nobody. */
  crash(): void {
    this.#state = 'crashed';
    this.#listeners.clear();
    this.#pending.clear();
  }

  /** For the network: the connection broke; whoever waits for an answer cannot know any more. */
  lose(why: string): void {
    for (const request of this.#pending.values()) request.reject(unknownOutcome(request.subject, why));
    this.#pending.clear();
  }

  /** For the network: a request arrives; `reply` takes the JSON of the answer. */
  receive(listener: MemoryBusListener, text: string, reply: (text: string) => void): void {
    if (listener.running >= BUS_LIMITS.handlersRunning) {
      this.#wire.log.warn('bus request dropped, too many handlers run', { endpoint: this.name, subject: listener.subject });
      return;
    }
    listener.running += 1;
    const run = async (): Promise<void> => {
      try {
        const request: unknown = JSON.parse(text);
        const answer = await listener.handler(request);
        if (this.#is('open', 'closing')) reply(this.#encodeAnswer(answer, request, listener));
      } catch (error) {
        this.#wire.log.error('bus handler failed', { endpoint: this.name, subject: listener.subject, error });
      } finally {
        listener.running -= 1;
        this.#running.delete(running);
      }
    };
    const running = run();
    this.#running.add(running);
  }

  /** For the network: an answer arrives; the second and the late ones find nobody. */
  settle(token: number, text: string): void {
    this.#pending.get(token)?.resolve(JSON.parse(text));
  }

  #encodeAnswer(answer: unknown, request: unknown, { subject, onTooLarge }: MemoryBusListener): string {
    try {
      return encode(answer, subject, this.payloadBytesMax);
    } catch (error) {
      if (onTooLarge === undefined || !hasReason(error, 'TOO_LARGE')) throw error;
      return encode(onTooLarge(error, request), subject, this.payloadBytesMax);
    }
  }

  async #wait(answer: Promise<unknown>, subject: string, options: BusRequestOptions): Promise<unknown> {
    const { timeoutMs, signal } = options;
    const onTimeout = (): Error => unknownOutcome(subject, `no answer came in ${String(timeoutMs)} ms`);
    try {
      return await withTimeout(this.#wire.clock, answer, { timeoutMs, signal, onTimeout });
    } catch (error) {
      if (this.#is('crashed')) return await never();
      throw error;
    }
  }

  #is(...states: readonly ('open' | 'closing' | 'closed' | 'crashed')[]): boolean {
    return states.includes(this.#state);
  }
}

/** What carries the messages of a {@link MemoryBus}. */
export interface MemoryBusWire {
  readonly clock: Clock;
  readonly log: Logger;
  readonly payloadBytesMax: number;
  isUp(name: string): boolean;
  /** False when nobody listens: nothing was sent. */
  send(request: MemoryBusRequest): boolean;
  leave(bus: MemoryBus): void;
}

export interface MemoryBusRequest {
  readonly from: MemoryBus;
  readonly token: number;
  readonly subject: string;
  readonly text: string;
}

export interface MemoryBusListener {
  readonly bus: MemoryBus;
  readonly subject: string;
  readonly group: string | undefined;
  readonly handler: BusHandler;
  readonly onTooLarge: BusFallback | undefined;
  running: number;
}

interface PendingRequest {
  readonly subject: string;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** How long `close` waits for running handlers. */
const DRAIN_MS_MAX = 5_000;

/** What a dead process waits for; each time anew, because what waits for a promise that all share is never collected. */
function never(): Promise<never> {
  return new Promise(() => undefined);
}

function encode(payload: unknown, subject: string, bytesMax: number): string {
  const text = JSON.stringify(payload ?? null);
  const bytes = Buffer.byteLength(text);
  if (bytes > bytesMax) {
    throw new AppError('TOO_LARGE', `a message for ${subject} has ${String(bytes)} bytes, the bus takes ${String(bytesMax)}`, { subject });
  }
  return text;
}

function unavailable(subject: string, why: string): AppError {
  return new AppError('NODE_UNAVAILABLE', `${subject} was not asked: ${why}`, { subject });
}

function unknownOutcome(subject: string, why: string): AppError {
  return new AppError('UNKNOWN_OUTCOME', `${subject} was asked and ${why}`, { subject });
}
