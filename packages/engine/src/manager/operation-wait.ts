import { AppError, withTimeout, type Clock, type Failure } from '@volplane/base';
import type { VolumeName } from '@volplane/domain';
import type { CallContext } from '../api.js';
import type { Driven, Operations } from './operations.js';

/**
 * Drives a volume's operation within the caller's time; what is left of it then is some manager's business, not the caller's.
 *
 * @throws AppError what `onTimeout` gives;
 */
export function driveWithin(
  parts: { readonly operations: Operations; readonly clock: Clock },
  name: VolumeName,
  context: CallContext,
  onTimeout: () => AppError,
): Promise<Driven> {
  return withTimeout(parts.clock, parts.operations.drive(name), {
    timeoutMs: Math.max(1, context.timeoutMs - ANSWER_MARGIN_MS),
    onTimeout,
  });
}

/** The operation is recorded and not at its end: neither a failure nor a success, whatever `failure` held it up so far. */
export function unfinished(
  name: VolumeName,
  reason: 'VOLUME_CREATING' | 'VOLUME_REMOVING' | 'UNKNOWN_OUTCOME',
  done: string,
  failure?: Failure,
): AppError {
  const why = failure === undefined ? '' : ` (${failure.message})`;
  return new AppError(reason, `volume ${name} is not ${done} yet${why}; a manager goes on with it, repeat the call to see the end`, {
    volume: name,
    retryDelayMs: '500',
    ...(failure === undefined ? {} : { waitsFor: failure.reason }),
  });
}

/** Left of the caller's time for writing the answer. */
const ANSWER_MARGIN_MS = 50;
