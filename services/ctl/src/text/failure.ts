import { AppError, errorText, REASONS, type Failure } from '@volplane/base';
import { printable } from './table.js';

/** What a command failed with, for people or as a line of JSON for programs. */
export function shownFailure(error: unknown, isJson: boolean): string {
  const failure = failureOf(error);
  const cause = causeOf(error);
  return `${isJson ? JSON.stringify(failureJson(failure, cause)) : failureText(failure, cause)}\n`;
}

/** A refusal for people: the sentence, its reason, the facts, why, and what would free it. */
function failureText(failure: Failure, cause: string | undefined): string {
  // What frees this very one says more than what frees its kind.
  const { freedBy = '', ...fields } = failure.fields;
  const shown = Object.entries(fields).filter(([, value]) => value !== '');
  const longest = Math.max(0, ...shown.map(([name]) => name.length));
  return [
    `volctl: ${printable(failure.message)} (${failure.reason})`,
    ...shown.map(([name, value]) => `  ${printable(name).padEnd(longest)}  ${printable(value)}`),
    ...(cause === undefined ? [] : [`Cause: ${printable(cause)}`]),
    `What to do: ${freedBy === '' ? REASONS[failure.reason].whatToDo : printable(freedBy)}`,
  ].join('\n');
}

/** The same for programs. */
export function failureJson(failure: Failure, cause?: string): object {
  const { kind, whatToDo } = REASONS[failure.reason];
  return { error: { ...failure, kind, ...(cause === undefined ? {} : { cause }), whatToDo } };
}

/** Whatever went wrong here, as a failure; a fault of volctl itself keeps its text, because nobody else will log it. */
function failureOf(error: unknown): Failure {
  if (error instanceof AppError) return error.failure;
  return { reason: 'INTERNAL', message: errorText(error), fields: {} };
}

/** What the network or a file said, where it was this process that failed: the deepest cause, which the sentences above it only wrap. */
function causeOf(error: unknown): string | undefined {
  let deepest: unknown = error;
  // A chain of a few links; the bound is for one that bites its tail.
  for (let depth = 0; depth < CAUSES_MAX && deepest instanceof Error && deepest.cause !== undefined; depth += 1) deepest = deepest.cause;
  if (deepest === error || !(error instanceof AppError)) return undefined;
  const text = errorText(deepest).replace(GRPC_PREFIX, '').replace(GRPC_REST, '').replace(/\s+/g, ' ').trim();
  return text === '' || error.message.includes(text) ? undefined : text;
}

const CAUSES_MAX = 8;

// What grpc-js puts around the word of the network.
const GRPC_PREFIX = /^\d+ [A-Z_]+: /;
const GRPC_REST = /\.? Resolution note: *$/;
