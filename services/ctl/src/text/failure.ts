import { AppError, errorText, REASONS, type Failure } from '@volplane/base';
import { printable } from './table.js';

/** A refusal for people: the sentence, its reason, the facts, and what would free it. */
export function failureText(failure: Failure): string {
  const shown = Object.entries(failure.fields).filter(([, value]) => value !== '');
  const longest = Math.max(0, ...shown.map(([name]) => name.length));
  return [
    `volctl: ${printable(failure.message)} (${failure.reason})`,
    ...shown.map(([name, value]) => `  ${printable(name).padEnd(longest)}  ${printable(value)}`),
    `What to do: ${REASONS[failure.reason].whatToDo}`,
  ].join('\n');
}

/** The same for programs. */
export function failureJson(failure: Failure): object {
  const { kind, whatToDo } = REASONS[failure.reason];
  return { error: { ...failure, kind, whatToDo } };
}

/** Whatever went wrong here, as a failure; a fault of volctl itself keeps its text, because nobody else will log it. */
export function failureOf(error: unknown): Failure {
  if (error instanceof AppError) return error.failure;
  return { reason: 'INTERNAL', message: errorText(error), fields: {} };
}
