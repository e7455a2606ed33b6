import { AppError, hasReason, type Clock, type Telemetry } from '@volplane/base';
import type { Bus } from '@volplane/ports';
import { MANAGERS_SUBJECT, openAnswer, openCallAnswer, type ManagerMessage } from '@volplane/wire';
import type { z } from 'zod';
import type { CallContext } from '../api.js';
import type { Callable } from '../api-call.js';
import { RepeatedRequests } from './repeated-request.js';

/** Speaks to any manager. */
export class Managers {
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #telemetry: Telemetry;
  readonly #repeated: RepeatedRequests;

  constructor(parts: { readonly bus: Bus; readonly clock: Clock; readonly telemetry: Telemetry }) {
    this.#bus = parts.bus;
    this.#clock = parts.clock;
    this.#telemetry = parts.telemetry;
    this.#repeated = new RepeatedRequests(parts.clock);
  }

  /** @throws what the manager answers; NO_MANAGER when nothing was begun; UNKNOWN_OUTCOME when no answer came */
  async ask<T>(
    message: ManagerMessage,
    schema: z.ZodType<T>,
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
  ): Promise<T> {
    return openAnswer(await this.#request(message, options), schema);
  }

  /** A call of the API that concerns global volumes. The caller names the type that the method has. */
  async call<T>(method: Callable, request: object, context: CallContext): Promise<T> {
    const message: ManagerMessage = {
      type: 'call',
      method,
      request: { ...request },
      timeoutMs: Math.max(1, Math.floor(context.timeoutMs)),
    };
    return openCallAnswer(await this.#request(message, context)) as T; // both ends take the type from the same method
  }

  async #request(message: ManagerMessage, options: { readonly timeoutMs: number; readonly signal?: AbortSignal }): Promise<unknown> {
    const beganMs = this.#clock.monotonicMs();
    try {
      const send = (timeoutMs: number): Promise<unknown> => this.#bus.request(MANAGERS_SUBJECT, message, { ...options, timeoutMs });
      return mayBeDoubled(message) ? await this.#repeated.run(kindOf(message), options.timeoutMs, send) : await send(options.timeoutMs);
    } catch (error) {
      if (hasReason(error, 'NODE_UNAVAILABLE'))
        throw new AppError('NO_MANAGER', 'no manager answers; global volumes cannot change for now', {}, error);
      throw error;
    } finally {
      this.#telemetry.phase('bus', this.#clock.monotonicMs() - beganMs);
    }
  }
}

/**
 * Claims and releases carry a seq, so a second one changes nothing. A second create joins the first one's volume. A second remove
 * could remove what somebody made after the first; what is not named here is not worth it, or has a caller that repeats it.
 */
function mayBeDoubled(message: ManagerMessage): boolean {
  if (message.type === 'call') return DOUBLED_CALLS.has(message.method);
  return message.type === 'claim' || message.type === 'release';
}

function kindOf(message: ManagerMessage): string {
  return message.type === 'call' ? message.method : message.type;
}

const DOUBLED_CALLS: ReadonlySet<string> = new Set<Callable>([
  'createVolume',
  'getVolume',
  'listVolumes',
  'explainVolume',
  'getStatus',
  'listSnapshots',
  'listNodes',
  'getNode',
  'listDrivers',
]);
