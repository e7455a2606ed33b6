import { isReason, REASONS, type Reason, type ReasonKind } from './reasons.js';

/**
 * A refusal or failure in plain data, as it travels over the bus and to callers.
 *
 * `fields` holds the machine-readable facts (volume, holder, node, mountIds, since, …): at most 32 short strings.
 */
export interface Failure {
  readonly reason: Reason;
  /** One sentence that names the volume and the node; safe to show, free of secrets. */
  readonly message: string;
  readonly fields: Readonly<Record<string, string>>;
}

/** The one error class for the world's failures. Anything else that is thrown is a fault in Volplane. */
export class AppError extends Error {
  readonly failure: Failure;

  constructor(reason: Reason, message: string, fields: Readonly<Record<string, string>> = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'AppError';
    this.failure = { reason, message, fields };
  }

  get reason(): Reason {
    return this.failure.reason;
  }

  get kind(): ReasonKind {
    return REASONS[this.failure.reason].kind;
  }

  static fromFailure(failure: Failure): AppError {
    return new AppError(failure.reason, failure.message, failure.fields);
  }
}

/** True when `error` is an AppError with one of `reasons`. */
export function hasReason(error: unknown, ...reasons: readonly Reason[]): error is AppError {
  return error instanceof AppError && reasons.includes(error.reason);
}

/**
 * True when the effect may have happened although no answer came. Such a failure is followed up, never treated
 * as a failure or as a success.
 */
export function isUnknownOutcome(error: unknown): boolean {
  return hasReason(error, 'UNKNOWN_OUTCOME', 'DEADLINE_EXCEEDED', 'CANCELLED');
}

/** Any thrown value as a Failure; what is not an AppError becomes INTERNAL with its text hidden. */
export function toFailure(error: unknown): Failure {
  if (error instanceof AppError) return error.failure;
  return { reason: 'INTERNAL', message: 'internal fault; the log of this process has the details', fields: {} };
}

/** A Failure as it comes off the wire; unknown reasons of a newer peer become INTERNAL and keep their text. */
export function parseFailure(reason: string, message: string, fields: Readonly<Record<string, string>>): Failure {
  if (isReason(reason)) return { reason, message, fields };
  return { reason: 'INTERNAL', message, fields: { ...fields, peerReason: reason } };
}

/**
 * For faults of our own: what must hold at this point.
 *
 * @param expectation - what should have held; a function where the text has to be built and the place is passed often, called only
 *   when it did not hold
 * @throws Error with that text, never an AppError: a fault is not an answer
 */
export function assert(condition: unknown, expectation: string | (() => string)): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${typeof expectation === 'string' ? expectation : expectation()}`);
}

/** In the default branch of a switch over a union: does not compile while a member is missing. */
export function unreachable(value: never, what: string): never {
  throw new Error(`unexpected ${what}: ${JSON.stringify(value)}`);
}

/** The text of any thrown value and of its causes, outermost first, for logs and refusal causes. */
export function errorText(error: unknown): string {
  const texts: string[] = [];
  let current: unknown = error;
  for (let depth = 0; depth < ERROR_CHAIN_MAX && current !== undefined; depth += 1) {
    texts.push(current instanceof Error ? current.message : textOf(current));
    current = current instanceof Error ? current.cause : undefined;
  }
  return texts.join(': ');
}

function textOf(value: unknown): string {
  return String(value);
}

/** Long enough for every chain that we build; a cycle of causes ends here. */
const ERROR_CHAIN_MAX = 8;
