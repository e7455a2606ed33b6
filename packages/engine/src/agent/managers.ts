import { AppError, hasReason, type Clock, type Telemetry } from '@volplane/base';
import type { Bus } from '@volplane/ports';
import { MANAGERS_SUBJECT, openAnswer, openCallAnswer, type ManagerMessage } from '@volplane/wire';
import type { z } from 'zod';
import type { CallContext } from '../api.js';
import type { Callable } from '../api-call.js';

/** Speaks to any manager. */
export class Managers {
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #telemetry: Telemetry;

  constructor(parts: { readonly bus: Bus; readonly clock: Clock; readonly telemetry: Telemetry }) {
    this.#bus = parts.bus;
    this.#clock = parts.clock;
    this.#telemetry = parts.telemetry;
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
      return await this.#bus.request(MANAGERS_SUBJECT, message, options);
    } catch (error) {
      if (hasReason(error, 'NODE_UNAVAILABLE'))
        throw new AppError('NO_MANAGER', 'no manager answers; global volumes cannot change for now', {}, error);
      throw error;
    } finally {
      this.#telemetry.phase('bus', this.#clock.monotonicMs() - beganMs);
    }
  }
}
