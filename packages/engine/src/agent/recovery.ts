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

  constructor(parts: { readonly parts: readonly Recoverable[]; readonly clock: Clock; readonly log: Logger }) {
    this.#parts = parts.parts;
    this.#clock = parts.clock;
    this.#log = parts.log;
  }

  /** Puts every record of the earlier life first in its volume's queue; callers come after it. */
  begin(names: readonly { readonly part: Recoverable; readonly name: VolumeName }[]): void {
    for (const { part, name } of names) this.#recover(part, name);
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
    part
      .recover(name)
      .catch((error: unknown) => {
        if (error instanceof AppError) this.#log.warn('volume is not recovered yet', { volume: name, error });
        else this.#log.error('recovery of a volume failed', { volume: name, error });
      })
      .finally(() => this.#running.delete(name))
      .catch(() => undefined);
  }
}

/** A look at the book in memory; only what is unsettled costs anything. */
const PERIOD_MS = 5_000;
