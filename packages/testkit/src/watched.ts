import { AppError } from '@volplane/base';

/** How a promise stands, for tests that move the clock and look. */
export interface Watched {
  /** `waiting`, `resolved`, or the reason or text of the rejection. */
  state: string;
  answer?: unknown;
}

export function watch(work: Promise<unknown>): Watched {
  const watched: Watched = { state: 'waiting' };
  work.then(
    (answer) => Object.assign(watched, { state: 'resolved', answer }),
    (error: unknown) => Object.assign(watched, { state: error instanceof AppError ? error.reason : String(error) }),
  );
  return watched;
}
