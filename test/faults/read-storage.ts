import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { RecordRun, StorageEvent } from './history.js';
import { RECORD_BYTES, RECORDS_FILE, type WriteRecord } from './writer-lines.js';

const exec = promisify(execFile);

/** Reads the records of every volume that is or was on the storage: images and folders, in their places and in the trash. */
export async function readStorage(storage: string, scratch: string): Promise<readonly StorageEvent[]> {
  await mkdir(scratch, { recursive: true });
  const events: StorageEvent[] = [];
  for (const root of [join(storage, 'images'), join(storage, 'folders')]) {
    const kept = await list(join(root, '.trash'));
    const present = (await list(root)).filter((name) => !name.startsWith('.'));
    for (const folder of [...present.map((name) => join(root, name)), ...kept.map((name) => join(root, '.trash', name))]) {
      // One after the other: images are mounted at one place.
      events.push(await readVolume(folder, scratch));
    }
  }
  return events;
}

async function readVolume(folder: string, scratch: string): Promise<StorageEvent> {
  const { name, uid } = JSON.parse(await readFile(join(folder, 'volume.json'), 'utf8')) as { name: string; uid: string }; // the drivers' marker
  const image = join(folder, 'image');
  if (!existsSync(image)) return { type: 'storage', volume: name, uid, ...(await readRecords(join(folder, '_data'))) };
  // Writable, so that the journal is replayed as at the next use.
  await exec('mount', ['-o', 'loop', image, scratch]);
  try {
    return { type: 'storage', volume: name, uid, ...(await readRecords(scratch)) };
  } finally {
    await exec('umount', [scratch]);
  }
}

async function readRecords(folder: string): Promise<Pick<StorageEvent, 'runs' | 'damaged'>> {
  const path = join(folder, RECORDS_FILE);
  return existsSync(path) ? toRuns(await readFile(path, 'latin1')) : { runs: [], damaged: [] };
}

/** The records in their order, those of one writer that follow each other in one entry. */
export function toRuns(text: string): Pick<StorageEvent, 'runs' | 'damaged'> {
  const runs: RecordRun[] = [];
  const damaged: string[] = [];
  for (let start = 0; start < text.length; start += RECORD_BYTES) {
    const line = text.slice(start, start + RECORD_BYTES);
    const record = parseRecord(line);
    const last = runs.at(-1);
    if (record === undefined) damaged.push(line.slice(0, 60));
    else if (last?.writer === record.writer && last.epoch === record.epoch && last.node === record.node && last.last + 1 === record.number)
      runs[runs.length - 1] = { ...last, last: record.number };
    else runs.push({ writer: record.writer, node: record.node, epoch: record.epoch, first: record.number, last: record.number });
  }
  return { runs, damaged: damaged.slice(0, DAMAGED_MAX) };
}

function parseRecord(line: string): WriteRecord | undefined {
  if (line.length !== RECORD_BYTES || !line.endsWith('\n')) return undefined;
  try {
    return JSON.parse(line) as WriteRecord; // written by the writer process
  } catch {
    return undefined;
  }
}

async function list(folder: string): Promise<readonly string[]> {
  return existsSync(folder) ? await readdir(folder) : [];
}

/** Enough to see what it is. */
const DAMAGED_MAX = 5;
