import { AppError, backoffMs, sleep, type Clock, type Logger, type Random, type Service } from '@volplane/base';
import type { Guardian } from '@volplane/ports';
import type { AgentSession } from './agent-session.js';

/**
 * Keeps the managers' record of whether this node is guarded (rule 20). A dead guardian is told at once, and again until a manager has
 * acknowledged it; a living one only when every lease-bound mount is armed. One message at a time, and each with a higher turn: two on their
 * way could be carried out in the wrong order, and a node without a guardian would pass for guarded. When the record is another one all
 * the same, a heartbeat's answer shows it, and it is told again.
 */
export class GuardianReport implements Service {
  readonly name = 'guardian report';
  readonly #parts: ReportParts;
  /** What a manager has acknowledged in this session. */
  #told: boolean | undefined;
  #turn = 0;
  #wake: () => void = () => undefined;

  constructor(parts: ReportParts) {
    this.#parts = parts;
    const changed = (): void => {
      this.#told = undefined;
      this.#wake();
    };
    parts.guardian.onChange(changed);
    parts.session.listen({
      onBegan: changed,
      onGuardRecord: (unguarded) => {
        if (this.#told === unguarded) changed();
      },
    });
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#parts;
    let failures = 0;
    while (!signal.aborted) {
      const woken = new AbortController();
      this.#wake = () => {
        woken.abort();
      };
      failures = (await this.#tell(signal)) ? 0 : failures + 1;
      const delayMs = failures === 0 ? IDLE_MS : backoffMs(random, failures - 1, { firstMs: 200, maxMs: 5_000 });
      await sleep(clock, delayMs, signal, woken.signal).catch(() => undefined);
    }
  }

  /** @returns false when it has to be tried again; without a session there is nothing to tell yet */
  async #tell(signal: AbortSignal): Promise<boolean> {
    const { guardian, session, tell, armAll, log } = this.#parts;
    const { alive } = guardian;
    if (session.current() === undefined || this.#told === alive) return true;
    try {
      if (alive) await armAll();
      this.#turn += 1;
      await tell(!alive, this.#turn, signal);
      // What changed while the message was on its way is told next.
      if (guardian.alive === alive) this.#told = alive;
      return this.#told === alive;
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      log.error('the state of the guardian could not be recorded yet', { alive, error });
      return false;
    }
  }
}

interface ReportParts {
  readonly guardian: Pick<Guardian, 'alive' | 'onChange'>;
  readonly session: Pick<AgentSession, 'current' | 'listen'>;
  /** Resolves when a manager has recorded it. @throws AppError */
  readonly tell: (unguarded: boolean, turn: number, signal: AbortSignal) => Promise<void>;
  /** Arms every lease-bound mount of this node that the guardian does not know. @throws AppError */
  readonly armAll: () => Promise<void>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** Changes wake it; without one there is nothing to do. */
const IDLE_MS = 60_000;
