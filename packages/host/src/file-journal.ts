import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { AppError, assert, systemClock, type Clock, type Logger, type Random } from '@volplane/base';
import { changesOf, JOURNAL_LIMITS, type Journal, type JournalChanges, type JournalGrade } from '@volplane/ports';
import { syncDirectory, writeFileAtomic } from './atomic-file.js';
import { lockFolder, type FolderLock } from './folder-lock.js';
import { encodeChanges, encodeHeader, encodeRecord, encodeSnapshot, parseJournal, type ParsedJournal } from './journal-format.js';
import { JournalState } from './journal-state.js';
import { openLogFile, type LogFile } from './log-file.js';

export interface FileJournalOptions {
  /** Created if missing; one process at a time. A local file system. */
  readonly folder: string;
  readonly log: Logger;
  readonly random?: Random;
  readonly clock?: Clock;
  /** Tests put a failing disk here. */
  readonly openLog?: (path: string, sizeBytes: number) => Promise<LogFile>;
}

/** The journal on a disk: one file, see journal-format.ts. */
export class FileJournal implements Journal {
  readonly name = 'journal';
  /** Rejects with DISK_FAILED once a write has failed: its process is of no use any more. Never resolves. */
  readonly failed: Promise<never>;
  #tellFailed: (failure: AppError) => void = () => undefined;
  readonly #options: FileJournalOptions;
  readonly #path: string;
  readonly #lock: FolderLock;
  readonly #state = new JournalState();
  /** Not in the file yet. */
  readonly #unwritten: Write[] = [];
  /** In the file, and their callers wait for the sync. */
  readonly #unsynced: Write[] = [];
  #log: LogFile;
  /** Numbers of the last record in the file, and of the last that is surely durable. */
  #seq: number;
  #syncedSeq: number;
  #logBytes: number;
  #compactAtBytes: number;
  #pendingBytes = 0;
  #appendPlanned = false;
  #compacting = false;
  /** The syncs and compactions that are wanted, one after the other. */
  #working: Promise<void> | undefined;
  #cancelSync: (() => void) | undefined;
  #failure: AppError | undefined;
  #closing: Promise<void> | undefined;

  /**
   * Takes the folder and reads what is in it; a batch that a crash tore is cut off.
   *
   * @throws AppError FOLDER_IN_USE; DOCUMENT_INVALID when acknowledged writes are damaged (nothing was changed); DISK_FAILED
   */
  static async open(options: FileJournalOptions): Promise<FileJournal> {
    const { folder, random } = options;
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await syncDirectory(dirname(folder));
      const lock = await lockFolder(folder, random);
      try {
        return await FileJournal.#load(options, lock);
      } catch (error) {
        await lock.release();
        throw error;
      }
    } catch (error) {
      throw error instanceof AppError ? error : new AppError('DISK_FAILED', `the journal in ${folder} cannot be opened`, { folder }, error);
    }
  }

  static async #load(options: FileJournalOptions, lock: FolderLock): Promise<FileJournal> {
    const path = join(options.folder, FILE_NAME);
    const content = (await readIfPresent(path)) ?? (await create(path));
    const parsed = parseJournal(content, path);
    if (parsed.goodBytes < content.length) {
      const droppedBytes = content.length - parsed.goodBytes;
      options.log.warn('end of the journal cut off, a crash had torn it', { path, droppedBytes });
    }
    const log = await (options.openLog ?? openLogFile)(path, parsed.goodBytes);
    return new FileJournal(options, { path, lock, parsed, log });
  }

  private constructor(options: FileJournalOptions, opened: Opened) {
    const { path, lock, parsed, log } = opened;
    this.#options = options;
    this.#path = path;
    this.#lock = lock;
    this.#log = log;
    this.#seq = parsed.seq;
    this.#syncedSeq = parsed.seq;
    this.#logBytes = parsed.goodBytes;
    this.#compactAtBytes = compactAt(parsed.snapshotBytes);
    this.failed = new Promise((_, reject) => {
      this.#tellFailed = reject;
    });
    // Who waits for `failed` sees it; a journal that nobody waits for must not end the process.
    this.failed.catch(() => undefined);
    for (const { puts, deletes } of parsed.records) {
      for (const [key, value] of Object.entries(puts)) this.#state.setValue(key, value);
      for (const key of deletes) this.#state.setJson(key, undefined);
    }
  }

  get(key: string): unknown {
    return this.#state.get(key);
  }

  entries(prefix: string): Iterable<readonly [string, unknown]> {
    return this.#state.entries(prefix);
  }

  write(changes: JournalChanges, grade: JournalGrade = 'synced'): Promise<void> {
    // What is thrown in here rejects.
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#closing !== undefined) throw new AppError('SHUTTING_DOWN', 'the journal is closed');
      const entries = toEntries(changes);
      const text = encodeChanges(entries);
      const bytes = Buffer.byteLength(text);
      this.#checkBounds(bytes);
      for (const [key, json] of entries) this.#state.setJson(key, json);
      this.#pendingBytes += bytes + WRITE_OVERHEAD_BYTES;
      this.#unwritten.push({ text, bytes, grade, resolve, reject });
      this.#planAppend();
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  #checkBounds(bytes: number): void {
    if (bytes > JOURNAL_LIMITS.writeBytes) {
      throw new AppError(
        'TOO_LARGE',
        `a write to the journal has ${String(bytes)} bytes, ${String(JOURNAL_LIMITS.writeBytes)} are the most`,
      );
    }
    if (this.#pendingBytes + bytes + WRITE_OVERHEAD_BYTES > JOURNAL_LIMITS.pendingBytes) {
      throw new AppError('OVERLOADED', `too much waits for the disk of the journal ${this.#path}`, { retryDelayMs: '1000' });
    }
  }

  /** When all that can run now has run, so that what it writes shares a system call. A compaction appends what came meanwhile. */
  #planAppend(): void {
    if (this.#appendPlanned) return;
    this.#appendPlanned = true;
    process.nextTick(() => {
      this.#appendPlanned = false;
      if (!this.#compacting) this.#append();
    });
  }

  #append(): void {
    const batch = this.#unwritten.splice(0);
    if (batch.length === 0) return;
    try {
      let text = '';
      for (const [index, write] of batch.entries()) text += encodeRecord(this.#seq + 1 + index, this.#syncedSeq + 1, write.text);
      const lines = Buffer.from(text);
      this.#log.append(lines);
      this.#seq += batch.length;
      this.#logBytes += lines.length;
    } catch (error) {
      this.#fail(error, batch);
      return;
    }
    for (const write of batch) {
      if (write.grade === 'synced') this.#unsynced.push(write);
      else this.#finish(write);
    }
    this.#planSync();
  }

  #planSync(): void {
    if (this.#failure !== undefined || this.#seq === this.#syncedSeq) return;
    if (this.#unsynced.length > 0 || this.#logBytes > this.#compactAtBytes || this.#closing !== undefined) this.#work();
    else
      this.#cancelSync ??= (this.#options.clock ?? systemClock).after(SYNC_AFTER_MS, () => {
        this.#cancelSync = undefined;
        this.#work();
      });
  }

  /** One sync at a time; the next is for all that came meanwhile. */
  #work(): void {
    this.#working ??= this.#syncAndCompact()
      .catch((error: unknown) => {
        this.#fail(error, []);
      })
      .finally(() => {
        this.#working = undefined;
        this.#planSync();
      });
  }

  async #syncAndCompact(): Promise<void> {
    await this.#sync();
    if (this.#logBytes > this.#compactAtBytes) await this.#compact();
  }

  async #sync(): Promise<void> {
    this.#cancelSync?.();
    this.#cancelSync = undefined;
    const upTo = this.#seq;
    const waiting = this.#unsynced.length;
    await this.#log.sync();
    this.#syncedSeq = upTo;
    for (const write of this.#unsynced.splice(0, waiting)) this.#finish(write);
  }

  /** Replaces the file by one that holds the state and no history. What is not in the file is in it already, and is appended again. */
  async #compact(): Promise<void> {
    this.#compacting = true;
    try {
      const { text, seq } = encodeSnapshot(this.#state.jsons());
      const content = Buffer.from(text);
      await writeFileAtomic(this.#path, content);
      await this.#log.close();
      this.#log = await (this.#options.openLog ?? openLogFile)(this.#path, content.length);
      this.#seq = seq;
      this.#syncedSeq = seq;
      this.#options.log.debug('journal compacted', { path: this.#path, fromBytes: this.#logBytes, toBytes: content.length });
      this.#logBytes = content.length;
      this.#compactAtBytes = compactAt(content.length);
      for (const write of this.#unsynced.splice(0)) this.#finish(write);
    } finally {
      this.#compacting = false;
    }
    this.#append();
  }

  #finish(write: Write): void {
    this.#pendingBytes -= write.bytes + WRITE_OVERHEAD_BYTES;
    write.resolve();
  }

  /** After a failed write or sync nobody knows what the disk holds, so nothing is promised any more. */
  #fail(cause: unknown, batch: readonly Write[]): void {
    const failure =
      this.#failure ??
      new AppError(
        'DISK_FAILED',
        `the journal ${this.#path} cannot be written; this process must be restarted`,
        { path: this.#path },
        cause,
      );
    if (this.#failure === undefined) this.#options.log.error('journal failed', { path: this.#path, error: failure });
    this.#failure = failure;
    this.#tellFailed(failure);
    // What was resolved before the failure stays so.
    for (const write of [...batch, ...this.#unsynced.splice(0), ...this.#unwritten.splice(0)]) write.reject(failure);
  }

  async #close(): Promise<void> {
    // A compaction appends what waits; else it is done here.
    if (!this.#compacting) this.#append();
    // At once: nobody is there a second later to sync what is kept.
    if (this.#failure === undefined && this.#seq !== this.#syncedSeq) this.#work();
    while (this.#working !== undefined) await this.#working;
    this.#cancelSync?.();
    try {
      await this.#log.close();
    } finally {
      await this.#lock.release();
    }
  }
}

interface Write {
  readonly text: string;
  readonly bytes: number;
  readonly grade: JournalGrade;
  readonly resolve: () => void;
  readonly reject: (error: AppError) => void;
}

interface Opened {
  readonly path: string;
  readonly lock: FolderLock;
  readonly parsed: ParsedJournal;
  readonly log: LogFile;
}

const FILE_NAME = 'journal';

/** Kept writes are synced this long after them at the latest, so that a failing disk is found while this process still knows everything. */
const SYNC_AFTER_MS = 1_000;

/** What a waiting write costs beside its text. */
const WRITE_OVERHEAD_BYTES = 64;

/** A journal smaller than this is not worth a compaction. */
const COMPACT_BYTES_MIN = 1_000_000;

/** The file stays below three times the state and 1 MB, and its bytes are written at most twice on average. */
function compactAt(snapshotBytes: number): number {
  return 3 * snapshotBytes + COMPACT_BYTES_MIN;
}

function toEntries(changes: JournalChanges): readonly (readonly [key: string, json: string | undefined])[] {
  const entries: (readonly [key: string, json: string | undefined])[] = [];
  for (const [key, value] of changesOf(changes)) entries.push([key, toJson(key, value)]);
  return entries;
}

function toJson(key: string, value: unknown): string | undefined {
  if (value === undefined) return undefined;
  const json: unknown = JSON.stringify(value);
  assert(typeof json === 'string', () => `the value of ${key} is JSON`);
  return json;
}

async function readIfPresent(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

async function create(path: string): Promise<Buffer> {
  const content = Buffer.from(encodeHeader(0));
  await writeFileAtomic(path, content);
  return content;
}
