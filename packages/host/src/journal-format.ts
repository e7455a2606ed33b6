import { crc32 } from 'node:zlib';
import { AppError } from '@volplane/base';

/**
 * The journal's file: lines of `<crc32 of the JSON, 8 hex digits> <JSON>`. The first is the header; then come the records of
 * the snapshot, which were durable before the file had its name; then the records that were appended.
 *
 * A record is `[seq, unsynced, puts, deletes]`: its number from 1 on, and the number of the first record that was not known to be durable
 * when this one was written. So a reader can tell what the end of the machine may tear (from there on) from a loss in the middle (refused).
 */
export interface JournalRecord {
  readonly puts: Readonly<Record<string, unknown>>;
  readonly deletes: readonly string[];
}

export interface ParsedJournal {
  readonly records: readonly JournalRecord[];
  /** Number of the last record; the next one is one more. */
  readonly seq: number;
  /** Bytes of header and snapshot. */
  readonly snapshotBytes: number;
  /** Bytes up to the end of the last good record; what follows is a torn batch. */
  readonly goodBytes: number;
}

/** The beginning of a file whose snapshot has this many records. */
export function encodeHeader(snapshotRecords: number): string {
  return encodeLine(JSON.stringify({ format: FORMAT, version: VERSION, snapshotRecords }));
}

/** `changes` is the JSON of puts and deletes without brackets, from {@link encodeChanges}. */
export function encodeRecord(seq: number, batch: number, changes: string): string {
  return encodeLine(`[${String(seq)},${String(batch)},${changes}]`);
}

/** @param changes - each key with the JSON of its value, or undefined to delete it */
export function encodeChanges(changes: readonly (readonly [key: string, json: string | undefined])[]): string {
  let puts = '';
  let deletes = '';
  for (const [key, json] of changes) {
    if (json === undefined) deletes += `${deletes === '' ? '' : ','}${JSON.stringify(key)}`;
    else puts += `${puts === '' ? '' : ','}${JSON.stringify(key)}:${json}`;
  }
  return `{${puts}},[${deletes}]`;
}

/** A whole file that holds `state`, each key with the JSON of its value, and the number of its last record. */
export function encodeSnapshot(state: Iterable<readonly [key: string, json: string]>): { readonly text: string; readonly seq: number } {
  const entries = [...state];
  const lines: string[] = [];
  for (let start = 0; start < entries.length; start += SNAPSHOT_KEYS_PER_RECORD) {
    const seq = lines.length + 1;
    lines.push(encodeRecord(seq, seq, encodeChanges(entries.slice(start, start + SNAPSHOT_KEYS_PER_RECORD))));
  }
  return { text: encodeHeader(lines.length) + lines.join(''), seq: lines.length };
}

/**
 * Reads a whole file.
 *
 * @throws AppError DOCUMENT_INVALID when something is lost that was acknowledged, or a newer version wrote the file
 */
export function parseJournal(content: Buffer, path: string): ParsedJournal {
  const [header, ...lines] = splitLines(content);
  const snapshotRecords = parseHeader(header, path);
  const records: JournalRecord[] = [];
  let goodBytes = header?.end ?? 0;
  let snapshotBytes = goodBytes;
  let torn = false;
  for (const line of lines) {
    const record = parseRecord(line, path);
    if (record === undefined) {
      torn = true;
      continue;
    }
    const expected = records.length + 1;
    // Behind a tear only what was written together with the torn records can be good.
    if (torn && record.batch <= expected) continue;
    if (torn || record.seq !== expected)
      throw damaged(path, `record ${String(expected)} is unreadable and later ones are not`, line.number);
    records.push(record);
    goodBytes = line.end;
    if (expected === snapshotRecords) snapshotBytes = line.end;
  }
  if (records.length < snapshotRecords)
    throw damaged(path, `its snapshot of ${String(snapshotRecords)} records is not whole`, lines.length + 1);
  return { records, seq: records.length, snapshotBytes, goodBytes };
}

const FORMAT = 'volplane journal';
const VERSION = 1;

/** Keeps the lines of a snapshot short. */
const SNAPSHOT_KEYS_PER_RECORD = 64;

const LINE_FEED = 0x0a;
const CRC_DIGITS = 8;

interface Line {
  /** From 1 on. */
  readonly number: number;
  /** Undefined when the line has no end or its checksum is wrong. */
  readonly json: string | undefined;
  /** Offset behind the line. */
  readonly end: number;
}

function encodeLine(json: string): string {
  return `${crc32(json).toString(16).padStart(CRC_DIGITS, '0')} ${json}\n`;
}

function splitLines(content: Buffer): Line[] {
  const lines: Line[] = [];
  for (let start = 0; start < content.length;) {
    const feed = content.indexOf(LINE_FEED, start);
    const end = feed === -1 ? content.length : feed + 1;
    lines.push({ number: lines.length + 1, json: feed === -1 ? undefined : checkedJson(content.subarray(start, feed)), end });
    start = end;
  }
  return lines;
}

function checkedJson(line: Buffer): string | undefined {
  const json = line.subarray(CRC_DIGITS + 1);
  const crc = line.toString('latin1', 0, CRC_DIGITS + 1);
  return crc === `${crc32(json).toString(16).padStart(CRC_DIGITS, '0')} ` ? json.toString('utf8') : undefined;
}

function parseHeader(line: Line | undefined, path: string): number {
  if (line?.json === undefined) throw damaged(path, 'its first line is unreadable', 1);
  const header: unknown = JSON.parse(line.json);
  if (typeof header !== 'object' || header === null || !('version' in header) || !('snapshotRecords' in header)) {
    throw damaged(path, 'its first line is no header', 1);
  }
  if (header.version !== VERSION) throw damaged(path, `another version of Volplane wrote it (format ${String(header.version)})`, 1);
  if (typeof header.snapshotRecords !== 'number') throw damaged(path, 'its first line is no header', 1);
  return header.snapshotRecords;
}

function parseRecord(line: Line, path: string): (JournalRecord & { readonly seq: number; readonly batch: number }) | undefined {
  if (line.json === undefined) return undefined;
  const parts: unknown = JSON.parse(line.json);
  if (!Array.isArray(parts)) throw damaged(path, 'a record has an unknown form', line.number);
  const [seq, batch, puts, deletes] = parts as unknown[];
  if (typeof seq !== 'number' || typeof batch !== 'number' || typeof puts !== 'object' || puts === null || !Array.isArray(deletes)) {
    throw damaged(path, 'a record has an unknown form', line.number);
  }
  // The checksum says that this is what encodeChanges wrote.
  return { seq, batch, puts: puts as Readonly<Record<string, unknown>>, deletes: deletes as readonly string[] };
}

function damaged(path: string, fault: string, line: number): AppError {
  return new AppError('DOCUMENT_INVALID', `the journal ${path} is damaged: ${fault}; it was left as it is`, { path, line: String(line) });
}
