import type { Clock } from '@volplane/base';
import type { NodeName } from '@volplane/domain';
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

  countTakeover(): void {
    this.#takeoversMs.push(this.#clock.monotonicMs());
  }

  /** Why automatic takeovers have stopped; undefined = they have not. */
  engaged(): string | undefined {
    const nowMs = this.#clock.monotonicMs();
    this.#takeoversMs = this.#takeoversMs.filter((atMs) => nowMs - atMs < 60_000).slice(-this.#limits.takeoversPerMinuteMax);
    if (this.#takeoversMs.length >= this.#limits.takeoversPerMinuteMax) {
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
    return `${String(lost)} of ${String(nodes)} nodes were lost at once, more than the allowed share`;
  }
}
