import { AppError, abortReason } from '@volplane/base';

/**
 * Turns callbacks into an async iteration for one slow or fast consumer. Bounded: a consumer that falls too far behind gets
 * OVERLOADED and watches anew, instead of growing the memory of the process.
 */
export class ChangeFeed<T> implements AsyncIterable<T> {
  readonly #signal: AbortSignal;
  #items: T[] = [];
  #overflowed = false;
  #wake: () => void = () => undefined;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener('abort', () => {
      this.#wake();
    });
  }

  push(item: T): void {
    if (this.#items.length >= ITEMS_MAX) this.#overflowed = true;
    else this.#items.push(item);
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<T> {
    for (;;) {
      const items = this.#items;
      this.#items = [];
      yield* items;
      if (this.#signal.aborted) throw abortReason(this.#signal);
      if (this.#overflowed)
        throw new AppError('OVERLOADED', `the watcher is more than ${String(ITEMS_MAX)} changes behind; watch anew`, {});
      if (this.#items.length > 0) continue;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

/** About 100 MB of views at worst; a consumer this far behind is better off with a new list. */
const ITEMS_MAX = 100_000;
