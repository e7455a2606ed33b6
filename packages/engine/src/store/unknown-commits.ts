import { AppError } from '@volplane/base';

/**
 * Runs `tries`, which note every commit whose outcome they could not find out. Such a commit may be in the store, or come there yet:
 * whatever fails after it, nobody may be told that nothing was changed.
 *
 * @throws AppError UNKNOWN_OUTCOME in place of what `tries` failed with, when a commit was noted
 */
export async function tellUnknown<T>(
  about: { readonly kind: 'volume' | 'node'; readonly name: string },
  tries: (unknown: AppError[]) => Promise<T>,
): Promise<T> {
  const unknown: AppError[] = [];
  try {
    return await tries(unknown);
  } catch (error) {
    const [first] = unknown;
    if (first === undefined || !(error instanceof AppError) || error.reason === 'UNKNOWN_OUTCOME') throw error;
    const { kind, name } = about;
    const text = `${kind} ${name}: it is not known whether its change was made (${first.message}); repeat the call`;
    throw new AppError('UNKNOWN_OUTCOME', text, { ...first.failure.fields, [kind]: name }, error);
  }
}
