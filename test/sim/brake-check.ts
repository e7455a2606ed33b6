import type { BrakeLimits } from '@volplane/engine';

/** The brake on mass takeovers, counted from outside: from the keys in the store, not from what managers know. */
export class BrakeCheck {
  readonly #limits: BrakeLimits;
  readonly #nodes = new Set<string>();
  readonly #awaySinceMs = new Map<string, number>();

  constructor(limits: BrakeLimits) {
    this.#limits = limits;
  }

  onNode(node: string): void {
    this.#nodes.add(node);
  }

  onSession(node: string, present: boolean, nowMs: number): void {
    if (present) this.#awaySinceMs.delete(node);
    else this.#awaySinceMs.set(node, nowMs);
  }

  /** @returns what is wrong with an automatic takeover at this moment */
  onTakeover(nowMs: number): string | undefined {
    // Managers hear of the end of a session a moment later, and a transaction may be on its way.
    const lost = [...this.#awaySinceMs.values()].filter(
      (sinceMs) => nowMs - sinceMs > HEARD_MS && nowMs - sinceMs < this.#limits.lostWindowMs,
    ).length;
    if (lost <= 1 || lost <= this.#nodes.size * this.#limits.lostShareMax) return undefined;
    return `${String(lost)} of ${String(this.#nodes.size)} nodes are lost at once`;
  }
}

const HEARD_MS = 1_000;
