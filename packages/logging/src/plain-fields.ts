import { AppError } from '@volplane/base';

/** Log fields as plain JSON: errors with their causes, secrets masked, everything bounded. Never throws. */
export function toPlain(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return plainObject(fields, 0);
}

function plain(value: unknown, depth: number): unknown {
  switch (typeof value) {
    case 'string':
      return plainText(value);
    case 'bigint':
      return value.toString();
    case 'function':
    case 'symbol':
      return `[${typeof value}]`;
    case 'object':
      break;
    default:
      return value;
  }
  if (value === null) return null;
  if (value instanceof Error) return plainError(value, depth);
  if (depth >= DEPTH_MAX) return '[deeper]';
  if (value instanceof Date) return Number.isNaN(value.valueOf()) ? 'invalid date' : value.toISOString();
  if (ArrayBuffer.isView(value)) return `[${String(value.byteLength)} bytes]`;
  if (value instanceof Map) return plain(Object.fromEntries(value), depth);
  const items = Array.isArray(value) ? (value as readonly unknown[]) : value instanceof Set ? [...value.values()] : undefined;
  if (items === undefined) return plainObject(value as Readonly<Record<string, unknown>>, depth + 1);
  const shown = items.slice(0, ITEMS_MAX).map((item) => plain(item, depth + 1));
  return items.length > ITEMS_MAX ? [...shown, `[${String(items.length - ITEMS_MAX)} more]`] : shown;
}

function plainObject(value: Readonly<Record<string, unknown>>, depth: number): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  const keys = Object.keys(value);
  for (const key of keys.slice(0, ITEMS_MAX)) {
    if (value[key] === undefined) continue;
    result[key] = isSecretKey(key) && value[key] !== '' ? '***' : plain(value[key], depth);
  }
  if (keys.length > ITEMS_MAX) result['…'] = `[${String(keys.length - ITEMS_MAX)} more]`;
  return result;
}

/** winston itself shows an error in a field as `{}`. */
function plainError(error: Error, depth: number): Record<string, unknown> {
  const own =
    error instanceof AppError
      ? { reason: error.reason, fields: plainObject(error.failure.fields, depth + 1) }
      : { name: error.name, stack: firstFrames(error) };
  const code = 'code' in error ? { code: plain(error.code, DEPTH_MAX) } : {};
  const causes =
    error instanceof AggregateError
      ? { errors: (error.errors as readonly unknown[]).slice(0, ITEMS_MAX).map((each) => plain(each, depth + 1)) }
      : {};
  const cause = error.cause === undefined || depth >= DEPTH_MAX ? {} : { cause: plain(error.cause, depth + 1) };
  return { message: plainText(error.message), ...own, ...code, ...causes, ...cause };
}

function firstFrames(error: Error): readonly string[] {
  return (error.stack ?? '')
    .split('\n')
    .filter((line) => line.trimStart().startsWith('at '))
    .slice(0, FRAMES_MAX)
    .map((line) => line.trim());
}

/** Masked in twice the length that is shown, so that the cut cannot part a secret from what gives it away. */
function plainText(text: string): string {
  const masked = text
    .slice(0, 2 * TEXT_MAX)
    .replace(/\b(\w{1,20}:\/\/[^\s:/@]{0,200}):[^\s@/]+@/g, '$1:***@')
    .replace(/\b(pass(?:word|wd)?=)[^,\s]+/gi, '$1***');
  return masked.length > TEXT_MAX ? `${masked.slice(0, TEXT_MAX)}… (${String(text.length)} characters)` : masked;
}

/** A path of a file that holds a secret may be shown, the secret may not. */
const isSecretKey = (key: string): boolean => /pass(word|wd)?$|secret$|token$|credentials?$|private_?key$|^key$/i.test(key);

const DEPTH_MAX = 6;
const ITEMS_MAX = 64;
const TEXT_MAX = 4_096;
const FRAMES_MAX = 12;
