import { AppError, backoffMs, sleep, type Clock, type Logger, type Random, type Service } from '@volplane/base';
import type { VolumeUid } from '@volplane/domain';
import { acknowledged } from '@volplane/wire';
import type { AgentBook, OwedRelease } from './agent-book.js';
import type { AgentSession } from './agent-session.js';
import type { Managers } from './managers.js';

/** Delivers releases until each is acknowledged (rule 13). What is owed is in the book before it is sent. */
export class OwedReleases implements Service {
  readonly name = 'owed releases';
  readonly #book: AgentBook;
  readonly #session: AgentSession;
  readonly #managers: Managers;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #log: Logger;
  /** Since the last look at what is owed began: something was left to the background; a session has begun. */
  #left = new AbortController();
  #began = new AbortController();

  constructor(parts: {
    readonly book: AgentBook;
    readonly session: AgentSession;
    readonly managers: Managers;
    readonly clock: Clock;
    readonly random: Random;
    readonly log: Logger;
  }) {
    this.#book = parts.book;
    this.#session = parts.session;
    this.#managers = parts.managers;
    this.#clock = parts.clock;
    this.#random = parts.random;
    this.#log = parts.log;
    parts.session.listen({
      onBegan: () => {
        this.#began.abort();
      },
    });
  }

  /** One try now, within `timeoutMs`; what fails is tried again in the background. @returns true when acknowledged */
  async deliver(uid: VolumeUid, timeoutMs: number): Promise<boolean> {
    const owed = this.#book.release(uid);
    if (owed === undefined) return true;
    try {
      await this.#send(owed, timeoutMs);
      return true;
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      this.#log.info('release is owed', { volume: owed.name, uid, seq: owed.seq, error });
      this.#left.abort();
      return false;
    }
  }

  async run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      const left = new AbortController();
      const began = new AbortController();
      this.#left = left;
      this.#began = began;
      failures = (await this.#deliverAll(signal)) ? 0 : failures + 1;
      const delayMs = failures === 0 ? IDLE_MS : backoffMs(this.#random, failures, { firstMs: 200, maxMs: 10_000 });
      // Right after a failure nothing but the delay, or a new session, leads to the next try.
      await sleep(this.#clock, delayMs, signal, began.signal, failures === 0 ? left.signal : undefined).catch(() => undefined);
    }
  }

  async #deliverAll(signal: AbortSignal): Promise<boolean> {
    for (const owed of this.#book.releases()) {
      if (signal.aborted) return true;
      try {
        // One after the other: a backlog is what is left of an outage, and callers come first.
        await this.#send(owed, RELEASE_TIMEOUT_MS);
      } catch (error) {
        if (!(error instanceof AppError)) throw error;
        this.#log.debug('release is still owed', { volume: owed.name, uid: owed.uid, seq: owed.seq, error });
        return false;
      }
    }
    return true;
  }

  async #send(owed: OwedRelease, timeoutMs: number): Promise<void> {
    const { name, uid, seq, detail } = owed;
    await this.#managers.ask({ type: 'release', ...this.#session.speaker(), name, uid, seq, detail }, acknowledged, { timeoutMs });
    // A newer release of the same volume may be owed by now; it has its own turn.
    if (this.#book.release(uid)?.seq === seq) await this.#book.keep({ releases: { [uid]: undefined } });
  }
}

const RELEASE_TIMEOUT_MS = 3_000;
const IDLE_MS = 30_000;
