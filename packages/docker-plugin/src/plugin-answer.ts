import { AppError, errorText, REASONS, toFailure } from '@volplane/base';

/** Content type of the protocol's version that the engine asks for. */
export const CONTENT_TYPE = 'application/vnd.docker.plugins.v1.2+json';

/**
 * What failed, as one line for the person in front of the engine: the message, its cause, and what to do about it.
 *
 * The protocol has no error codes, so the reason stands in the text.
 */
export function errorLine(error: unknown): string {
  const failure = toFailure(error);
  const cause = error instanceof AppError && error.cause !== undefined ? `: ${errorText(error.cause)}` : '';
  const { whatToDo } = REASONS[failure.reason];
  return `${failure.message}${cause} [${failure.reason}] ${whatToDo}`.slice(0, ERROR_CHARACTERS_MAX);
}

/** Long enough to name some dozens of holders; engines log every error whole. */
const ERROR_CHARACTERS_MAX = 8_000;
