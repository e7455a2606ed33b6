import { isUnknownOutcome, type Clock } from '@volplane/base';
import type { Evidence, NodeName } from '@volplane/domain';
import type { ClusterCache } from '../store/cluster-cache.js';

export interface BrakeLimits {
  /** Automatic takeovers stop when more than this share of the nodes (and more than one node) is lost at once. */
  readonly lostShareMax: number;
  /** Automatic takeovers that this manager grants in a minute. */
  readonly takeoversPerMinuteMax: number;
  /** For how long the end of a session counts as "at once". */
  readonly lostWindowMs: number;
}

export const DEFAULT_BRAKE: BrakeLimits = { lostShareMax: 1 / 3, takeoversPerMinuteMax: 200, lostWindowMs: 600_000 };

/** Stops automatic takeovers on the worst day: when many nodes vanish at once, the fault is rarely theirs. */
export class Brake {
  readonly #clock: Clock;
  readonly #limits: BrakeLimits;
  readonly #cache: ClusterCache;
  readonly #lostAtMs = new Map<NodeName, number>();
  #takeoversMs: number[] = [];
  /** Decided, and not in the store yet as far as is known. */
  #pending = 0;

  constructor(cache: ClusterCache, clock: Clock, limits: BrakeLimits) {
    this.#cache = cache;
    this.#clock = clock;
    this.#limits = limits;
    cache.listen({
      onSession: (node, present) => {
        if (present) this.#lostAtMs.delete(node);
        else this.#lostAtMs.set(node, clock.monotonicMs());
      },
    });
    const countAway = (): void => {
      // A manager that starts amid a disaster cannot know since when a node is away; it counts as lost now.
      for (const node of cache.nodes.keys()) if (!cache.sessions.has(node)) this.#lostAtMs.set(node, clock.monotonicMs());
    };
    cache.filled.then(countAway, countAway);
  }

  /**
   * Counts what `work` takes over without an operator's word. It counts from the decision on, while it is on its way to the store: of
   * many claims at once no more are granted than are allowed. What may have happened counts as done.
   *
   * @param work - tells with `decided` by whose evidence, at every decision; the last one counts. Asks with `engaged` in place of
   * {@link engaged}: a decision that is made again does not stand in its own way.
   */
  async counting<T>(work: (decided: (takeover: readonly Evidence[]) => void, engaged: () => string | undefined) => Promise<T>): Promise<T> {
    let pending = 0;
    const expect = (count: number): void => {
      this.#pending += count - pending;
      pending = count;
    };
    const done = (): void => {
      for (let left = pending; left > 0; left -= 1) this.#takeoversMs.push(this.#clock.monotonicMs());
    };
    try {
      const result = await work(
        (takeover) => {
          expect(takeover.filter(({ kind }) => kind !== 'D').length);
        },
        () => this.#engagedBeside(pending),
      );
      done();
      return result;
    } catch (error) {
      if (isUnknownOutcome(error)) done();
      throw error;
    } finally {
      expect(0);
    }
  }

  /** Why automatic takeovers have stopped; undefined = they have not. */
  engaged(): string | undefined {
    return this.#engagedBeside(0);
  }

  /** @param own - how many of those that are pending the asker itself has decided */
  #engagedBeside(own: number): string | undefined {
    const nowMs = this.#clock.monotonicMs();
    this.#takeoversMs = this.#takeoversMs.filter((atMs) => nowMs - atMs < 60_000).slice(-this.#limits.takeoversPerMinuteMax);
    if (this.#takeoversMs.length + this.#pending - own >= this.#limits.takeoversPerMinuteMax) {
      return `${String(this.#limits.takeoversPerMinuteMax)} automatic takeovers were made in a minute, the most that are allowed`;
    }
    let lost = 0;
    for (const [node, atMs] of this.#lostAtMs) {
      const document = this.#cache.nodes.get(node)?.document;
      if (document === undefined || document.lost !== undefined || nowMs - atMs > this.#limits.lostWindowMs) this.#lostAtMs.delete(node);
      else lost += 1;
    }
    const nodes = this.#cache.nodes.size;
    if (lost <= 1 || lost <= nodes * this.#limits.lostShareMax) return undefined;
    return `${String(lost)} of ${String(nodes)} nodes were lost at once, more than the allowed share: look at NATS and the network before the nodes`;
  }
}
