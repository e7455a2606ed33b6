import { AppError, type Telemetry } from '@volplane/base';
import { SHED_RETRY_DELAY_MS, type CallClass } from '../limits.js';
import { STOPPED } from '../status-map.js';
import type { OpenCall } from './open-call.js';

/** Counts the running calls of each class and refuses what finds no room. Nothing ever waits here. */
export class Admission {
  readonly #max: Readonly<Record<CallClass, number>>;
  readonly #running: Record<CallClass, number> = { release: 0, read: 0, write: 0, batch: 0, watch: 0 };
  readonly #telemetry: Telemetry;
  readonly #calls = new Set<OpenCall>();
  #closed = false;
  #onIdle: (() => void) | undefined;

  constructor(max: Readonly<Record<CallClass, number>>, telemetry: Telemetry) {
    this.#max = max;
    this.#telemetry = telemetry;
  }

  /** @throws AppError OVERLOADED, SHUTTING_DOWN */
  enter(call: OpenCall): void {
    const { callClass } = call;
    this.checkOpen();
    const running = this.#running[callClass];
    if (running >= this.#max[callClass]) {
      this.#telemetry.shed(callClass);
      throw new AppError('OVERLOADED', `${String(running)} ${callClass} calls run already; repeat the call later`, {
        callClass,
        retryDelayMs: String(SHED_RETRY_DELAY_MS),
      });
    }
    this.#running[callClass] = running + 1;
    this.#calls.add(call);
  }

  /** For work that a running call begins late. @throws AppError SHUTTING_DOWN */
  checkOpen(): void {
    if (this.#closed) throw shuttingDown();
  }

  /** Safe to call again. */
  leave(call: OpenCall): void {
    if (!this.#calls.delete(call)) return;
    this.#running[call.callClass] -= 1;
    if (this.#calls.size === 0) this.#onIdle?.();
  }

  /** Calls that run now, for metrics and tests. */
  running(callClass: CallClass): number {
    return this.#running[callClass];
  }

  /** Refuses every further call, and ends those that would last. */
  close(): void {
    this.#closed = true;
    for (const call of this.#calls) {
      if (call.callClass === 'watch') call.end(shuttingDown());
    }
  }

  /** Resolves when no call runs; for one caller at a time, after {@link close}. */
  idle(): Promise<void> {
    if (this.#calls.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onIdle = resolve;
    });
  }

  /** Ends every call that still runs. @returns how many */
  abort(): number {
    const { size } = this.#calls;
    for (const call of this.#calls) call.end(unfinished());
    return size;
  }
}

/** Before anything was begun. */
function shuttingDown(): AppError {
  return new AppError('SHUTTING_DOWN', 'this server is stopping; repeat the call at another one');
}

/** After something may have been begun. */
function unfinished(): AppError {
  return new AppError('UNKNOWN_OUTCOME', 'this server stopped before the call was done; repeat the same call at another one', STOPPED);
}
