import { REASONS, type Failure, type ReasonKind } from '@volplane/base';
import { status } from '@grpc/grpc-js';

/**
 * The one place where reasons meet gRPC's status codes. Each kind has its own code, so a client can go back from the code alone
 * when the details of the status are missing.
 */
const STATUS_OF_KIND = {
  invalid: status.INVALID_ARGUMENT,
  'not-found': status.NOT_FOUND,
  exists: status.ALREADY_EXISTS,
  precondition: status.FAILED_PRECONDITION,
  aborted: status.ABORTED,
  exhausted: status.RESOURCE_EXHAUSTED,
  unavailable: status.UNAVAILABLE,
  deadline: status.DEADLINE_EXCEEDED,
  cancelled: status.CANCELLED,
  unimplemented: status.UNIMPLEMENTED,
  'data-loss': status.DATA_LOSS,
  internal: status.INTERNAL,
} as const satisfies Record<ReasonKind, status>;

export function statusOf(failure: Failure): status {
  return STATUS_OF_KIND[REASONS[failure.reason].kind];
}

/** When to make the same call again, for the failures where that helps; undefined for the others. */
export function retryDelayMsOf(failure: Failure): number | undefined {
  const repeatable = failure.reason === 'OVERLOADED' || REASONS[failure.reason].kind === 'unavailable';
  if (!repeatable) return undefined;
  const given = Number(failure.fields['retryDelayMs']);
  return given >= 0 && given <= RETRY_DELAY_MS_MAX ? given : RETRY_DELAY_MS;
}

/** For whoever does not say: about the time in which a manager is replaced by another or a queue of calls is worked off. */
const RETRY_DELAY_MS = 1_000;

/** Longer than any delay of ours; what is above it was not meant as a delay. */
const RETRY_DELAY_MS_MAX = 3_600_000;

/** Where clients look for a google.rpc.Status. */
export const DETAILS_KEY = 'grpc-status-details-bin';

/** The fields of an UNKNOWN_OUTCOME that is this server's own: to the client the same as a lost connection. */
export const STOPPED = { server: 'stopped' } as const;
