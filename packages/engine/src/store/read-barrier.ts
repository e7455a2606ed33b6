import { SharedWork, type Clock } from '@volplane/base';
import type { KvStore } from '@volplane/ports';

/**
 * Makes reads of a watch-fed cache linearizable: one question for the store's revision serves every reader that waits,
 * and each reader goes on when the cache has reached the answer.
 */
export class ReadBarrier {
  readonly #question: SharedWork<number>;
  readonly #clock: Clock;
  #waiters: Waiter[] = [];

  constructor(kv: KvStore, clock: Clock) {
    this.#question = new SharedWork(() => kv.currentRevision());
    this.#clock = clock;
  }

  /**
   * @param isBack - called when the store's revision is one that this process has left behind: it was put back to an earlier state
   * @returns false when the cache did not reach the store's revision within {@link CATCH_UP_MS}
   */
  async pass(reached: () => number, isBack: (revision: number) => never): Promise<boolean> {
    const known = reached();
    const revision = await this.#question.run();
    if (revision < known) isBack(revision);
    if (reached() >= revision) return true;
    return await new Promise((resolve) => {
      const cancel = this.#clock.after(CATCH_UP_MS, () => {
        this.#waiters = this.#waiters.filter((waiter) => waiter.resolve !== resolve);
        resolve(false);
      });
      this.#waiters.push({ revision, resolve, cancel });
    });
  }

  /** The cache has reached `revision`. */
  advanced(revision: number): void {
    if (this.#waiters.length === 0) return;
    const still: Waiter[] = [];
    for (const waiter of this.#waiters) {
      if (waiter.revision > revision) still.push(waiter);
      else {
        waiter.cancel();
        waiter.resolve(true);
      }
    }
    this.#waiters = still;
  }
}

interface Waiter {
  readonly revision: number;
  readonly resolve: (reached: boolean) => void;
  readonly cancel: () => void;
}

/** A watch is milliseconds behind; one that is this far behind is passed by with a direct read. */
const CATCH_UP_MS = 250;
