/** What is known of a line when it is written. */
export interface Line {
  readonly timestamp: string;
  readonly level: string;
  readonly message: string;
  /** Plain JSON, as plain-fields.ts makes it. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/**
 * A log line for people: time, level, message and fields on one line, then what went wrong with its causes and, for
 * faults of ours, where. Control characters are never written as they are.
 */
export function textLine({ timestamp, level, message, fields }: Line): string {
  const errors = Object.entries(fields).filter((entry): entry is [string, PlainError] => isPlainError(entry[1]));
  const facts = Object.entries(fields).filter(([, value]) => !isPlainError(value));
  const first = [timestamp, level.toUpperCase().padEnd(5), message, ...facts.map(formatFact)].join(' ');
  return [first, ...errors.flatMap(([key, error]) => errorLines(key, error, 1))].join('\n');
}

/** What plain-fields.ts makes of an error. */
interface PlainError {
  readonly message: string;
  readonly reason?: unknown;
  readonly fields?: object;
  readonly name?: unknown;
  readonly code?: unknown;
  readonly stack?: unknown;
  readonly errors?: unknown;
  readonly cause?: unknown;
}

function isPlainError(value: unknown): value is PlainError {
  if (typeof value !== 'object' || value === null || !('message' in value) || typeof value.message !== 'string') return false;
  return 'reason' in value || 'stack' in value;
}

function errorLines(label: string, error: unknown, depth: number): string[] {
  const indent = '  '.repeat(depth);
  if (!isPlainError(error)) return [`${indent}${label}: ${formatValue(error)}`];
  const { message, reason, fields = {}, name, code, stack, errors, cause } = error;
  const facts = [
    ...[reason ?? name, code].filter((fact) => fact !== undefined).map(formatValue),
    ...Object.entries(fields).map(formatFact),
  ];
  const frames = Array.isArray(stack) ? stack.map((frame) => `${indent}    ${String(frame)}`) : [];
  const parts = Array.isArray(errors) ? errors.flatMap((part) => errorLines('one of', part, depth + 1)) : [];
  const causes = cause === undefined ? [] : errorLines('caused by', cause, depth + 1);
  return [`${indent}${label}: ${withoutControls(message)} (${facts.join(' ')})`, ...frames, ...parts, ...causes];
}

function formatFact([key, value]: readonly [string, unknown]): string {
  return `${withoutControls(key)}=${formatValue(value)}`;
}

function formatValue(value: unknown): string {
  return typeof value === 'string' && /^[\w./:@+,*-]+$/.test(value) ? value : withoutControls(JSON.stringify(value));
}

/** A terminal obeys some of them. */
function withoutControls(text: string): string {
  return text.replace(/\p{Cc}/gu, (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
