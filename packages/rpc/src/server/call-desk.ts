import { AppError, toFailure, type Clock, type Telemetry } from '@volplane/base';
import type { Method } from '@volplane/wire';
import type { Admission } from './admission.js';
import type { CallClass, RpcLimits } from '../limits.js';
import { OpenCall, type CallSurface } from './open-call.js';
import type { Refusals } from './refusals.js';

/** What the adapters of all calls of one server share: how a call is let in, read, answered and refused. */
export class CallDesk {
  readonly admission: Admission;
  readonly refusals: Refusals;
  readonly limits: RpcLimits;
  readonly #clock: Clock;
  readonly #telemetry: Telemetry;

  constructor(options: {
    readonly admission: Admission;
    readonly refusals: Refusals;
    readonly limits: RpcLimits;
    readonly clock: Clock;
    readonly telemetry: Telemetry;
  }) {
    this.admission = options.admission;
    this.refusals = options.refusals;
    this.limits = options.limits;
    this.#clock = options.clock;
    this.#telemetry = options.telemetry;
  }

  /** @throws AppError DEADLINE_MISSING, OVERLOADED, SHUTTING_DOWN */
  open(call: CallSurface, callClass: CallClass, refuse: (error: unknown) => void): OpenCall {
    const beganMs = this.#clock.monotonicMs();
    return new OpenCall(call, {
      callClass,
      admission: this.admission,
      clock: this.#clock,
      timeoutMsMax: this.limits.callTimeoutMsMax,
      refuse,
      onEnd: (error) => {
        this.#telemetry.call(callClass, error === undefined ? 'ok' : toFailure(error).reason, this.#clock.monotonicMs() - beganMs);
      },
    });
  }

  /** Encodes an answer and hands it over. @throws as {@link encode} */
  reply<Request, Response, Received, Sent>(
    method: Method<Request, Response, Received, Sent>,
    answer: Sent,
    handOver: (bytes: Buffer) => void,
  ): void {
    const beganMs = this.#clock.monotonicMs();
    handOver(this.encode(method, answer));
    this.#telemetry.phase('reply', this.#clock.monotonicMs() - beganMs);
  }

  /** @throws AppError TOO_LARGE, and what the codec throws */
  decode<Request, Response, Received, Sent>(method: Method<Request, Response, Received, Sent>, bytes: Buffer): Received {
    const bytesMax = this.limits.requestBytesMax;
    if (bytes.byteLength > bytesMax) throw tooLarge(`the request has ${String(bytes.byteLength)} bytes`, bytes.byteLength, bytesMax);
    return method.decodeRequest(bytes);
  }

  /** @throws AppError TOO_LARGE for an answer that a client would not take */
  encode<Request, Response, Received, Sent>(method: Method<Request, Response, Received, Sent>, answer: Sent): Buffer {
    const bytes = method.encodeResponse(answer);
    const bytesMax = this.limits.answerBytesMax;
    if (bytes.byteLength > bytesMax) {
      throw tooLarge(`the answer would have ${String(bytes.byteLength)} bytes; ask for a smaller page`, bytes.byteLength, bytesMax);
    }
    return bytes;
  }

  /** Ends a call whose work failed. Nobody waits for one that has ended, but a fault of ours is still told to the log. */
  fail(open: OpenCall, error: unknown, path: string): void {
    if (!open.ended) open.end(error);
    else if (!(error instanceof AppError) && !isAbort(error)) this.refusals.toFailure(error, path);
  }
}

function tooLarge(fact: string, bytes: number, bytesMax: number): AppError {
  return new AppError('TOO_LARGE', `${fact}, at most ${String(bytesMax)} are allowed`, { bytes: String(bytes), limit: String(bytesMax) });
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}
