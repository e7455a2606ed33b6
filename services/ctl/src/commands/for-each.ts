import { AppError } from '@volplane/base';
import { exitOf } from '../exit-codes.js';
import type { Session } from '../session.js';
import { shownFailure } from '../text/failure.js';

/**
 * Does `work` for each name, one after the other, and goes on after a refusal. The command ends as the first refusal says.
 *
 * @returns what succeeded
 */
export async function forEach<T>(session: Session, names: readonly string[], work: (name: string) => Promise<T>): Promise<readonly T[]> {
  const done: T[] = [];
  for (const name of names) {
    try {
      // In the order given, so that what was done before a fault is clear.
      done.push(await work(name));
    } catch (error) {
      if (!(error instanceof AppError) || error.kind === 'cancelled') throw error;
      if (session.exit === 'ok') session.endWith(exitOf(error));
      session.io.err(shownFailure(error, session.isJson));
    }
  }
  return done;
}
