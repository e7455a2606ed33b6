import { abortReason, AppError, whenAborted, type Clock } from '@volplane/base';
import type { BusRequestOptions } from '@volplane/ports';

/** The same for all requests of a process. */
export interface SettlingOptions {
  readonly clock: Clock;
  /** Called once, when the request is settled. */
  readonly onOver: (request: PendingRequest) => void;
}

/** One request until it is settled: by its answer, a failure, its time-out or its signal, whichever comes first. */
export class PendingRequest {
  readonly subject: string;
  readonly answer: Promise<unknown>;
  /** Once it is sent: its own id, and that of the first request of its message. */
  id: number | undefined;
  firstId: number | undefined;
  readonly #onOver: (request: PendingRequest) => void;
  readonly #cancelTimeout: () => void;
  readonly #forgetSignal: (() => void) | undefined;
  #settlers: Settlers | undefined;

  constructor(subject: string, { timeoutMs, signal }: BusRequestOptions, { clock, onOver }: SettlingOptions) {
    this.subject = subject;
    this.#onOver = onOver;
    this.answer = new Promise((resolve, reject) => {
      this.#settlers = { resolve, reject };
    });
    this.#cancelTimeout = clock.after(timeoutMs, () => {
      this.reject(unknownOutcome(subject, `no answer came in ${String(timeoutMs)} ms`));
    });
    if (signal === undefined) return;
    this.#forgetSignal = whenAborted(signal, () => {
      this.reject(abortReason(signal));
    });
  }

  get isOver(): boolean {
    return this.#settlers === undefined;
  }

  /** A second answer means nothing. */
  resolve(payload: unknown): void {
    this.#end()?.resolve(payload);
  }

  reject(error: AppError): void {
    this.#end()?.reject(error);
  }

  #end(): Settlers | undefined {
    const settlers = this.#settlers;
    if (settlers === undefined) return undefined;
    this.#settlers = undefined;
    this.#cancelTimeout();
    this.#forgetSignal?.();
    this.#onOver(this);
    return settlers;
  }
}

interface Settlers {
  readonly resolve: (payload: unknown) => void;
  readonly reject: (error: AppError) => void;
}

/** @param why - what kept it from being sent */
export function unavailable(subject: string, why: string): AppError {
  return new AppError('NODE_UNAVAILABLE', `${subject} was not asked: ${why}`, { subject });
}

export function unknownOutcome(subject: string, why: string): AppError {
  return new AppError('UNKNOWN_OUTCOME', `${subject} was asked and ${why}`, { subject });
}
