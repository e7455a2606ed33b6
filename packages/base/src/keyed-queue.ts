import { AppError } from './errors.js';

/**
 * Runs work of one key one at a time and in order; work of different keys runs side by side.
 *
 * Bounded: at most `waitersMax` wait for one key, the next is refused with OVERLOADED.
 */
export class KeyedQueue {
  readonly #waitersMax: number;
  readonly #tails = new Map<string, { tail: Promise<void>; waiters: number }>();

  constructor(options: { readonly waitersMax: number }) {
    this.#waitersMax = options.waitersMax;
  }

  /** The number of keys with work running or waiting. */
  get size(): number {
    return this.#tails.size;
  }

  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const entry = this.#tails.get(key) ?? { tail: Promise.resolve(), waiters: 0 };
    if (entry.waiters >= this.#waitersMax) {
      throw new AppError('OVERLOADED', `${String(entry.waiters)} calls already wait for ${key}`, { key, retryDelayMs: '1000' });
    }
    entry.waiters += 1;
    this.#tails.set(key, entry);
    const before = entry.tail;
    let release = (): void => undefined;
    entry.tail = new Promise((resolve) => {
      release = resolve;
    });
    await before;
    try {
      return await work();
    } finally {
      entry.waiters -= 1;
      if (entry.waiters === 0) this.#tails.delete(key);
      release();
    }
  }
}
