import type { AppError } from '@volplane/base';

/**
 * The bus between managers and agents: requests with one answer, nothing else. A message may be lost, doubled, late or
 * out of order; whoever uses it relies on operation ids, epochs and seqs, never on the bus.
 *
 * Payloads are JSON values, `undefined` counts as null; wire/messages.ts says which. The proof of an implementation is `busContract` in testkit.
 */
export interface Bus {
  /**
   * Sends `payload` to one listener of `subject` and waits for its answer. Listeners without a group all get it; the
   * first answer counts.
   *
   * @throws AppError NODE_UNAVAILABLE when nobody listens or the bus is down or closed before sending, OVERLOADED when
   * too many requests wait, TOO_LARGE (all three: nothing was begun); UNKNOWN_OUTCOME when no answer came in `timeoutMs`
   * or the bus went down meanwhile; the signal's reason
   */
  request(subject: string, payload: unknown, options: BusRequestOptions): Promise<unknown>;

  /**
   * Answers requests on `subject`. Listeners of one `group` share its requests: each goes to one of them.
   *
   * What `handler` rejects with is logged and answered with nothing: handlers turn failures into replies themselves.
   * An answer that is too large is a handler that rejects, unless `onTooLarge` says what is answered instead.
   * At most {@link BUS_LIMITS}.handlersRunning run at a time; further requests are dropped, their callers time out.
   * While the bus is down it stays, and serves again when the bus is back.
   */
  serve(subject: string, group: string | undefined, handler: BusHandler, onTooLarge?: BusFallback): BusSubscription;

  /** Bytes that one message may have, as the bus allows now. */
  readonly payloadBytesMax: number;

  /** True while connected, as far as the client can know. */
  readonly connected: boolean;

  /** Stops every subscription, lets running handlers answer for a bounded time, and disconnects. */
  close(): Promise<void>;
}

export const BUS_LIMITS = {
  /** Handlers of one subscription that run at once. */
  handlersRunning: 4_096,
  /** Requests of one process that wait for their answer. */
  requestsPending: 16_384,
} as const;

/** What a subject looks like: words joined by dots, without the wildcards and the white space that have a meaning to a bus. */
export const BUS_SUBJECT = /^[^\s.*>]+(\.[^\s.*>]+)*$/;

export interface BusRequestOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

export type BusHandler = (payload: unknown) => Promise<unknown>;

/** What is answered to `payload` instead of an answer that is too large. What it throws is a handler that rejects. */
export type BusFallback = (error: AppError, payload: unknown) => unknown;

export interface BusSubscription {
  /** No new requests after it resolves; running handlers end in their own time. */
  close(): Promise<void>;
}
