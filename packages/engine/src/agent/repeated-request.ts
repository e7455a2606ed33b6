import { isUnknownOutcome, type Clock } from '@volplane/base';

/**
 * Sends a request again when its answer is late, and takes the first answer. A manager that is killed with a request in its hands answers
 * nothing, and the bus does not tell; without this a caller would wait for the whole of its time. Only for requests that may be
 * doubled, which the bus may do anyway.
 *
 * Late is measured against what answers take: where everything is slow, sending again would only make it slower still.
 */
export class RepeatedRequests {
  readonly #clock: Clock;
  /** What an answer takes, of each kind of request; there are a dozen kinds. */
  readonly #typicalMs = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * @param kind - requests of one kind take about as long as each other
   * @param send - one sending that ends within `timeoutMs`
   * @throws what the sendings end with when none is answered: an unknown outcome if any is one
   */
  run(kind: string, timeoutMs: number, send: (timeoutMs: number) => Promise<unknown>): Promise<unknown> {
    const clock = this.#clock;
    return new Promise((resolve, reject) => {
      let pending = 0;
      let unknown: Error | undefined;
      let lastSentMs = 0;
      const settle = (finish: () => void): void => {
        for (const cancel of repetitions) cancel();
        finish();
      };
      const sendOnce = (leftMs: number): void => {
        pending += 1;
        lastSentMs = clock.monotonicMs();
        send(leftMs).then(
          (answer) => {
            settle(() => {
              // From the last sending: that the first one went to a dead manager says nothing about the living.
              this.#learn(kind, clock.monotonicMs() - lastSentMs);
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
      const repetitions = this.#delaysMs(kind, timeoutMs).map((delayMs) =>
        clock.after(delayMs, () => {
          sendOnce(timeoutMs - delayMs);
        }),
      );
      sendOnce(timeoutMs);
    });
  }

  #delaysMs(kind: string, timeoutMs: number): readonly number[] {
    const lateMs = Math.min(LATE_FACTOR * (this.#typicalMs.get(kind) ?? 0), timeoutMs / 2);
    return AGAIN_AFTER_MS.map((delayMs, index) => Math.max(delayMs, lateMs * (index + 1))).filter((delayMs) => delayMs < timeoutMs);
  }

  #learn(kind: string, ms: number): void {
    const before = this.#typicalMs.get(kind) ?? ms;
    this.#typicalMs.set(kind, before + (ms - before) * LEARNING_RATE);
  }
}

/** Well above what a manager takes, well below what a caller notices; the last one is for two managers that are killed together. */
const AGAIN_AFTER_MS: readonly number[] = [500, 2_000];

/** An answer that takes this many times as long as usual is late. */
const LATE_FACTOR = 4;

/** How much of the typical time each answer makes: some ten of them turn it. */
const LEARNING_RATE = 0.1;
