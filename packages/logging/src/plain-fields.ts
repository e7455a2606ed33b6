import { AppError } from '@volplane/base';
import { isSecretKey, maskSecretText, mayHoldSecret } from './secret-masking.js';

/**
 * Log fields as plain JSON: errors with their causes, secrets masked, everything bounded, for each line and in all.
 *
 * @returns `fields` itself when it is all of that already
 * @throws what a getter or a `toJSON` of the fields throws
 */
export function toPlain(fields: Fields): Fields {
  return isPlain(fields) ? fields : toPlainInFull(fields);
}

/** As {@link toPlain}, always by a copy. */
export function toPlainInFull(fields: Fields): Fields {
  return plainObject(fields, 0, { values: VALUES_MAX, characters: CHARACTERS_MAX });
}

type Fields = Readonly<Record<string, unknown>>;

/**
 * True when a copy would show the same: a few facts, each a short text, a number, a boolean or null, with nothing that could be a
 * secret. Nearly every line is so. May be false for others, never true.
 */
function isPlain(fields: Fields): boolean {
  const keys = Object.keys(fields);
  if (keys.length > ITEMS_MAX) return false;
  let characters = 0;
  for (const key of keys) {
    if (!isHarmlessKey(key)) return false;
    characters += key.length;
    const value = fields[key];
    switch (typeof value) {
      case 'string':
        if (value.length > TEXT_MAX || mayHoldSecret(value)) return false;
        characters += value.length;
        break;
      case 'number':
      case 'boolean':
        break;
      default:
        if (value !== null) return false;
    }
  }
  return characters <= CHARACTERS_MAX;
}

/** True for a name that is shown as it is, with its value. The names of fields are constants of the code: each is looked at once. */
function isHarmlessKey(key: string): boolean {
  if (harmlessKeys.has(key)) return true;
  if (key.length > KEY_MAX || isSecretKey(key) || mayHoldSecret(key)) return false;
  if (harmlessKeys.size < KEYS_MAX) harmlessKeys.add(key);
  return true;
}

const harmlessKeys = new Set<string>();

/** More than the code has names; past it a name is looked at each time. */
const KEYS_MAX = 1_024;
const KEY_MAX = 64;

/** What may still be shown of one line. */
interface Budget {
  values: number;
  characters: number;
}

const DEPTH_MAX = 6;
const ITEMS_MAX = 64;
const TEXT_MAX = 4_096;
const FRAMES_MAX = 12;

/** Of one line, all depths together. */
const VALUES_MAX = 500;
const CHARACTERS_MAX = 32_768;

function plain(value: unknown, depth: number, budget: Budget): unknown {
  budget.values -= 1;
  if (budget.values < 0) return '[left out]';
  switch (typeof value) {
    case 'string':
      return plainText(value, budget);
    case 'bigint':
      return plainText(value.toString(), budget);
    case 'function':
    case 'symbol':
      return `[${typeof value}]`;
    case 'object':
      return value === null ? null : plainThing(value, depth, budget);
    default:
      return value;
  }
}

function plainThing(value: object, depth: number, budget: Budget): unknown {
  if (value instanceof Error) return plainError(value, depth, budget);
  if (depth >= DEPTH_MAX) return '[deeper]';
  if (value instanceof Date) return Number.isNaN(value.valueOf()) ? 'invalid date' : value.toISOString();
  if (ArrayBuffer.isView(value)) return `[${String(value.byteLength)} bytes]`;
  if (value instanceof Map) return plainObject(Object.fromEntries(value as ReadonlyMap<string, unknown>), depth + 1, budget);
  if (Array.isArray(value) || value instanceof Set) return plainItems([...(value as Iterable<unknown>)], depth + 1, budget);
  // What says itself how it wants to be shown: URLs, secrets that hide.
  if (saysItself(value)) return plain(value.toJSON(), depth + 1, budget);
  return plainObject(value as Readonly<Record<string, unknown>>, depth + 1, budget);
}

function saysItself(value: object): value is { toJSON(): unknown } {
  return 'toJSON' in value && typeof value.toJSON === 'function';
}

function plainItems(items: readonly unknown[], depth: number, budget: Budget): readonly unknown[] {
  const shown = items.slice(0, ITEMS_MAX).map((item) => plain(item, depth, budget));
  return items.length > shown.length ? [...shown, `[${String(items.length - shown.length)} more]`] : shown;
}

function plainObject(value: Readonly<Record<string, unknown>>, depth: number, budget: Budget): Record<string, unknown> {
  const keys = Object.keys(value);
  const shown = keys.slice(0, ITEMS_MAX);
  const entries: (readonly [string, unknown])[] = [];
  for (const key of shown) {
    const each = value[key];
    if (each === undefined) continue;
    entries.push([plainText(key, budget), isSecretKey(key) && each !== '' ? '***' : plain(each, depth, budget)]);
  }
  if (keys.length > shown.length) entries.push(['…', `[${String(keys.length - shown.length)} more]`]);
  return Object.fromEntries(entries);
}

/** winston itself shows an error in a field as `{}`. */
function plainError(error: Error, depth: number, budget: Budget): Record<string, unknown> {
  const own =
    error instanceof AppError
      ? { reason: error.reason, fields: plainObject(error.failure.fields, depth + 1, budget) }
      : { name: error.name, stack: firstFrames(error) };
  const code = 'code' in error ? { code: plain(error.code, DEPTH_MAX, budget) } : {};
  const shown = { message: plainText(error.message, budget), ...own, ...code };
  if (depth >= DEPTH_MAX) return shown;
  const errors = error instanceof AggregateError ? { errors: plainItems(error.errors, depth + 1, budget) } : {};
  const cause = error.cause === undefined ? {} : { cause: plain(error.cause, depth + 1, budget) };
  return { ...shown, ...errors, ...cause };
}

function firstFrames(error: Error): readonly string[] {
  return (error.stack ?? '')
    .split('\n')
    .filter((line) => line.trimStart().startsWith('at '))
    .slice(0, FRAMES_MAX)
    .map((line) => line.trim());
}

/** Masked in twice the length that is shown, so that the cut cannot part a secret from what gives it away. */
function plainText(text: string, budget: Budget): string {
  const charactersMax = Math.max(0, Math.min(TEXT_MAX, budget.characters));
  const masked = maskSecretText(text.slice(0, 2 * TEXT_MAX));
  const shown = masked.length > charactersMax ? `${masked.slice(0, charactersMax)}… (${String(text.length)} characters)` : masked;
  budget.characters -= shown.length;
  return shown;
}
