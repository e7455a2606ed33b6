import { abortReason, AppError, errorText, withTimeout } from '@volplane/base';
import { noop } from 'cockatiel';
import { Etcd3 } from 'etcd3';
import { fateOf, type Fate } from './fate.js';
import type { EtcdSettings } from './options.js';

/** One member's address and the client that talks to it alone. */
export interface Endpoint {
  readonly url: string;
  readonly client: Etcd3;
}

export interface EtcdRequest<T> {
  /** The request in words, for errors: "reading key /a". */
  readonly what: string;
  /**
   * What doing it twice would do: `read` changes nothing; `repeatable` ends in the same state; `once` must not be sent
   * again unless it certainly was not sent.
   */
  readonly effect: 'read' | 'repeatable' | 'once';
  run(endpoint: Endpoint, options: { readonly deadline: number }): Promise<T>;
  /** The error to throw for a refusal (with `read`: for any error) that means something to the caller. */
  readonly translate?: (text: string) => Error | undefined;
}

/**
 * The members of the cluster and the one that is in use.
 *
 * Every member has a client of its own with etcd3's retries and circuit breakers off: those would send a transaction
 * again after an unclear answer. A call moves on to the next member when the present one fails and it is safe to repeat.
 */
export class Endpoints {
  readonly #settings: EtcdSettings;
  readonly #endpoints: readonly Endpoint[];
  readonly #leaveListeners = new Set<(left: Endpoint) => void>();
  readonly #running = new Set<Promise<unknown>>();
  #index: number;
  #closed = false;

  constructor(settings: EtcdSettings) {
    this.#settings = settings;
    this.#endpoints = settings.endpoints.map((url) => ({ url, client: openClient(url, settings) }));
    // Managers spread over the members.
    this.#index = Math.floor(settings.random.float() * this.#endpoints.length);
  }

  get current(): Endpoint {
    const endpoint = this.#endpoints[this.#index];
    if (endpoint === undefined) throw new Error('there is an endpoint in use');
    return endpoint;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Does one request within the time of a call, at one member after the other while that is safe.
   *
   * @throws AppError STORE_UNAVAILABLE when nothing was changed, UNKNOWN_OUTCOME when that cannot be told, the signal's
   *   reason when it fires, or what `translate` makes of the error
   */
  async call<T>(request: EtcdRequest<T>, signal?: AbortSignal): Promise<T> {
    const endsAtMs = this.#settings.clock.monotonicMs() + this.#settings.callTimeoutMs;
    let fate: Fate = 'not-sent';
    for (let attempt = 1; ; attempt += 1) {
      const endpoint = this.current;
      try {
        // One member after the other: the next one is asked only because this one failed.
        return await this.#attempt(endpoint, request, endsAtMs, signal);
      } catch (error) {
        // The signal's reason, or a word of our own: nothing to read from it.
        if (error instanceof AppError) throw error;
        const now = fateOf(error);
        const translated = now === 'refused' || request.effect === 'read' ? request.translate?.(errorText(error)) : undefined;
        if (translated !== undefined) throw translated;
        if (now === 'unknown') fate = 'unknown';
        if (now !== 'refused') this.leave(endpoint);
        const mayRepeat = now === 'not-sent' || (now === 'unknown' && request.effect !== 'once');
        if (mayRepeat && !this.#closed && attempt <= this.#endpoints.length && this.#settings.clock.monotonicMs() < endsAtMs) continue;
        throw requestFailure({ request, endpoint, fate, error });
      }
    }
  }

  /** Does a request that changes nothing at this member, once. @throws AppError STORE_UNAVAILABLE */
  async readAt<T>(endpoint: Endpoint, what: string, run: EtcdRequest<T>['run']): Promise<T> {
    const request: EtcdRequest<T> = { what, effect: 'read', run };
    const endsAtMs = this.#settings.clock.monotonicMs() + this.#settings.callTimeoutMs;
    try {
      return await this.#attempt(endpoint, request, endsAtMs);
    } catch (error) {
      throw requestFailure({ request, endpoint, fate: fateOf(error), error });
    }
  }

  /** Moves on to the next member, when `failed` is the one in use. */
  leave(failed: Endpoint): void {
    if (this.#endpoints.length === 1 || this.current !== failed) return;
    this.#index = (this.#index + 1) % this.#endpoints.length;
    this.#settings.log.info('etcd endpoint left', { left: failed.url, next: this.current.url });
    for (const listener of [...this.#leaveListeners]) listener(failed);
  }

  /** Calls `listener` with each member that was left because it failed. Returns the way to stop that. */
  onLeave(listener: (left: Endpoint) => void): () => void {
    this.#leaveListeners.add(listener);
    return () => {
      this.#leaveListeners.delete(listener);
    };
  }

  /** Waits for what is running, at most for the time of a call, and closes the connections. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled([...this.#running]);
    for (const { client } of this.#endpoints) client.close();
  }

  async #attempt<T>(endpoint: Endpoint, request: EtcdRequest<T>, endsAtMs: number, signal?: AbortSignal): Promise<T> {
    if (signal?.aborted === true) throw abortReason(signal);
    const { clock, callTimeoutMs } = this.#settings;
    if (this.#closed) throw new AppError('STORE_UNAVAILABLE', `${request.what}: the connection to etcd was closed here`);
    const timeoutMs = Math.max(1, endsAtMs - clock.monotonicMs());
    const work = request.run(endpoint, { deadline: clock.wallMs() + timeoutMs });
    const settled: Promise<unknown> = work.then(
      () => this.#running.delete(settled),
      () => this.#running.delete(settled),
    );
    this.#running.add(settled);
    return await withTimeout(clock, work, {
      timeoutMs,
      onTimeout: () => new Error(`no answer within ${String(callTimeoutMs)} ms`),
      signal,
    });
  }
}

function requestFailure({
  request,
  endpoint,
  fate,
  error,
}: {
  readonly request: EtcdRequest<unknown>;
  readonly endpoint: Endpoint;
  readonly fate: Fate;
  readonly error: unknown;
}): AppError {
  if (error instanceof AppError) return error;
  const fields = { endpoint: endpoint.url };
  if (fate === 'unknown' && request.effect !== 'read') {
    return new AppError('UNKNOWN_OUTCOME', `${request.what}: etcd gave no clear answer, it may or may not have happened`, fields, error);
  }
  if (errorText(error).includes('request is too large')) {
    return new AppError('TOO_LARGE', `${request.what}: the request is above etcd's limit (--max-request-bytes)`, fields, error);
  }
  return new AppError('STORE_UNAVAILABLE', `${request.what}: etcd cannot do it now; nothing was changed`, fields, error);
}

function openClient(url: string, { auth, tls, clock, callTimeoutMs }: EtcdSettings): Etcd3 {
  return new Etcd3({
    hosts: url,
    ...(tls === undefined ? {} : { credentials: tls }),
    ...(auth === undefined ? {} : { auth: { ...auth, callOptions: () => ({ deadline: clock.wallMs() + callTimeoutMs }) } }),
    faultHandling: { host: () => noop, global: noop },
    grpcOptions: GRPC_OPTIONS,
  });
}

const GRPC_OPTIONS = {
  // A silent connection is found within 15 s; etcd takes a ping each 5 s at most (--grpc-keepalive-min-time).
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5_000,
  // The default grows to 120 s, far too long for a member that restarts.
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
  // grpc-js's own default, named because pages and watches are cut to it.
  'grpc.max_receive_message_length': 4 * 1024 * 1024,
};
