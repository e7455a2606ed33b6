import type { Clock } from '@volplane/base';
import type { KvStore } from '@volplane/ports';

/**
 * Makes reads of a watch-fed cache linearizable: one question for the store's revision serves every reader that waits,
 * and each reader goes on when the cache has reached the answer.
 */
export class ReadBarrier {
  readonly #kv: KvStore;
  readonly #clock: Clock;
  /** The question that readers who come now may share: it is asked after they came. */
  #next: Promise<number> | undefined;
  #asking: Promise<number> | undefined;
  #waiters: Waiter[] = [];

  constructor(kv: KvStore, clock: Clock) {
    this.#kv = kv;
    this.#clock = clock;
  }

  /** @returns false when the cache did not reach the store's revision within {@link CATCH_UP_MS} */
  async pass(reached: () => number, signal?: AbortSignal): Promise<boolean> {
    const revision = await this.#ask();
    signal?.throwIfAborted();
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

  #ask(): Promise<number> {
    if (this.#next !== undefined) return this.#next;
    const before = this.#asking;
    if (before === undefined) return this.#start();
    // A question in flight may have been answered before this reader came; the next one serves it.
    const start = (): Promise<number> => {
      this.#next = undefined;
      return this.#start();
    };
    this.#next = before.then(start, start);
    return this.#next;
  }

  #start(): Promise<number> {
    const asking = this.#kv.currentRevision().finally(() => {
      if (this.#asking === asking) this.#asking = undefined;
    });
    this.#asking = asking;
    return asking;
  }
}

interface Waiter {
  readonly revision: number;
  readonly resolve: (reached: boolean) => void;
  readonly cancel: () => void;
}

/** A watch is milliseconds behind; one that is this far behind is passed by with a direct read. */
const CATCH_UP_MS = 250;
