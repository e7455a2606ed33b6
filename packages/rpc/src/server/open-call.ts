import { AppError, toFailure, type Clock } from '@volplane/base';
import type { CallContext } from '@volplane/engine';
import type { Admission } from './admission.js';
import { FOREVER_MS, type CallClass } from '../limits.js';

/** What grpc-js tells about a call, whatever its shape. */
export interface CallSurface {
  getDeadline(): Date | number;
  on(event: 'cancelled', listener: () => void): unknown;
}

export interface OpenCallOptions {
  readonly callClass: CallClass;
  readonly admission: Admission;
  readonly clock: Clock;
  /** A later deadline is cut to this. */
  readonly timeoutMsMax: number;
  /** Answers the caller with the failure. Called at most once, and not when the caller is gone. */
  readonly refuse: (error: unknown) => void;
  /** Told once when the call ends; undefined = answered. */
  readonly onEnd: (error: unknown) => void;
}

/**
 * One running call: its place in its class, its deadline, and the signal of whoever works for it. Ends exactly once: answered,
 * refused, given up by the caller, or past its deadline.
 *
 * Its place is free as soon as it ends, even if the work ignores the signal: one driver that hangs must not shut the door
 * for everybody.
 */
export class OpenCall implements CallContext {
  readonly callClass: CallClass;
  readonly timeoutMs: number;
  readonly #options: OpenCallOptions;
  #controller: AbortController | undefined;
  #endedWith: AppError | undefined;
  #ended = false;
  #cancelTimer: (() => void) | undefined;

  /** @throws AppError DEADLINE_MISSING, OVERLOADED, SHUTTING_DOWN */
  constructor(call: CallSurface, options: OpenCallOptions) {
    this.#options = options;
    this.callClass = options.callClass;
    const { clock, timeoutMsMax } = options;
    const deadline = Number(call.getDeadline());
    const leftMs = deadline - clock.wallMs();
    if (deadline === Infinity && options.callClass !== 'watch') {
      throw new AppError('DEADLINE_MISSING', 'the call has no deadline; set one, of at most 10 minutes');
    }
    this.timeoutMs = options.callClass === 'watch' ? Math.min(leftMs, FOREVER_MS) : Math.min(leftMs, timeoutMsMax);
    options.admission.enter(this);
    // Also comes after every answer, and at the deadline, which grpc-js keeps by itself.
    call.on('cancelled', () => {
      if (this.#ended) return;
      const expired = clock.wallMs() >= deadline;
      const reason = expired ? deadlineExceeded() : new AppError('CANCELLED', 'the caller went away before the answer');
      this.#finish(reason, reason);
    });
    if (this.timeoutMs < leftMs && options.callClass !== 'watch') {
      this.#cancelTimer = clock.after(this.timeoutMs, () => {
        this.end(deadlineExceeded());
      });
    }
  }

  /** Made on first use: most reads never look at it. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#ended) this.#controller.abort(this.#endedWith);
    }
    return this.#controller.signal;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** The answer is there. @returns false when nobody waits for it any more */
  answered(): boolean {
    if (this.#ended) return false;
    this.#finish(undefined, undefined);
    return true;
  }

  /** Ends the call with a failure, and the work for it. */
  end(error: unknown): void {
    if (this.#ended) return;
    // Also at a fault of ours: what still works for the call, such as the source of a watch, would go on for ever.
    this.#finish(error instanceof AppError ? error : AppError.fromFailure(toFailure(error)), error);
    this.#options.refuse(error);
  }

  /** @param reason - what the work for the call is told; `error` - how the call ended, undefined = answered */
  #finish(reason: AppError | undefined, error: unknown): void {
    this.#ended = true;
    this.#endedWith = reason;
    this.#cancelTimer?.();
    this.#options.admission.leave(this);
    this.#options.onEnd(error);
    if (reason !== undefined) this.#controller?.abort(reason);
  }
}

function deadlineExceeded(): AppError {
  return new AppError('DEADLINE_EXCEEDED', 'the time of the call ran out, its outcome is unknown; repeat the same call');
}
