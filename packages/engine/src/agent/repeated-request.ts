import { isUnknownOutcome, type Clock } from '@volplane/base';

/**
 * Sends a request again when its answer is late, and takes the first answer. A manager that is killed with a request in its hands answers
 * nothing, and the bus does not tell; without this a caller would wait for the whole of its time. Only for requests that may be
 * doubled, which the bus may do anyway.
 *
 * @param send - one sending that ends within `timeoutMs`
 * @throws what the sendings end with when none is answered: an unknown outcome if any is one
 */
export function repeatedRequest(
  clock: Clock,
  timeoutMs: number,
  send: (timeoutMs: number) => Promise<unknown>,
  againAfterMs: readonly number[] = AGAIN_AFTER_MS,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    let pending = 0;
    let unknown: Error | undefined;
    const settle = (finish: () => void): void => {
      for (const cancel of repetitions) cancel();
      finish();
    };
    const sendOnce = (leftMs: number): void => {
      pending += 1;
      send(leftMs).then(
        (answer) => {
          settle(() => {
            resolve(answer);
          });
        },
        (error: unknown) => {
          pending -= 1;
          if (isUnknownOutcome(error)) unknown ??= error as Error;
          if (pending > 0) return;
          settle(() => {
            reject(unknown ?? (error as Error));
          });
        },
      );
    };
    const repetitions = againAfterMs
      .filter((delayMs) => delayMs < timeoutMs)
      .map((delayMs) =>
        clock.after(delayMs, () => {
          sendOnce(timeoutMs - delayMs);
        }),
      );
    sendOnce(timeoutMs);
  });
}

/** Well above what a manager takes, well below what a caller notices; the last one is for two managers that are killed together. */
const AGAIN_AFTER_MS: readonly number[] = [500, 2_000];
