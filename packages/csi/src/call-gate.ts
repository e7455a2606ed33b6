import {
  AppError,
  backoffMs,
  hasReason,
  KeyedQueue,
  sleep,
  whenAborted,
  withTimeout,
  type Clock,
  type Logger,
  type Random,
} from '@volplane/base';
import type { CallContext } from '@volplane/engine';
import { CsiError } from './status.js';

/** What is known of a caller's call. */
export interface CsiCall {
  /** Milliseconds until the caller gives up; Infinity when it did not say. */
  readonly timeoutMs: number;
}

export interface CallGateOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** The longest that one piece of work may take; default {@link WORK_MS}. */
  readonly workMs?: number;
  /** After this a caller with a deadline is told ABORTED while the work goes on; default {@link PATIENCE_MS}. */
  readonly patienceMs?: number;
  /** How long transient refusals are met by trying again before the caller hears of them; default {@link RETRY_MS}. */
  readonly retryMs?: number;
}

/**
 * Runs the work of calls so that callers may be impatient, repeat themselves and contradict themselves.
 *
 * - Changes of one volume run one at a time, in the order in which they came.
 * - A call that says the same as the last one still waiting or running for its volume joins it: both get its answer.
 * - Work goes on when its caller has gone: in CSI only the opposite call undoes a call.
 * - Short unavailability (a manager changes, a compare was lost) is waited out here, because some callers show every
 *   error to their user.
 */
export class CallGate {
  readonly #options: CallGateOptions;
  readonly #queue = new KeyedQueue({ waitersMax: WAITERS_MAX });
  readonly #last = new Map<string, { readonly sameAs: string; readonly work: Promise<unknown> }>();
  readonly #stop = new AbortController();
  #inFlight = 0;

  constructor(options: CallGateOptions) {
    this.#options = options;
  }

  /** Work that changes nothing: no queue. */
  async read<T>(call: CsiCall, work: (context: CallContext) => Promise<T>): Promise<T> {
    return await this.#wait(call, this.#attempt(work));
  }

  /**
   * Work that changes the thing named by `key`.
   *
   * @param sameAs - equal for calls that may share one answer
   */
  async change<T>(
    call: CsiCall,
    about: { readonly key: string; readonly sameAs: string },
    work: (context: CallContext) => Promise<T>,
  ): Promise<T> {
    const last = this.#last.get(about.key);
    // The last one only: a call between the two may have undone the first.
    // Equal `sameAs` holds the method, so the stored promise answers with this T.
    if (last?.sameAs === about.sameAs) return await this.#wait(call, last.work as Promise<T>);
    const running = this.#queue.run(about.key, () => this.#attempt(work));
    const entry = { sameAs: about.sameAs, work: running };
    this.#last.set(about.key, entry);
    const forget = (): void => {
      if (this.#last.get(about.key) === entry) this.#last.delete(about.key);
    };
    running.then(forget, forget);
    return await this.#wait(call, running);
  }

  /** Refuses what waits and cuts off what runs. */
  close(): void {
    this.#stop.abort(new AppError('SHUTTING_DOWN', 'the volume plugin is stopping; repeat the call when it is back'));
  }

  async #wait<T>(call: CsiCall, work: Promise<T>): Promise<T> {
    const { clock, patienceMs = PATIENCE_MS } = this.#options;
    if (call.timeoutMs === Infinity) return await work;
    const timeoutMs = Math.max(0, Math.min(patienceMs, call.timeoutMs - ANSWER_MS));
    const onTimeout = (): Error => new CsiError('ABORTED', 'the call is still at work; repeat it to hear its end');
    return await withTimeout(clock, work, { timeoutMs, onTimeout });
  }

  async #attempt<T>(work: (context: CallContext) => Promise<T>): Promise<T> {
    const { clock, random, log, retryMs = RETRY_MS } = this.#options;
    if (this.#inFlight >= IN_FLIGHT_MAX)
      throw new AppError('OVERLOADED', `${this.#inFlight} calls are at work already; repeat the call later`);
    this.#inFlight += 1;
    const startMs = clock.monotonicMs();
    try {
      for (let attempt = 0; ; attempt += 1) {
        try {
          // One after the other: each attempt begins because the one before has failed.
          return await this.#once(work);
        } catch (error) {
          if (!hasReason(error, ...TRANSIENT)) throw error;
          if (clock.monotonicMs() - startMs >= retryMs) throw error;
          log.debug('call tried again', { reason: error.reason, attempt });
          await sleep(clock, backoffMs(random, attempt, RETRY_DELAY), this.#stop.signal);
        }
      }
    } finally {
      this.#inFlight -= 1;
    }
  }

  async #once<T>(work: (context: CallContext) => Promise<T>): Promise<T> {
    const { clock, workMs = WORK_MS } = this.#options;
    const stopped = this.#stop.signal;
    stopped.throwIfAborted();
    const late = new AbortController();
    const cancel = clock.after(workMs, () => {
      late.abort(new AppError('DEADLINE_EXCEEDED', `the call took more than ${workMs} ms; its outcome is unknown, repeat it`));
    });
    // Not AbortSignal.any: the gate's own signal would keep a trace of every call.
    const forget = whenAborted(stopped, () => {
      late.abort(stopped.reason);
    });
    try {
      return await work({ signal: late.signal, timeoutMs: workMs });
    } finally {
      cancel();
      forget();
    }
  }
}

const TRANSIENT = ['STORE_UNAVAILABLE', 'NO_MANAGER', 'SESSION_LOST', 'CONTENTION', 'VOLUME_CREATING', 'NOT_OWNER', 'STALE_CLAIM'] as const;

/** mkfs and a copy of a snapshot end well before; the callers' own limits are 15 s to 2 min, and they repeat. */
const WORK_MS = 60_000;
/** Kubernetes' sidecars give up after 10 to 15 s. */
const PATIENCE_MS = 9_000;
/** Left for the answer to travel before the caller's deadline. */
const ANSWER_MS = 250;
/** A volume that fails blocks Swarm's whole queue: it hears of it within two seconds. */
const RETRY_MS = 1_500;
const RETRY_DELAY = { firstMs: 50, maxMs: 400 };
/** Callers keep one call a volume in flight, a few after their crash. */
const WAITERS_MAX = 8;
/** The provisioner runs 100 workers, the attacher 10; kubelet a few a pod. */
const IN_FLIGHT_MAX = 1_000;
