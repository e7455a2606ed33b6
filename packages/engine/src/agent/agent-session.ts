import {
  AppError,
  assert,
  backoffMs,
  hasReason,
  sleep,
  type Clock,
  type Logger,
  type Random,
  type Reason,
  type Service,
} from '@volplane/base';
import type { DriverInfo, Incarnation, NodeName, NodeUid, SessionId, StringMap } from '@volplane/domain';
import { heartbeatAnswer, registered } from '@volplane/wire';
import type { AgentBook } from './agent-book.js';
import type { Managers } from './managers.js';

/** The session as long as it is surely alive. */
export interface LiveSession {
  readonly session: SessionId;
  readonly incarnation: Incarnation;
}

export interface SessionListener {
  /** A session is valid from now on; `continued` when it is the one of before. */
  onBegan?(live: LiveSession): void;
  /** The session is not valid any more, by this node's own count: before the manager side can know it. */
  onEnded?(live: LiveSession): void;
  /** The session is valid until this moment of the monotonic clock. */
  onExtended?(validUntilMs: number): void;
  /** The managers take this machine for given up, or its name for another's: told once, until they take it again. */
  onRefused?(refusal: AppError): void;
  onListWanted?(): void;
  onInventoryWanted?(): void;
  /** With each acknowledged heartbeat: whether the node is on record as unguarded. A manager may be a little behind. */
  onGuardRecord?(unguarded: boolean): void;
}

/**
 * The node's session, counted by its own monotonic clock from the moments at which its heartbeats were sent (rule 3 and
 * the deadline of evidence C): it ends here before the lease can end at the store.
 */
export class AgentSession implements Service {
  readonly name = 'session';
  readonly #node: NodeName;
  readonly #book: AgentBook;
  readonly #managers: Managers;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #log: Logger;
  readonly #describe: () => { readonly drivers: readonly DriverInfo[]; readonly labels: StringMap; readonly version: string };
  readonly #digest: () => string;
  readonly #listeners = new Set<SessionListener>();
  #live: (LiveSession & { validUntilMs: number; readonly ttlMs: number }) | undefined;
  #beat = 0;
  #refusal: AppError | undefined;
  /** The failure that the log told last; it is not told again as long as it is the same. */
  #told: Reason | undefined;
  #cancelEnd: () => void = () => undefined;

  constructor(parts: {
    readonly node: NodeName;
    readonly book: AgentBook;
    readonly managers: Managers;
    readonly clock: Clock;
    readonly random: Random;
    readonly log: Logger;
    readonly describe: () => { readonly drivers: readonly DriverInfo[]; readonly labels: StringMap; readonly version: string };
    readonly digest: () => string;
  }) {
    this.#node = parts.node;
    this.#book = parts.book;
    this.#managers = parts.managers;
    this.#clock = parts.clock;
    this.#random = parts.random;
    this.#log = parts.log;
    this.#describe = parts.describe;
    this.#digest = parts.digest;
  }

  listen(listener: SessionListener): void {
    this.#listeners.add(listener);
  }

  /** The count of heartbeats sent in this life; the lifetime of routed mounts. */
  get beat(): number {
    return this.#beat;
  }

  get nodeUid(): NodeUid {
    const uid = this.#book.nodeUid;
    assert(uid !== undefined, 'the node has its uid from its first start on');
    return uid;
  }

  /** The session, if it is surely alive at this moment. */
  current(): LiveSession | undefined {
    const live = this.#live;
    return live !== undefined && this.#clock.monotonicMs() < live.validUntilMs ? live : undefined;
  }

  /** How long the session is surely alive; 0 without one. */
  get validUntilMs(): number {
    return this.#live?.validUntilMs ?? 0;
  }

  /** True when `session` is the present one and surely alive. */
  isCurrent(session: SessionId): boolean {
    return this.current()?.session === session;
  }

  /** Why the managers refuse this very machine, as a fact and not for now; undefined while they do not. */
  get refusal(): AppError | undefined {
    return this.#refusal;
  }

  /** Who speaks, for messages of this session. @throws AppError SESSION_LOST */
  speaker(): { readonly node: NodeName; readonly nodeUid: NodeUid; readonly session: SessionId; readonly incarnation: Incarnation } {
    const live = this.current();
    if (live === undefined)
      throw new AppError('SESSION_LOST', `node ${this.#node} is not in touch with the managers`, { node: this.#node });
    return { node: this.#node, nodeUid: this.nodeUid, session: live.session, incarnation: live.incarnation };
  }

  async run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      try {
        await this.#register(signal);
        failures = 0;
        await this.#beatWhileAlive(signal);
      } catch (error) {
        if (signal.aborted) break;
        if (!(error instanceof AppError)) throw error;
        failures += 1;
        this.#reportFailure(error, failures);
        const delayMs = backoffMs(this.#random, failures - 1, { firstMs: 100, maxMs: REGISTER_RETRY_MS_MAX });
        await sleep(this.#clock, delayMs, signal).catch(() => undefined);
      }
    }
    this.#cancelEnd();
  }

  async #register(signal: AbortSignal): Promise<void> {
    const { uid, startNumber } = await this.#book.nextStart(this.#random.hex(32) as NodeUid); // 32 hexadecimal characters is what a node uid is
    const incarnation = this.#random.hex(16) as Incarnation; // likewise 16
    const { drivers, labels, version } = this.#describe();
    const sentMs = this.#clock.monotonicMs();
    const answer = await this.#managers.ask(
      { type: 'register', node: this.#node, nodeUid: uid, incarnation, startNumber, drivers: [...drivers], labels: { ...labels }, version },
      registered,
      { timeoutMs: REGISTER_TIMEOUT_MS, signal },
    );
    this.#beat = 0;
    this.#refusal = undefined;
    this.#told = undefined;
    const live = { session: answer.session, incarnation, ttlMs: answer.ttlMs, validUntilMs: 0 };
    // The old count goes on while the session is the same; another session ends the one of before, if nothing else has.
    if (this.#live !== undefined && this.#live.session !== answer.session) this.#end(this.#live);
    this.#live = live;
    this.#extend(sentMs);
    if (this.current() === undefined)
      throw new AppError('SESSION_LOST', `node ${this.#node}: the registration took longer than the session lives`, { node: this.#node });
    this.#log.info('session is valid', { node: this.#node, session: live.session, incarnation, startNumber });
    for (const listener of this.#listeners) listener.onBegan?.(live);
  }

  async #beatWhileAlive(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const live = this.#live;
      if (live === undefined || this.current() === undefined) return;
      const intervalMs = live.ttlMs / BEATS_PER_TTL;
      const sentMs = this.#clock.monotonicMs();
      const alive = await this.#sendBeat(live, intervalMs, signal);
      if (alive === 'ended') {
        this.#log.warn('managers say that the session has ended', { node: this.#node, session: live.session });
        this.#end(live);
        return;
      }
      if (alive === 'acknowledged') this.#extend(sentMs);
      const restMs = sentMs + intervalMs - this.#clock.monotonicMs();
      if (restMs > 0) await sleep(this.#clock, restMs, signal).catch(() => undefined);
    }
  }

  async #sendBeat(live: LiveSession, timeoutMs: number, signal: AbortSignal): Promise<'acknowledged' | 'ended' | 'unanswered'> {
    this.#beat += 1;
    try {
      const answer = await this.#managers.ask(
        {
          type: 'heartbeat',
          node: this.#node,
          nodeUid: this.nodeUid,
          session: live.session,
          incarnation: live.incarnation,
          beat: this.#beat,
          digest: this.#digest(),
        },
        heartbeatAnswer,
        { timeoutMs, signal },
      );
      if (!answer.alive) return 'ended';
      if (answer.wantsList) for (const listener of this.#listeners) listener.onListWanted?.();
      if (answer.wantsInventory) for (const listener of this.#listeners) listener.onInventoryWanted?.();
      for (const listener of this.#listeners) listener.onGuardRecord?.(answer.unguarded);
      return 'acknowledged';
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      this.#log.debug('heartbeat was not acknowledged', { node: this.#node, error });
      return 'unanswered';
    }
  }

  /** Valid for the TTL from the sending, less what two clocks may drift apart in it. */
  #extend(sentMs: number): void {
    const live = this.#live;
    if (live === undefined) return;
    const validUntilMs = sentMs + live.ttlMs * (1 - CLOCK_DRIFT_MAX);
    if (validUntilMs <= live.validUntilMs) return;
    live.validUntilMs = validUntilMs;
    this.#endWhenDue(live);
    for (const listener of this.#listeners) listener.onExtended?.(validUntilMs);
  }

  #endWhenDue(live: { readonly validUntilMs: number } & LiveSession): void {
    this.#cancelEnd();
    // Timers may fire a hair early; an end that was then left out would come with the next session only.
    const leftMs = Math.max(1, live.validUntilMs - this.#clock.monotonicMs());
    this.#cancelEnd = this.#clock.after(leftMs, () => {
      if (this.#live !== live) return;
      if (this.#clock.monotonicMs() >= live.validUntilMs) this.#end(live);
      else this.#endWhenDue(live);
    });
  }

  #end(live: LiveSession): void {
    if (this.#live !== live) return;
    this.#live = undefined;
    this.#cancelEnd();
    this.#log.warn('session is not valid any more', { node: this.#node, session: live.session });
    for (const listener of this.#listeners) listener.onEnded?.(live);
  }

  #reportFailure(error: AppError, failures: number): void {
    const isRefused = hasReason(error, 'NODE_NAME_TAKEN', 'NODE_LOST');
    const isNew = this.#told !== error.reason;
    const fields = { node: this.#node, failures, error };
    if (!isNew || (!isRefused && failures <= FAILURES_UNTOLD)) {
      this.#log.debug('no session yet', fields);
      return;
    }
    this.#told = error.reason;
    if (!isRefused) {
      this.#log.warn('no session yet', fields);
      return;
    }
    this.#refusal = error;
    this.#log.error('registration refused', fields);
    for (const listener of this.#listeners) listener.onRefused?.(error);
  }
}

/** Two clocks may differ in rate by this much: ten times what an undisciplined quartz does. Stated in docs/operations.md. */
const CLOCK_DRIFT_MAX = 0.005;
const BEATS_PER_TTL = 5;
/** At a start, and while a manager is replaced, some registrations fail. */
const FAILURES_UNTOLD = 3;
const REGISTER_TIMEOUT_MS = 3_000;
const REGISTER_RETRY_MS_MAX = 5_000;
