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
};

/**
 * Resolves after `delayMs`.
 *
 * @throws the signal's AppError (see {@link abortReason}) when it fires first
 */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(abortReason(signal));
      return;
    }
    let forget = (): void => undefined;
    const cancel = clock.after(delayMs, () => {
      forget();
      resolve();
    });
    if (signal === undefined) return;
    forget = whenAborted(signal, () => {
      cancel();
      reject(abortReason(signal));
    });
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
