import { AppError } from '@volplane/base';

/** The AppError that `work` rejects with. @throws what else it rejects with, or when it resolves */
export async function rejection(work: Promise<unknown>): Promise<AppError> {
  let value: unknown;
  try {
    value = await work;
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
  throw new Error(`expected a rejection, it resolved with ${JSON.stringify(value)}`);
}
