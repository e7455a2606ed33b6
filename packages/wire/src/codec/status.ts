import { parseFailure, type Failure } from '@volplane/base';
import type { MessageTypeDefinition } from '@grpc/proto-loader';
import type { ErrorInfo, ErrorInfoInput } from '../generated/google/rpc/ErrorInfo.js';
import type { RetryInfo, RetryInfoInput } from '../generated/google/rpc/RetryInfo.js';
import type { Status, StatusInput } from '../generated/google/rpc/Status.js';

/** A failed call as its trailer tells it. */
export interface FailureStatus {
  /** A google.rpc.Code. */
  readonly code: number;
  readonly failure: Failure;
  /** When the same call may be made again; absent where repeating does not help. */
  readonly retryDelayMs?: number;
}

/** The trailer `grpc-status-details-bin`: a google.rpc.Status with an ErrorInfo and, where it helps, a RetryInfo. */
export class StatusCodec {
  readonly #types: StatusTypes;

  constructor(types: StatusTypes) {
    this.#types = types;
  }

  encode(status: FailureStatus): Buffer {
    const { reason, message, fields } = status.failure;
    const details = [{ type_url: ERROR_INFO, value: this.#types.errorInfo.serialize({ reason, domain: DOMAIN, metadata: fields }) }];
    if (status.retryDelayMs !== undefined) {
      const seconds = Math.floor(status.retryDelayMs / 1_000);
      const nanos = Math.round((status.retryDelayMs - seconds * 1_000) * 1e6);
      details.push({ type_url: RETRY_INFO, value: this.#types.retryInfo.serialize({ retryDelay: { seconds, nanos } }) });
    }
    return this.#types.status.serialize({ code: status.code, message, details });
  }

  /** Undefined when the bytes are of no Volplane server: no readable status, or none with an ErrorInfo of our domain. */
  decode(bytes: Uint8Array): FailureStatus | undefined {
    try {
      return this.#decode(Buffer.from(bytes));
    } catch {
      // A trailer of someone else; the caller goes by the status code alone.
      return undefined;
    }
  }

  #decode(bytes: Buffer): FailureStatus | undefined {
    const status = this.#types.status.deserialize(bytes);
    let failure: Failure | undefined;
    let retryDelayMs: number | undefined;
    for (const detail of status.details) {
      if (detail.type_url === ERROR_INFO) {
        const info = this.#types.errorInfo.deserialize(detail.value);
        if (info.domain === DOMAIN && info.reason !== '') failure = parseFailure(info.reason, status.message, info.metadata);
      } else if (detail.type_url === RETRY_INFO) {
        const { retryDelay } = this.#types.retryInfo.deserialize(detail.value);
        if (retryDelay !== null) retryDelayMs = Number(retryDelay.seconds) * 1_000 + retryDelay.nanos / 1e6;
      }
    }
    if (failure === undefined) return undefined;
    return retryDelayMs === undefined ? { code: status.code, failure } : { code: status.code, failure, retryDelayMs };
  }
}

/** The message types of the trailer, as proto-loader gives them. */
export interface StatusTypes {
  readonly status: MessageTypeDefinition<StatusInput, Status>;
  readonly errorInfo: MessageTypeDefinition<ErrorInfoInput, ErrorInfo>;
  readonly retryInfo: MessageTypeDefinition<RetryInfoInput, RetryInfo>;
}

const DOMAIN = 'volplane';
const ERROR_INFO = 'type.googleapis.com/google.rpc.ErrorInfo';
const RETRY_INFO = 'type.googleapis.com/google.rpc.RetryInfo';
