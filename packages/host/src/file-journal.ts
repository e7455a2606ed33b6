import { mkdir, open, readdir, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError, type Logger } from '@volplane/base';
import type { Journal } from '@volplane/ports';
import { syncDirectory, writeFileAtomic } from './atomic-file.js';
import { lockFolder, type FolderLock } from './folder-lock.js';
import { decodeRecords, encodeRecord, type Changes } from './journal-records.js';

export interface FileJournalOptions {
  /** The journal's own folder; made if missing. One process at a time. */
  readonly folder: string;
  readonly log: Logger;
  /** The log is replaced by a snapshot when it has grown by this much; default {@link LOG_BYTES_MAX}. */
  readonly logBytesMax?: number;
}

/**
 * The {@link Journal} on disk: `snapshot-N` and, after it, `log-N` of one checksummed line a write.
 *
 * Writes that come while the disk is busy share the next fdatasync. A line torn by a crash is the last one and is cut off; a fault
 * anywhere else is not guessed around: opening fails. After a failed write nothing can be promised, so every later one fails too.
 */
export class FileJournal implements Journal {
  readonly #options: FileJournalOptions;
  readonly #lock: FolderLock;
  readonly #values: Map<string, unknown>;
  #generation: number;
  #file: FileHandle;
  #logBytes: number;
  #pending: { readonly line: string; readonly resolve: () => void; readonly reject: (error: Error) => void }[] = [];
  #flushing: Promise<void> | undefined;
  #broken: AppError | undefined;

  private constructor(options: FileJournalOptions, lock: FolderLock, state: OpenState) {
    this.#options = options;
    this.#lock = lock;
    this.#values = state.values;
    this.#generation = state.generation;
    this.#file = state.file;
    this.#logBytes = state.logBytes;
  }

  /** @throws AppError DISK_FAILED when the folder is in use by another process, cannot be read, or is damaged */
  static async open(options: FileJournalOptions): Promise<FileJournal> {
    await mkdir(options.folder, { recursive: true, mode: 0o700 });
    const lock = await lockFolder(options.folder);
    try {
      return new FileJournal(options, lock, await readState(options));
    } catch (error) {
      await lock.release();
      throw error instanceof AppError ? error : diskFailed(options.folder, 'cannot be opened', error);
    }
  }

  get(key: string): unknown {
    return this.#values.get(key);
  }

  *entries(prefix: string): Iterable<readonly [key: string, value: unknown]> {
    for (const entry of this.#values) if (entry[0].startsWith(prefix)) yield entry;
  }

  write(changes: Readonly<Record<string, unknown>>): Promise<void> {
    if (this.#broken !== undefined) return Promise.reject(this.#broken);
    const line = encodeRecord(toChanges(changes));
    for (const [key, value] of Object.entries(changes)) {
      if (value === undefined) this.#values.delete(key);
      else this.#values.set(key, value);
    }
    return new Promise((resolve, reject) => {
      this.#pending.push({ line, resolve, reject });
      this.#flushing ??= this.#flush();
    });
  }

  async close(): Promise<void> {
    if (this.#broken === closed) return;
    await this.#flushing;
    this.#broken ??= closed;
    await this.#file.close();
    await this.#lock.release();
  }

  /** Writes what waits, all of it with one fdatasync, until nothing waits. Never rejects. */
  async #flush(): Promise<void> {
    while (this.#pending.length > 0) {
      const batch = this.#pending;
      this.#pending = [];
      try {
        // Batch after batch: the order on disk is the order of the calls.
        await this.#append(batch.map((write) => write.line).join(''));
        for (const write of batch) write.resolve();
        if (this.#logBytes > (this.#options.logBytesMax ?? LOG_BYTES_MAX)) await this.#compact();
      } catch (error) {
        this.#broken = diskFailed(this.#options.folder, 'cannot be written', error);
        this.#options.log.error('journal cannot be written, nothing can be promised any more', { folder: this.#options.folder, error });
        for (const write of [...batch, ...this.#pending.splice(0)]) write.reject(this.#broken);
      }
    }
    // In the same step as the look at what waits: a write that comes later begins a flush of its own.
    this.#flushing = undefined;
  }

  async #append(text: string): Promise<void> {
    if (this.#broken !== undefined) throw this.#broken;
    const buffer = Buffer.from(text);
    // Appended: the file was opened so. A short write is an error of its own.
    const { bytesWritten } = await this.#file.write(buffer);
    if (bytesWritten !== buffer.length) throw new Error(`only ${String(bytesWritten)} of ${String(buffer.length)} bytes were written`);
    await this.#file.datasync();
    this.#logBytes += buffer.length;
  }

  /** A snapshot of everything under the next number, then a fresh log; a crash in between leaves one or the other whole. */
  async #compact(): Promise<void> {
    const { folder } = this.#options;
    const next = this.#generation + 1;
    const file = await open(join(folder, `log-${String(next)}`), 'a', 0o600);
    await writeFileAtomic(join(folder, `snapshot-${String(next)}`), encodeRecord({ set: Object.fromEntries(this.#values), drop: [] }));
    const old = this.#file;
    this.#file = file;
    this.#logBytes = 0;
    this.#generation = next;
    await old.close();
    await rm(join(folder, `log-${String(next - 1)}`), { force: true });
    await rm(join(folder, `snapshot-${String(next - 1)}`), { force: true });
  }
}

interface OpenState {
  readonly values: Map<string, unknown>;
  readonly generation: number;
  readonly file: FileHandle;
  readonly logBytes: number;
}

async function readState(options: FileJournalOptions): Promise<OpenState> {
  const { folder, log } = options;
  const names = await readdir(folder);
  const generation = Math.max(0, ...names.flatMap((name) => (/^snapshot-\d+$/.test(name) ? [Number(name.slice('snapshot-'.length))] : [])));
  const values = new Map<string, unknown>();
  if (generation > 0) {
    const path = join(folder, `snapshot-${String(generation)}`);
    const handle = await open(path);
    const { records, goodBytes, totalBytes } = decodeRecords(await handle.readFile().finally(() => handle.close()), path);
    if (records.length !== 1 || goodBytes !== totalBytes) throw diskFailed(path, 'is damaged', undefined);
    apply(values, records);
  }
  const path = join(folder, `log-${String(generation)}`);
  const file = await open(path, 'a+', 0o600);
  try {
    const { records, goodBytes, totalBytes } = decodeRecords(await file.readFile(), path);
    apply(values, records);
    if (goodBytes < totalBytes) {
      log.warn('journal ended in a torn write, cut off', { path, bytes: totalBytes - goodBytes });
      await file.truncate(goodBytes);
      await file.datasync();
    }
    await syncDirectory(folder);
    for (const name of names) {
      const match = /^(?:log|snapshot)-(\d+)$/.exec(name);
      if (match !== null && Number(match[1]) !== generation) await rm(join(folder, name), { force: true });
    }
    return { values, generation, file, logBytes: goodBytes };
  } catch (error) {
    await file.close();
    throw error;
  }
}

function apply(values: Map<string, unknown>, records: readonly Changes[]): void {
  for (const { set, drop } of records) {
    for (const [key, value] of Object.entries(set)) values.set(key, value);
    for (const key of drop) values.delete(key);
  }
}

function toChanges(changes: Readonly<Record<string, unknown>>): Changes {
  const set: Record<string, unknown> = {};
  const drop: string[] = [];
  for (const [key, value] of Object.entries(changes)) {
    if (value === undefined) drop.push(key);
    else set[key] = value;
  }
  return { set, drop };
}

function diskFailed(path: string, what: string, cause: unknown): AppError {
  return new AppError('DISK_FAILED', `the journal ${path} ${what}`, { path }, cause);
}

const closed = new AppError('DISK_FAILED', 'the journal is closed', {});

/** About 20,000 writes; reading it back at a start takes some 100 ms. */
const LOG_BYTES_MAX = 8 * 1024 * 1024;
