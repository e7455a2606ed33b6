import { AppError } from './errors.js';

/**
 * Runs work of one key one at a time and in order; work of different keys runs side by side.
 *
 * Bounded: at most `waitersMax` wait for one key, the next is refused with OVERLOADED.
 */
export class KeyedQueue {
  readonly #waitersMax: number;
  /** Of each key with work that runs: who waits behind it, in order. */
  readonly #waiting = new Map<string, (() => void)[]>();

  constructor(options: { readonly waitersMax: number }) {
    this.#waitersMax = options.waitersMax;
  }

  /** The number of keys with work running or waiting. */
  get size(): number {
    return this.#waiting.size;
  }

  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#waiting.get(key);
    if (before === undefined) this.#waiting.set(key, []);
    else await this.#turn(key, before);
    try {
      return await work();
    } finally {
      const next = this.#waiting.get(key)?.shift();
      // The key stays taken for the next one, so nobody who comes now overtakes him.
      if (next === undefined) this.#waiting.delete(key);
      else next();
    }
  }

  #turn(key: string, waiting: (() => void)[]): Promise<void> {
    const calls = waiting.length + 1;
    if (calls >= this.#waitersMax) {
      throw new AppError('OVERLOADED', `${String(calls)} calls already wait for ${key}`, { key, retryDelayMs: '1000' });
    }
    return new Promise((resolve) => {
      waiting.push(resolve);
    });
  }
}
