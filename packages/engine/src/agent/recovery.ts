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
  /** Of each part: what is being tried, and what did not succeed when it was last tried. A local and a global volume may share a name. */
  readonly #progress: ReadonlyMap<Recoverable, { readonly running: Set<VolumeName>; readonly failed: Set<VolumeName> }>;
  readonly #clock: Clock;
  readonly #log: Logger;

  constructor(parts: { readonly parts: readonly Recoverable[]; readonly clock: Clock; readonly log: Logger }) {
    this.#progress = new Map(parts.parts.map((part) => [part, { running: new Set(), failed: new Set() }]));
    this.#clock = parts.clock;
    this.#log = parts.log;
  }

  /** Puts every record of the earlier life first in its volume's queue; callers come after it. */
  begin(names: readonly { readonly part: Recoverable; readonly name: VolumeName }[]): void {
    for (const { part, name } of names) this.#recover(part, name);
  }

  /** How many did not succeed when they were last tried. */
  get waiting(): number {
    return [...this.#progress.values()].reduce((count, { failed }) => count + failed.size, 0);
  }

  /** What kept some of them from it is gone: what failed is tried again, also what waits for nothing else. */
  again(): void {
    for (const [part, { failed }] of this.#progress) for (const name of failed) this.#recover(part, name);
  }

  async run(signal: AbortSignal): Promise<void> {
    for (let round = 1; !signal.aborted; round += 1) {
      await sleep(this.#clock, PERIOD_MS, signal).catch(() => undefined);
      if (signal.aborted) return;
      for (const part of this.#progress.keys()) for (const name of part.unsettled()) this.#recover(part, name);
      if (round % AGAIN_PERIODS === 0) this.again();
    }
  }

  #recover(part: Recoverable, name: VolumeName): void {
    const progress = this.#progress.get(part);
    if (progress === undefined || progress.running.has(name)) return;
    const { running, failed } = progress;
    running.add(name);
    part
      .recover(name)
      .then(() => failed.delete(name))
      .catch((error: unknown) => {
        failed.add(name);
        if (error instanceof AppError) this.#log.warn('volume is not recovered yet', { volume: name, error });
        else this.#log.error('recovery of a volume failed', { volume: name, error });
      })
      .finally(() => running.delete(name))
      .catch(() => undefined);
  }
}

/** A look at the book in memory; only what is unsettled costs anything. */
const PERIOD_MS = 5_000;
/** What is in use and could not be looked at is not unsettled; a look at it every 30 s leaves its callers the most of the time. */
const AGAIN_PERIODS = 6;
