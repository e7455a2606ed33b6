import { crc32 } from 'node:zlib';
import { AppError } from '@volplane/base';

/** One write of the journal. */
export interface Changes {
  readonly set: Readonly<Record<string, unknown>>;
  readonly drop: readonly string[];
}

/** A line: eight hexadecimal digits of the CRC-32 of the JSON, a blank, the JSON. */
export function encodeRecord(changes: Changes): string {
  const json = JSON.stringify(changes);
  return `${checksum(json)} ${json}\n`;
}

/**
 * Every whole record from the start. Only the very end may be torn: a crash leaves at most one write unfinished.
 *
 * @throws AppError DISK_FAILED when a damaged line is followed by a good one
 */
export function decodeRecords(
  bytes: Buffer,
  path: string,
): { readonly records: readonly Changes[]; readonly goodBytes: number; readonly totalBytes: number } {
  const records: Changes[] = [];
  let goodBytes = 0;
  let damagedAt: number | undefined;
  for (let start = 0; start < bytes.length;) {
    const end = bytes.indexOf(0x0a, start);
    const record = end < 0 ? undefined : decodeRecord(bytes.toString('utf8', start, end));
    if (record === undefined) damagedAt ??= start;
    else if (damagedAt !== undefined) {
      throw new AppError('DISK_FAILED', `the journal ${path} is damaged at byte ${String(damagedAt)}; it was left as it is`, {
        path,
        byte: String(damagedAt),
      });
    } else {
      records.push(record);
      goodBytes = end + 1;
    }
    if (end < 0) break;
    start = end + 1;
  }
  return { records, goodBytes, totalBytes: bytes.length };
}

function decodeRecord(line: string): Changes | undefined {
  const json = line.slice(9);
  if (line[8] !== ' ' || line.slice(0, 8) !== checksum(json)) return undefined;
  return JSON.parse(json) as Changes; // what the checksum covers is what encodeRecord wrote
}

function checksum(json: string): string {
  return crc32(json).toString(16).padStart(8, '0');
}
