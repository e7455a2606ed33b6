import { AppError, sleep, type Clock, type Logger, type Service } from '@volplane/base';
import type { VolumeName } from '@volplane/domain';

/** Something on this node that an interrupted step may have left behind. */
export interface Recoverable {
  /** Names that wait for their end now. */
  unsettled(): readonly VolumeName[];
  recover(name: VolumeName): Promise<void>;
}

/** Goes on with what an earlier life or a failed step left, until it is done; volume by volume, so that one hung driver holds up only its own. */
export class Recovery implements Service {
  readonly name = 'recovery';
  readonly #parts: readonly Recoverable[];
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #running = new Set<VolumeName>();
  /** What did not succeed when it was last tried. */
  readonly #failed = new Map<Recoverable, Set<VolumeName>>();

  constructor(parts: { readonly parts: readonly Recoverable[]; readonly clock: Clock; readonly log: Logger }) {
    this.#parts = parts.parts;
    this.#clock = parts.clock;
    this.#log = parts.log;
  }

  /** Puts every record of the earlier life first in its volume's queue; callers come after it. */
  begin(names: readonly { readonly part: Recoverable; readonly name: VolumeName }[]): void {
    for (const { part, name } of names) this.#recover(part, name);
  }

  /** How many did not succeed when they were last tried. */
  get waiting(): number {
    return [...this.#failed.values()].reduce((count, names) => count + names.size, 0);
  }

  /** What kept some of them from it is gone: what failed is tried again, also what waits for nothing else. */
  again(): void {
    for (const [part, names] of this.#failed) for (const name of names) this.#recover(part, name);
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await sleep(this.#clock, PERIOD_MS, signal).catch(() => undefined);
      if (signal.aborted) return;
      for (const part of this.#parts) for (const name of part.unsettled()) this.#recover(part, name);
    }
  }

  #recover(part: Recoverable, name: VolumeName): void {
    if (this.#running.has(name)) return;
    this.#running.add(name);
    const failed = this.#failed.get(part) ?? new Set();
    this.#failed.set(part, failed);
    part
      .recover(name)
      .then(() => failed.delete(name))
      .catch((error: unknown) => {
        failed.add(name);
        if (error instanceof AppError) this.#log.warn('volume is not recovered yet', { volume: name, error });
        else this.#log.error('recovery of a volume failed', { volume: name, error });
      })
      .finally(() => this.#running.delete(name))
      .catch(() => undefined);
  }
}

/** A look at the book in memory; only what is unsettled costs anything. */
const PERIOD_MS = 5_000;
