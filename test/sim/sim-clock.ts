import type { Clock } from '@volplane/base';

interface Timer {
  readonly dueMs: number;
  readonly order: number;
  readonly callback: () => void;
  cancelled: boolean;
}

/** Virtual time of the whole world: a heap of timers; nothing happens between two of them. */
export class SimTime {
  #nowMs = 0;
  #order = 0;
  readonly #heap: Timer[] = [];

  get nowMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, callback: () => void): () => void {
    this.#order += 1;
    const timer: Timer = { dueMs: this.#nowMs + Math.max(0, delayMs), order: this.#order, callback, cancelled: false };
    this.#push(timer);
    return () => {
      timer.cancelled = true;
    };
  }

  /** Runs the next timer and every promise that it makes ready. @returns false when nothing is due until `untilMs` */
  async step(untilMs: number): Promise<boolean> {
    for (;;) {
      const next = this.#heap[0];
      if (next === undefined || next.dueMs > untilMs) {
        this.#nowMs = untilMs;
        return false;
      }
      this.#pop();
      if (next.cancelled) continue;
      this.#nowMs = next.dueMs;
      next.callback();
      await settled();
      return true;
    }
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(timer);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(timer, heap[parent])) break;
      heap[index] = heap[parent] ?? timer;
      index = parent;
    }
    heap[index] = timer;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      const right = heap[child + 1];
      if (right !== undefined && isBefore(right, heap[child])) child += 1;
      const smaller = heap[child];
      if (smaller === undefined || !isBefore(smaller, last)) break;
      heap[index] = smaller;
      index = child;
    }
    heap[index] = last;
  }
}

function isBefore(one: Timer, other: Timer | undefined): boolean {
  return other === undefined || one.dueMs < other.dueMs || (one.dueMs === other.dueMs && one.order < other.order);
}

/** After every promise job that is ready now, and those that they make ready. */
export function settled(): Promise<void> {
  // eslint-disable-next-line no-restricted-syntax -- a turn of the event loop, not time: virtual time stands still in it
  return new Promise((resolve) => setImmediate(resolve));
}

/** The time of what is no process of ours: the store and the bus. */
export function trueClock(time: SimTime): Clock {
  return {
    wallMs: () => WALL_MS + time.nowMs,
    monotonicMs: () => time.nowMs,
    after: (delayMs, callback) => time.after(delayMs, callback),
    soon: (callback) => {
      queueMicrotask(callback);
    },
  };
}

/**
 * The clock of one process on one machine: runs at its machine's rate, stands still for the process while it is stopped
 * (SIGSTOP), and never fires again once it is killed.
 */
export class ProcessClock implements Clock {
  readonly #time: SimTime;
  readonly #rate: number;
  #state: 'runs' | 'stopped' | 'killed' = 'runs';
  #late: (() => void)[] = [];

  /** @param rate - of the machine's clock against true time: 1.002 is two thousandths fast */
  constructor(time: SimTime, rate: number) {
    this.#time = time;
    this.#rate = rate;
  }

  wallMs(): number {
    return WALL_MS + this.monotonicMs();
  }

  monotonicMs(): number {
    return this.#time.nowMs * this.#rate;
  }

  /** As timers of Node.js: whole milliseconds, at least one. They may fire a hair before their moment. */
  after(delayMs: number, callback: () => void): () => void {
    return this.exactlyAfter(Math.max(1, Math.trunc(delayMs)), callback);
  }

  /** For what surrounds the process, and takes its time without a timer of its own. */
  exactlyAfter(delayMs: number, callback: () => void): () => void {
    let cancelled = false;
    const fire = (): void => {
      if (cancelled || this.#state === 'killed') return;
      if (this.#state === 'stopped') this.#late.push(fire);
      else callback();
    };
    const cancel = this.#time.after(delayMs / this.#rate, fire);
    return () => {
      cancelled = true;
      cancel();
    };
  }

  /** Within the same moment of virtual time; not any more once the process is killed. */
  soon(callback: () => void): void {
    queueMicrotask(() => {
      this.deliver(callback);
    });
  }

  /** Runs `callback` as soon as the process runs: now, or when it goes on. For what the outside hands to it. */
  deliver(callback: () => void): void {
    if (this.#state === 'runs') callback();
    else if (this.#state === 'stopped') this.#late.push(callback);
  }

  kill(): void {
    this.#state = 'killed';
    this.#late = [];
  }

  stop(): void {
    if (this.#state === 'runs') this.#state = 'stopped';
  }

  /** What fell due meanwhile runs at once, in order. */
  go(): void {
    if (this.#state !== 'stopped') return;
    this.#state = 'runs';
    const late = this.#late;
    this.#late = [];
    for (const callback of late) this.#time.after(0, callback);
  }

  get stopped(): boolean {
    return this.#state === 'stopped';
  }

  get killed(): boolean {
    return this.#state === 'killed';
  }
}

/** Some day. */
const WALL_MS = 1_800_000_000_000;
