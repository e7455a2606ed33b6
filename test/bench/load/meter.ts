import { systemClock } from '@volplane/base';
import type { JobResult } from './job.js';

/** Counts operations that end inside of one measurement. */
export class Meter {
  readonly #fromMs: number;
  readonly #untilMs: number;
  readonly #latenciesMs: number[] = [];
  #operations = 0;
  #operationsInAll = 0;
  #lastMs: number;

  constructor(warmupMs: number, measureMs: number) {
    this.#fromMs = systemClock.monotonicMs() + warmupMs;
    this.#untilMs = this.#fromMs + measureMs;
    this.#lastMs = this.#fromMs;
  }

  get over(): boolean {
    return systemClock.monotonicMs() >= this.#untilMs;
  }

  /** Runs one operation after the other for every caller until the time is over, or `once` says false: there is no more. */
  async drive(callers: number, once: (caller: number) => Promise<boolean>): Promise<void> {
    const caller = async (index: number): Promise<void> => {
      while (!this.over) {
        const beganMs = systemClock.monotonicMs();
        // The next operation of a caller begins when the one before has ended: a closed loop.
        if (!(await once(index))) return;
        this.count(1, systemClock.monotonicMs() - beganMs);
      }
    };
    await Promise.all(Array.from({ length: callers }, (_, index) => caller(index)));
  }

  count(operations: number, latencyMs?: number): void {
    const nowMs = systemClock.monotonicMs();
    this.#operationsInAll += operations;
    if (nowMs < this.#fromMs || nowMs > this.#untilMs) return;
    this.#operations += operations;
    this.#lastMs = nowMs;
    if (latencyMs !== undefined) this.#latenciesMs.push(latencyMs);
  }

  result(): Omit<JobResult, 'workload' | 'callers' | 'cpuMicros' | 'phaseMs'> {
    // What ran out of work ended early: its time is that until its last operation.
    const seconds = (this.over ? this.#untilMs - this.#fromMs : this.#lastMs - this.#fromMs) / 1_000;
    const sorted = this.#latenciesMs.sort((a, b) => a - b);
    const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
    return {
      perSecond: seconds > 0 ? this.#operations / seconds : 0,
      operations: this.#operations,
      operationsInAll: this.#operationsInAll,
      ...(sorted.length === 0 ? {} : { p50Ms: at(0.5), p99Ms: at(0.99) }),
    };
  }
}
