import { sleep, systemClock, type Clock } from '@volplane/base';

/** Time that stands still until a test moves it. Both clocks begin at `startMs` and move together. */
export class ManualClock implements Clock {
  #nowMs: number;
  #order = 0;
  readonly #timers = new Map<number, { readonly dueMs: number; readonly callback: () => void }>();

  constructor(startMs = 1_000_000) {
    this.#nowMs = startMs;
  }

  wallMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, callback: () => void): () => void {
    this.#order += 1;
    const id = this.#order;
    this.#timers.set(id, { dueMs: this.#nowMs + Math.max(0, delayMs), callback });
    return () => {
      this.#timers.delete(id);
    };
  }

  soon(callback: () => void): void {
    queueMicrotask(callback);
  }

  /** The number of timers that wait. */
  get waiting(): number {
    return this.#timers.size;
  }

  /**
   * Moves time by `ms` and runs what falls due, by time and then by order of setting; between two timers, and at the
   * end, whatever promises can run has run.
   */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    await settled();
    for (let next = this.#nextDue(endMs); next !== undefined; next = this.#nextDue(endMs)) {
      this.#timers.delete(next.id);
      this.#nowMs = next.dueMs;
      next.callback();
      // One timer at a time: what it starts may set timers that fall due before the next.
      await settled();
    }
    this.#nowMs = endMs;
  }

  #nextDue(endMs: number): { readonly id: number; readonly dueMs: number; readonly callback: () => void } | undefined {
    let next: { readonly id: number; readonly dueMs: number; readonly callback: () => void } | undefined;
    for (const [id, timer] of this.#timers) {
      if (timer.dueMs <= endMs && (next === undefined || timer.dueMs < next.dueMs)) next = { id, ...timer };
    }
    return next;
  }
}

/** After every promise job that is ready now, and those that they make ready. */
function settled(): Promise<void> {
  return sleep(systemClock, 0);
}
