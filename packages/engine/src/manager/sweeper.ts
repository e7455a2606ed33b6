import { AppError, backoffMs, sleep, type Clock, type Logger, type Random, type Service } from '@volplane/base';
import { isSingleNode, rendezvousOwner, type NodeName, type VolumeName } from '@volplane/domain';
import type { ClusterCache } from '../store/cluster-cache.js';
import type { Operations } from './operations.js';

/**
 * Finishes what somebody began: operations whose caller or manager is gone, and volumes whose owner's session has ended.
 *
 * Level-triggered: a signal and the timer lead to the same look at the record. The volumes are divided among the live
 * managers by rendezvous hashing; two managers on one volume are harmless, the compare decides.
 */
export class Sweeper implements Service {
  readonly name = 'sweeper';
  readonly #cache: ClusterCache;
  readonly #operations: Operations;
  readonly #managerId: string;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #log: Logger;
  readonly #retries = new Map<VolumeName, { attempt: number; notBeforeMs: number }>();
  #wake: () => void = () => undefined;

  constructor(parts: {
    readonly cache: ClusterCache;
    readonly operations: Operations;
    readonly managerId: string;
    readonly clock: Clock;
    readonly random: Random;
    readonly log: Logger;
  }) {
    this.#cache = parts.cache;
    this.#operations = parts.operations;
    this.#managerId = parts.managerId;
    this.#clock = parts.clock;
    this.#random = parts.random;
    this.#log = parts.log;
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.#cache.filled;
    const stopListening = this.#cache.listen({
      onSession: () => {
        this.#wake();
      },
      onVolume: (name, record) => {
        if (record === undefined) this.#retries.delete(name);
      },
    });
    try {
      while (!signal.aborted) {
        await this.sweep(signal);
        await this.#rest(signal);
      }
    } finally {
      stopListening();
    }
  }

  /** One look at everything that may need work, bounded in what runs at once. */
  async sweep(signal: AbortSignal): Promise<void> {
    const due = this.#due();
    const workers = Array.from({ length: Math.min(CONCURRENCY, due.length) }, async () => {
      for (let name = due.pop(); name !== undefined && !signal.aborted; name = due.pop()) {
        // One after the other in each of the bounded number of workers.
        await this.#look(name);
      }
    });
    await Promise.all(workers);
  }

  #due(): VolumeName[] {
    const nowMs = this.#clock.monotonicMs();
    const managers = [...this.#cache.managers];
    const due: VolumeName[] = [];
    const consider = (name: VolumeName): void => {
      if ((this.#retries.get(name)?.notBeforeMs ?? 0) > nowMs || this.#operations.isDriving(name)) return;
      if (managers.includes(this.#managerId) && rendezvousOwner(name, managers) !== this.#managerId) return;
      due.push(name);
    };
    for (const name of this.#cache.volumes.unfinished) consider(name);
    for (const node of this.#goneNodes()) {
      for (const name of this.#cache.volumes.ownedBy(node)) if (this.#canBeRehomed(name)) consider(name);
    }
    return due;
  }

  #goneNodes(): readonly NodeName[] {
    return [...this.#cache.nodes.keys()].filter((node) => !this.#cache.sessions.has(node));
  }

  /** A single-node volume stays with the node that holds it until there is evidence; that is a claim's business. */
  #canBeRehomed(name: VolumeName): boolean {
    const document = this.#cache.volumes.get(name)?.document;
    if (document === undefined || document.operation !== undefined) return false;
    return !isSingleNode(document.spec.accessMode) || Object.keys(document.attachments).length === 0;
  }

  async #look(name: VolumeName): Promise<void> {
    const document = this.#cache.volumes.get(name)?.document;
    if (document === undefined) return;
    try {
      if (document.operation === undefined) {
        await this.#operations.rehome(document);
        this.#retries.delete(name);
        return;
      }
      const driven = await this.#operations.drive(name);
      if (driven.settled) this.#retries.delete(name);
      else this.#later(name, driven.failure?.message ?? 'no progress');
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      this.#later(name, error.message);
    }
  }

  #later(name: VolumeName, why: string): void {
    const attempt = (this.#retries.get(name)?.attempt ?? 0) + 1;
    const delayMs = backoffMs(this.#random, attempt, { firstMs: 250, maxMs: RETRY_MS_MAX });
    this.#retries.set(name, { attempt, notBeforeMs: this.#clock.monotonicMs() + delayMs });
    const fields = { volume: name, attempt, why };
    if (attempt > 5) this.#log.warn('volume still waits for its operation', fields);
    else this.#log.debug('volume waits for its operation', fields);
  }

  /** Until the period has passed, or a session came or went. */
  async #rest(signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    this.#wake = () => {
      woken.abort();
    };
    await sleep(this.#clock, SWEEP_PERIOD_MS * (0.75 + this.#random.float() / 2), AbortSignal.any([signal, woken.signal])).catch(
      () => undefined,
    );
  }
}

/** Looks at once in one manager: enough to fill group commits, few enough to leave room for callers. */
const CONCURRENCY = 256;

/** How long an orphaned operation waits at most before somebody looks; a look at nothing costs nothing. */
const SWEEP_PERIOD_MS = 1_000;

const RETRY_MS_MAX = 30_000;
