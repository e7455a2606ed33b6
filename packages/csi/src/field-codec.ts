import { createHash } from 'node:crypto';
import type { WireCapacityRange, WireMap } from './messages.js';
import { CsiError } from './status.js';

/** The text of a required field. @throws CsiError INVALID_ARGUMENT when it is missing or longer than CSI allows */
export function requireText(text: string, field: string, bytesMax: number = TEXT_BYTES_MAX): string {
  if (text === '') throw new CsiError('INVALID_ARGUMENT', `${field} is missing`);
  const bytes = Buffer.byteLength(text);
  if (bytes > bytesMax) throw new CsiError('INVALID_ARGUMENT', `${field} has ${bytes} bytes, at most ${bytesMax} are allowed`);
  return text;
}

/** A name for a new thing: like {@link requireText}, without the control characters that CSI forbids. */
export function requireName(text: string, field: string): string {
  requireText(text, field);
  if (FORBIDDEN_IN_NAMES.test(text)) throw new CsiError('INVALID_ARGUMENT', `${field} holds a control character`);
  return text;
}

/** Checks the size of a map. @throws CsiError INVALID_ARGUMENT */
export function requireMap(map: WireMap, field: string): WireMap {
  const bytes = Object.entries(map).reduce((sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value), 0);
  if (bytes > MAP_BYTES_MAX) throw new CsiError('INVALID_ARGUMENT', `${field} has ${bytes} bytes, at most ${MAP_BYTES_MAX} are allowed`);
  return map;
}

/** The bounds asked for; 0 is unspecified and becomes absent (Swarm sends {0, 0}). */
export interface SizeRange {
  readonly requiredBytes?: number;
  readonly limitBytes?: number;
}

/** @throws CsiError INVALID_ARGUMENT for nonsense, OUT_OF_RANGE for sizes that no storage of ours has */
export function parseSizeRange(range: WireCapacityRange | null): SizeRange {
  if (range === null) return {};
  const requiredBytes = parseSize(range.required_bytes, 'capacity_range.required_bytes');
  const limitBytes = parseSize(range.limit_bytes, 'capacity_range.limit_bytes');
  if (limitBytes > 0 && requiredBytes > limitBytes) {
    throw new CsiError('INVALID_ARGUMENT', `capacity_range.required_bytes ${requiredBytes} is above limit_bytes ${limitBytes}`);
  }
  return { ...(requiredBytes > 0 ? { requiredBytes } : {}), ...(limitBytes > 0 ? { limitBytes } : {}) };
}

/** max_entries of a list: 0 = no bound. @throws CsiError INVALID_ARGUMENT when negative */
export function parseMaxEntries(count: number): number {
  if (count < 0) throw new CsiError('INVALID_ARGUMENT', `max_entries is ${count}`);
  return count;
}

/** ISO 8601 text as google.protobuf.Timestamp. */
export function toTimestamp(iso: string): { readonly seconds: string; readonly nanos: number } {
  const ms = Date.parse(iso);
  const seconds = Math.floor(ms / 1000);
  return { seconds: String(seconds), nanos: Math.round((ms - seconds * 1000) * 1e6) };
}

/** The first `length` hexadecimal characters of the SHA-256 of `text`. */
export function digest(text: string, length: number): string {
  return createHash('sha256').update(text).digest('hex').slice(0, length);
}

/** JSON with sorted keys: the same for messages that say the same. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([one], [other]) => (one < other ? -1 : 1)))
      : inner,
  );
}

/** CSI: strings without a bound of their own, and map<string, string> fields as a whole. */
export const TEXT_BYTES_MAX = 128;
const MAP_BYTES_MAX = 4096;
/** PATH_MAX of Linux. */
export const PATH_BYTES_MAX = 4096;

/** U+0000 to 0008, 000B, 000C, 000E to 001F, 007F to 009F: tab and line ends are allowed. */
// eslint-disable-next-line no-control-regex -- CSI lists these characters
const FORBIDDEN_IN_NAMES = /[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F]/;

function parseSize(text: string, field: string): number {
  const size = BigInt(text);
  if (size < 0n) throw new CsiError('INVALID_ARGUMENT', `${field} is negative: ${text}`);
  if (size > BigInt(Number.MAX_SAFE_INTEGER)) throw new CsiError('OUT_OF_RANGE', `${field} ${text} is more than any storage here has`);
  return Number(size);
}
