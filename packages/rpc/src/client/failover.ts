import { AppError, backoffMs, sleep, type Clock, type Random } from '@volplane/base';
import type { CallContext } from '@volplane/engine';
import { EndpointFailure, type Endpoint } from './endpoint.js';
import { deadlineExceeded, type CallFailure } from './from-status.js';

/**
 * What a second sending does after a connection was lost with the call on it.
 *
 * `read`: nothing is changed. `same`: it ends as the first one would. `once`: it does something else, such as removing a later volume
 * of the same name, or is refused because the first one was done; such a call is told as an unknown outcome instead.
 */
export type Repetition = 'read' | 'same' | 'once';

export interface FailoverOptions {
  readonly endpoints: readonly Endpoint[];
  readonly clock: Clock;
  readonly random: Random;
}

/** One sending of a call, to be over at `deadlineMs` (wall clock). @throws EndpointFailure, AppError */
export type Send<T> = (endpoint: Endpoint, deadlineMs: number) => Promise<T>;

/** Sends each call to the address that answered last, and to the next one where that is safe and can help. */
export class Failover {
  readonly #options: FailoverOptions;
  #preferred = 0;

  constructor(options: FailoverOptions) {
    this.#options = options;
  }

  /**
   * Calls `send` until one answers: at most {@link ROUNDS} times for each address, {@link ATTEMPTS_MAX} times in all, and within
   * the time of the call.
   *
   * @throws AppError the server's refusal, the signal's reason, UNREACHABLE, UNKNOWN_OUTCOME, DEADLINE_EXCEEDED
   */
  async call<T>(repetition: Repetition, context: CallContext, send: Send<T>): Promise<T> {
    const { clock, endpoints, random } = this.#options;
    const deadlineMs = clock.wallMs() + context.timeoutMs;
    const attemptsMax = Math.min(endpoints.length * ROUNDS, ATTEMPTS_MAX);
    let lost: AppError | undefined;
    for (let attempt = 1; ; attempt += 1) {
      const index = this.#preferred;
      // One address after the other: a call is never at two servers at once.
      const result = await this.#try(index, deadlineMs, context, send);
      if (result.type === 'answer') return result.answer;
      const { error, outcome } = result.failure;
      if (outcome === 'answered' && !ELSEWHERE.has(error.reason)) throw afterLoss(error, lost);
      if (outcome === 'lost' && repetition === 'once') throw error;
      if (outcome === 'lost' && repetition === 'same') lost = error;
      if (this.#preferred === index) this.#preferred = (index + 1) % endpoints.length;
      if (attempt >= attemptsMax) throw afterLoss(outcome === 'unsent' ? this.#unreachable(error) : error, lost);
      if (attempt % endpoints.length === 0) {
        await sleep(clock, Math.max(0, Math.min(backoffMs(random, 0, ROUND_DELAY), deadlineMs - clock.wallMs())), context.signal);
      }
      if (clock.wallMs() >= deadlineMs) throw afterLoss(deadlineExceeded(error), lost);
    }
  }

  /**
   * An endpoint with a connection.
   *
   * @param probe - a call that changes nothing: only a call is told why there is no connection
   * @throws AppError UNREACHABLE, the signal's reason
   */
  async connect(context: CallContext, probe: Send<unknown>): Promise<Endpoint> {
    const { clock, endpoints } = this.#options;
    const untilMs = clock.wallMs() + context.timeoutMs;
    let cause: AppError | undefined;
    for (let attempt = 0; attempt < endpoints.length && clock.wallMs() < untilMs; attempt += 1) {
      const index = (this.#preferred + attempt) % endpoints.length;
      // One after the other: most often the first one answers.
      const result = await this.#try(index, untilMs, context, async (endpoint) => {
        if (!endpoint.isReady) await probe(endpoint, Math.min(untilMs, clock.wallMs() + CONNECT_TIMEOUT_MS));
      });
      const endpoint = endpoints[index];
      if (endpoint?.isReady === true) return endpoint;
      if (result.type === 'failure') cause = result.failure.error;
    }
    throw this.#unreachable(cause);
  }

  /** After every address was tried in vain. */
  #unreachable(cause?: AppError): AppError {
    const addresses = this.#options.endpoints.map(({ address }) => address).join(', ');
    return new AppError('UNREACHABLE', `no server answers at ${addresses}; nothing was begun`, { addresses }, cause);
  }

  async #try<T>(index: number, deadlineMs: number, context: CallContext, send: Send<T>): Promise<TryResult<T>> {
    const { clock, endpoints } = this.#options;
    const endpoint = endpoints[index];
    if (endpoint === undefined) throw new AppError('UNREACHABLE', 'no address was given');
    const connectUntilMs = Math.min(deadlineMs, clock.wallMs() + CONNECT_TIMEOUT_MS);
    if (!(await endpoint.connected(connectUntilMs, context.signal))) {
      const { address } = endpoint;
      const error = new AppError('UNREACHABLE', `no connection to ${address} came about; nothing was begun`, { address });
      return { type: 'failure', failure: { error, outcome: 'unsent' } };
    }
    try {
      return { type: 'answer', answer: await send(endpoint, deadlineMs) };
    } catch (error) {
      if (error instanceof EndpointFailure) return { type: 'failure', failure: error.failure };
      throw error;
    }
  }
}

type TryResult<T> = { readonly type: 'answer'; readonly answer: T } | { readonly type: 'failure'; readonly failure: CallFailure };

/** Refusals of one server that another one may not share; nothing was begun. All others are about the volume, or about the node. */
const ELSEWHERE: ReadonlySet<string> = new Set(['SHUTTING_DOWN', 'STORE_UNAVAILABLE', 'NO_MANAGER', 'UNREACHABLE']);

const ROUNDS = 2;
const ATTEMPTS_MAX = 6;

/** Between two rounds over all addresses: a server that restarts is back soon, or not in the time of the call. */
const ROUND_DELAY = { firstMs: 200, maxMs: 200 };

/** A connection within a cluster takes milliseconds; an address that swallows packets costs this. */
const CONNECT_TIMEOUT_MS = 2_000;

/** A refusal says nothing about an earlier sending that was lost: that one may have been done. */
function afterLoss(error: AppError, lost: AppError | undefined): AppError {
  if (lost === undefined || lost === error) return error;
  return new AppError(
    'UNKNOWN_OUTCOME',
    `${lost.message}; repeated, it was refused: ${error.message}`,
    { ...lost.failure.fields, then: error.reason },
    error,
  );
}
