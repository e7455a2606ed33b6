import { AppError } from '@volplane/base';

/** True when `error` is a failed system call with one of `codes`. */
export function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && codes.includes(error.code);
}

/**
 * A failed system call as a refusal of the driver. `what` says what was being done, and names the volume.
 *
 * Full is NO_CAPACITY; what is refused for good is DRIVER_FAILED; anything else (I/O errors, a dead server) may pass or
 * have happened: DRIVER_UNAVAILABLE, so that the agent asks again.
 */
export function fsFault(error: unknown, what: string): AppError {
  if (error instanceof AppError) return error;
  if (hasCode(error, 'ENOSPC', 'EDQUOT')) return new AppError('NO_CAPACITY', `${what}: the storage is full`, {}, error);
  if (hasCode(error, 'EACCES', 'EPERM', 'EROFS', 'ENAMETOOLONG'))
    return new AppError('DRIVER_FAILED', `${what} was refused${named(error)}`, {}, error);
  return new AppError('DRIVER_UNAVAILABLE', `${what} failed${named(error)}`, {}, error);
}

/** Runs `work`; a failed system call in it becomes a refusal of the driver, see {@link fsFault}. */
export async function withFsFaults<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw fsFault(error, what);
  }
}

/** The system's name for the error: causes do not go through the doors, and without it nobody there knows what to mend. */
function named(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? ` (${error.code})` : '';
}
