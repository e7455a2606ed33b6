import { whenAborted } from './abort.js';
import { AppError } from './errors.js';

/**
 * Time, the only way to it. The simulation supplies a clock of its own.
 *
 * `wallMs` is for people (timestamps in documents); every duration and deadline uses `monotonicMs`.
 */
export interface Clock {
  /** Milliseconds since the Unix epoch; may jump. */
  wallMs(): number;
  /** Milliseconds since an arbitrary moment of this process; never goes back, not comparable across processes. */
  monotonicMs(): number;
  /** Calls `callback` once after `delayMs`; the returned function cancels it and may be called at any time. */
  after(delayMs: number, callback: () => void): () => void;
  /**
   * Calls `callback` once, after everything that has come in with this turn of the event loop was handled: what many callers began
   * together can then be done together. Adds no waiting to speak of where nothing else comes in.
   */
  soon(callback: () => void): void;
}

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    return () => {
      clearTimeout(timer);
    };
  },
  soon: (callback) => {
    setImmediate(callback);
  },
};

/**
 * Resolves after `delayMs`.
 *
 * Takes several signals, so that nobody makes one of them with `AbortSignal.any`: a long-lived signal keeps a trace of each that was
 * made from it, for ever (Node 20.20: 65 bytes).
 * @throws the AppError (see {@link abortReason}) of the signal that fires first
 */
export function sleep(clock: Clock, delayMs: number, ...signals: readonly (AbortSignal | undefined)[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const given = signals.filter((signal) => signal !== undefined);
    const fired = given.find((signal) => signal.aborted);
    if (fired !== undefined) {
      reject(abortReason(fired));
      return;
    }
    const end = (finish: () => void): void => {
      cancel();
      for (const forget of forgets) forget();
      finish();
    };
    const cancel = clock.after(delayMs, () => {
      end(resolve);
    });
    const forgets = given.map((signal) =>
      whenAborted(signal, () => {
        end(() => {
          reject(abortReason(signal));
        });
      }),
    );
  });
}

/** Settles as `work` does, or rejects with `onTimeout()` after `timeoutMs`, or with the signal's reason. `work` itself goes on. */
export function withTimeout<T>(
  clock: Clock,
  work: Promise<T>,
  options: { readonly timeoutMs: number; readonly onTimeout: () => Error; readonly signal?: AbortSignal | undefined },
): Promise<T> {
  const { timeoutMs, onTimeout, signal } = options;
  return new Promise((resolve, reject) => {
    let forget: (() => void) | undefined;
    const settle = (finish: () => void): void => {
      cancel();
      forget?.();
      finish();
    };
    const onAbort = (): void => {
      settle(() => {
        reject(abortReason(signal));
      });
    };
    const cancel = clock.after(timeoutMs, () => {
      settle(() => {
        reject(onTimeout());
      });
    });
    if (signal?.aborted === true) onAbort();
    else if (signal !== undefined) forget = whenAborted(signal, onAbort);
    work.then(
      (value) => {
        settle(() => {
          resolve(value);
        });
      },
      (error: unknown) => {
        settle(() => {
          reject(error);
        });
      },
    );
  });
}

/** The AppError that a fired signal stands for: its own reason when that is one, else CANCELLED. */
export function abortReason(signal: AbortSignal | undefined): AppError {
  const reason: unknown = signal?.reason;
  return reason instanceof AppError ? reason : new AppError('CANCELLED', 'the call was cancelled before it was answered');
}
