import { AppError, type Clock } from '@volplane/base';
import { BUS_LIMITS, type BusRequestOptions } from '@volplane/ports';
import { requestFrame, type EncodedPayload } from './frames.js';
import { PendingRequest, unavailable, unknownOutcome, type SettlingOptions } from './pending-request.js';
import { ITEMS_PER_MESSAGE_MAX, TurnBatches } from './turn-batches.js';

export interface OutgoingRequestsOptions {
  readonly clock: Clock;
  /** Sends one message now. @returns why it was not sent, if so */
  readonly publish: (subject: string, frame: Buffer, firstId: number) => string | undefined;
}

export interface OutgoingRequest {
  readonly subject: string;
  readonly payload: EncodedPayload;
  readonly options: BusRequestOptions;
  /** What one message may have. */
  readonly frameBytesMax: number;
}

/** The requests of this process: those to one subject that are made in one turn of the event loop go together. */
export class OutgoingRequests {
  readonly #options: OutgoingRequestsOptions;
  readonly #settling: SettlingOptions;
  readonly #planned: TurnBatches<PlannedRequest>;
  /** By id, what was sent and is not settled. */
  readonly #sent = new Map<number, PendingRequest>();
  #lastId = 0;

  constructor(options: OutgoingRequestsOptions) {
    this.#options = options;
    this.#settling = {
      clock: options.clock,
      onOver: ({ id }) => {
        if (id !== undefined) this.#sent.delete(id);
      },
    };
    this.#planned = new TurnBatches(options.clock, (subject, requests) => {
      this.#send(subject, requests);
    });
  }

  /**
   * Sends a request when this turn ends, and waits for its answer.
   *
   * @throws AppError NODE_UNAVAILABLE, OVERLOADED: not sent; UNKNOWN_OUTCOME; the reason of the signal, which has not fired yet
   */
  ask({ subject, payload, options, frameBytesMax }: OutgoingRequest): Promise<unknown> {
    if (this.#sent.size + this.#planned.waiting >= BUS_LIMITS.requestsPending) {
      const overload = new AppError('OVERLOADED', `too many requests wait for answers; ${subject} was not asked`, { subject });
      return Promise.reject(overload);
    }
    const request = new PendingRequest(subject, options, this.#settling);
    this.#planned.add(subject, { text: payload.text, bytes: payload.bytes, request }, frameBytesMax);
    return request.answer;
  }

  /** An answer came; too late, or doubled, or never asked for, it means nothing. */
  settle(id: unknown, payload: unknown): void {
    if (typeof id === 'number') this.#sent.get(id)?.resolve(payload);
  }

  /** The server had nobody to give the message to that begins with this id. */
  refuse(firstId: number): void {
    for (let index = 0; index < ITEMS_PER_MESSAGE_MAX; index += 1) {
      const request = this.#sent.get(firstId + index);
      if (request?.firstId === firstId) request.reject(unavailable(request.subject, 'nobody listens'));
    }
  }

  /** Settles all that was sent. What was not is told so when its turn ends, unless it can be sent then. */
  failSent(why: string): void {
    for (const request of [...this.#sent.values()]) request.reject(unknownOutcome(request.subject, why));
  }

  #send(subject: string, planned: readonly PlannedRequest[]): void {
    // Who was told already that the request failed does not want it done.
    const wanted = planned.filter(({ request }) => !request.isOver);
    if (wanted.length === 0) return;
    const firstId = this.#lastId + 1;
    const refusal = this.#options.publish(subject, requestFrame(firstId, wanted), firstId);
    for (const { request } of wanted) {
      if (refusal !== undefined) {
        request.reject(unavailable(subject, refusal));
        continue;
      }
      this.#lastId += 1;
      request.id = this.#lastId;
      request.firstId = firstId;
      this.#sent.set(request.id, request);
    }
  }
}

/** Kept no longer than until it is sent: the text may be large. */
interface PlannedRequest extends EncodedPayload {
  readonly request: PendingRequest;
}
