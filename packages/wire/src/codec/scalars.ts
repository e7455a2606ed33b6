import { AppError } from '@volplane/base';
import { LIMITS, quote, type StringMap } from '@volplane/domain';

/** Entries of a list in a request: names, drivers, labels to drop, volumes of one batch message. */
export const LIST_ENTRIES_MAX = 1_000;

/** Lets a codec fill the optional fields of a plain object one by one, without a spread for each. */
export type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

/** @throws AppError INVALID_ARGUMENT naming the field, always */
export function refuseField(field: string, fault: string): never {
  throw new AppError('INVALID_ARGUMENT', `${field} ${fault}`, { field });
}

/**
 * A uint64 as it is decoded, in decimal digits.
 *
 * @throws AppError INVALID_ARGUMENT above 2^53 - 1, which no size, revision, epoch or seq reaches
 */
export function uint64FromWire(digits: string, field: string): number {
  const value = Number(digits);
  if (!Number.isSafeInteger(value)) refuseField(field, `is ${quote(digits)}, at most ${String(Number.MAX_SAFE_INTEGER)} is allowed`);
  return value;
}

/**
 * A uint64 to encode. The encoder would turn a negative number into 0 and round a fraction without a word.
 *
 * @throws AppError INVALID_ARGUMENT unless it is a whole number from 0 to 2^53 - 1
 */
export function uint64ToWire(value: number, field: string): number {
  if (!Number.isSafeInteger(value) || value < 0)
    refuseField(field, `is ${String(value)}, a whole number from 0 to ${String(Number.MAX_SAFE_INTEGER)} is needed`);
  return value;
}

/** A uint32 to encode; see {@link uint64ToWire}. */
export function uint32ToWire(value: number, field: string): number {
  if (!Number.isInteger(value) || value < 0 || value > UINT32_MAX)
    refuseField(field, `is ${String(value)}, a whole number from 0 to ${String(UINT32_MAX)} is needed`);
  return value;
}

const UINT32_MAX = 2 ** 32 - 1;

/**
 * A decoded map of strings, the same object once it is checked.
 *
 * @throws AppError TOO_LARGE beyond the bounds of {@link LIMITS}; INVALID_ARGUMENT for an empty key and `__proto__`
 */
export function mapFromWire(map: StringMap, field: string): StringMap {
  let entries = 0;
  for (const key in map) {
    entries += 1;
    if (entries > LIMITS.mapEntries) refuseSize(`${field} has more than ${String(LIMITS.mapEntries)} entries`, field, LIMITS.mapEntries);
    checkMapText(key, field, 'key', LIMITS.mapKeyBytes);
    checkMapText(map[key] ?? '', field, 'value', LIMITS.mapValueBytes);
    if (key === '') refuseField(field, 'has an empty key');
    // Not a secret door, but code that copies maps key by key would lose it silently.
    if (key === '__proto__') refuseField(field, 'has the key "__proto__", which is not allowed');
  }
  return map;
}

function checkMapText(text: string, field: string, what: string, bytesMax: number): void {
  // No text has more bytes than 3 for each UTF-16 unit; most are far below the bound and need no count.
  if (text.length * 3 <= bytesMax) return;
  const bytes = Buffer.byteLength(text);
  if (bytes > bytesMax)
    refuseSize(`${field} has a ${what} of ${String(bytes)} bytes, at most ${String(bytesMax)} are allowed`, field, bytesMax);
}

/** As {@link mapFromWire}; an empty map is an absent one. */
export function optionalMapFromWire(map: StringMap, field: string): StringMap | undefined {
  return hasEntries(map) ? mapFromWire(map, field) : undefined;
}

/** False for an empty map; without a list of its keys. */
export function hasEntries(map: object): boolean {
  for (const _ in map) return true;
  return false;
}

/** A decoded list of a request. @throws AppError TOO_LARGE above {@link LIST_ENTRIES_MAX} */
export function listFromWire<Item>(list: readonly Item[], field: string): readonly Item[] {
  if (list.length > LIST_ENTRIES_MAX) {
    refuseSize(`${field} has ${String(list.length)} entries, at most ${String(LIST_ENTRIES_MAX)} are allowed`, field, LIST_ENTRIES_MAX);
  }
  return list;
}

/** A part that the sender always writes. @throws AppError INVALID_ARGUMENT when it is missing */
export function required<T>(part: T | null | undefined, field: string): T {
  if (part === null || part === undefined) refuseField(field, 'is missing');
  return part;
}

/**
 * Text of a known form, such as a name or a uid.
 *
 * @throws AppError INVALID_ARGUMENT when `isValid` says no
 */
export function textFromWire<Text extends string>(text: string, isValid: (text: string) => text is Text, field: string): Text {
  if (!isValid(text)) refuseField(field, `is ${quote(text)}, which is not allowed there`);
  return text;
}

/**
 * The one member of a oneof that is present. The decoder keeps each member that it meets, so two can be there at once.
 *
 * @throws AppError INVALID_ARGUMENT for none and for two
 */
export function oneOf<Name extends string>(message: { readonly [Key in Name]?: unknown }, names: readonly Name[], field: string): Name {
  let present: Name | undefined;
  for (const name of names) {
    if (message[name] === undefined || message[name] === null) continue;
    if (present !== undefined) refuseField(field, `has both ${present} and ${name}, one is needed`);
    present = name;
  }
  return required(present, field);
}

function refuseSize(message: string, field: string, limit: number): never {
  throw new AppError('TOO_LARGE', message, { field, limit: String(limit) });
}
