import { AppError, type Reason } from '@volplane/base';
import type { StatusCodec } from '@volplane/wire';
import { status, type ServiceError } from '@grpc/grpc-js';
import { DETAILS_KEY, STOPPED } from '../status-map.js';

/** How a call ended, and what that says about its effect. */
export interface CallFailure {
  readonly error: AppError;
  /**
   * `answered`: the server said so itself. `unsent`: the call was never sent. `lost`: the connection went away with the call
   * on it, or the server stopped in the middle: it may have been done.
   */
  readonly outcome: 'answered' | 'unsent' | 'lost';
}

/** Rebuilds what the server failed with: the same AppError on both sides. */
export function fromStatus(error: ServiceError, codec: StatusCodec, address: string): CallFailure {
  const [details] = error.metadata.get(DETAILS_KEY);
  const failure = details instanceof Buffer ? codec.decode(details)?.failure : undefined;
  if (failure !== undefined) {
    const stopped = failure.reason === 'UNKNOWN_OUTCOME' && failure.fields['server'] === STOPPED.server;
    return { error: AppError.fromFailure(failure), outcome: stopped ? 'lost' : 'answered' };
  }
  switch (error.code) {
    case status.UNAVAILABLE:
      if (UNSENT.some((text) => error.details.includes(text))) return { error: unreachable(error, address), outcome: 'unsent' };
      return { error: lost(error, address), outcome: 'lost' };
    case status.CANCELLED:
      // We did not cancel it: whoever calls this has looked at the signal. A server that ends by force resets its streams so.
      return { error: lost(error, address), outcome: 'lost' };
    case status.DEADLINE_EXCEEDED:
      return { error: deadlineExceeded(error), outcome: 'answered' };
    default:
      return { error: foreign(error, address), outcome: 'answered' };
  }
}

export function deadlineExceeded(cause?: unknown): AppError {
  return new AppError('DEADLINE_EXCEEDED', 'the time of the call ran out, its outcome is unknown; repeat the same call', {}, cause);
}

// What grpc-js says when a call found no connection; it has no code for it.
const UNSENT = ['No connection established', 'Name resolution failed', 'Stream refused by server'];

function unreachable(error: ServiceError, address: string): AppError {
  return new AppError('UNREACHABLE', `no server answers at ${address}; nothing was begun`, { address }, error);
}

function lost(error: ServiceError, address: string): AppError {
  return new AppError(
    'UNKNOWN_OUTCOME',
    `the connection to ${address} was lost before the answer came; repeat the same call`,
    { address },
    error,
  );
}

/** Statuses that grpc itself makes, or another server at this address. */
function foreign(error: ServiceError, address: string): AppError {
  const reason = FOREIGN_REASONS[error.code] ?? 'INTERNAL';
  return new AppError(
    reason,
    `${address} answered ${status[error.code]}: ${error.details}`,
    { address, status: status[error.code] },
    error,
  );
}

const FOREIGN_REASONS: Partial<Record<status, Reason>> = {
  // A message above the bound of the transport: too many calls are always refused with a reason.
  [status.RESOURCE_EXHAUSTED]: 'TOO_LARGE',
  [status.UNIMPLEMENTED]: 'NOT_IMPLEMENTED',
  // What we do not find is told with a reason; this is what a health service says of a service that it does not have.
  [status.NOT_FOUND]: 'NOT_IMPLEMENTED',
};
