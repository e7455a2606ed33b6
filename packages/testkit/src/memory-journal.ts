import { AppError, assert } from '@volplane/base';
import { changesOf, JOURNAL_LIMITS, type Journal, type JournalChanges, type JournalGrade } from '@volplane/ports';

/** The disk of one simulated node: what is on it outlives the processes that open it, one after the other. */
export class MemoryDisk {
  /** What was synced. Values as JSON. */
  readonly #durable = new Map<string, string>();
  /** What was written since, in order: it ends with the machine. */
  readonly #cached: JournalEntries[] = [];
  #owner: MemoryJournal | undefined;

  /** A new life on the same disk; syncs what it reads. @throws AppError FOLDER_IN_USE while the one before was neither closed nor crashed */
  open(hooks: MemoryJournalHooks = {}): MemoryJournal {
    if (this.#owner !== undefined) throw new AppError('FOLDER_IN_USE', 'the simulated folder is in use');
    this.sync(this.#cached.length);
    const journal = new MemoryJournal(this, this.#durable, hooks, () => {
      if (this.#owner === journal) this.#owner = undefined;
    });
    this.#owner = journal;
    return journal;
  }

  /** Writes since the last sync. */
  get cached(): number {
    return this.#cached.length;
  }

  /** The machine ends, after its process: of the writes since the last sync the first `survivors` are there all the same. */
  losePower(survivors = 0): void {
    assert(this.#owner === undefined, 'a process ends before its machine');
    this.cut(survivors);
    this.sync(this.#cached.length);
  }

  append(entries: JournalEntries): void {
    this.#cached.push(entries);
  }

  /** Forgets the cached writes behind the first `count`. */
  cut(count: number): void {
    this.#cached.splice(count);
  }

  /** Makes the first `count` cached writes durable. */
  sync(count: number): void {
    for (const [key, json] of this.#cached.splice(0, count).flat()) {
      if (json === undefined) this.#durable.delete(key);
      else this.#durable.set(key, json);
    }
  }
}

export interface MemoryJournalHooks {
  /** Awaited before a batch is written, by then it survives the process: latency, or a hanging disk (never settle). */
  readonly beforeAppend?: () => Promise<void> | void;
  /** Awaited before a batch becomes durable: latency, a disk fault (throw), or a hanging disk (never settle). */
  readonly beforeSync?: () => Promise<void> | void;
}

/** {@link Journal} in memory: visible at once, on the disk as far as the grade says when the write resolves, lost at a crash before that. */
export class MemoryJournal implements Journal {
  readonly name = 'journal';
  readonly #disk: MemoryDisk;
  readonly #hooks: MemoryJournalHooks;
  readonly #leave: () => void;
  readonly #state = new Map<string, unknown>();
  readonly #unwritten: PendingWrite[] = [];
  /** Written, and their callers wait for the sync. */
  readonly #unsynced: PendingWrite[] = [];
  /** Cached writes that this process has promised to keep; those behind them may be lost with it. */
  #keptCached = 0;
  #pendingBytes = 0;
  #appending: Promise<void> | undefined;
  #syncing: Promise<void> | undefined;
  #failure: AppError | undefined;
  #crashed = false;
  #closing: Promise<void> | undefined;

  constructor(disk: MemoryDisk, durable: ReadonlyMap<string, string>, hooks: MemoryJournalHooks, leave: () => void) {
    this.#disk = disk;
    this.#hooks = hooks;
    this.#leave = leave;
    for (const [key, json] of durable) this.#state.set(key, JSON.parse(json));
  }

  get(key: string): unknown {
    return this.#state.get(key);
  }

  *entries(prefix: string): Iterable<readonly [key: string, value: unknown]> {
    for (const entry of this.#state) {
      if (entry[0].startsWith(prefix)) yield entry;
    }
  }

  async write(changes: JournalChanges, grade: JournalGrade = 'synced'): Promise<void> {
    if (this.#crashed) return await never();
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#closing !== undefined) throw new AppError('SHUTTING_DOWN', 'the journal is closed');
    const entries = [...changesOf(changes)].map(([key, value]) => [key, toJson(value)] as const);
    const bytes = this.#checkedSize(entries);
    for (const [key, json] of entries) {
      if (json === undefined) this.#state.delete(key);
      else this.#state.set(key, JSON.parse(json));
    }
    this.#pendingBytes += bytes;
    const written = new Promise<void>((resolve, reject) => {
      this.#unwritten.push({ entries, bytes, grade, resolve, reject });
    });
    this.#appending ??= Promise.resolve().then(() => this.#append());
    await written;
  }

  /**
   * The process dies: of its writes that had not resolved, and that no resolved one follows, the first `survivors` are on the disk all the
   * same, the rest is lost, and none of them ever settles.
   */
  crash(survivors = 0): void {
    this.#crashed = true;
    for (const { entries } of this.#unwritten.splice(0)) this.#disk.append(entries);
    this.#disk.cut(this.#keptCached + survivors);
    this.#leave();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  #checkedSize(entries: JournalEntries): number {
    const bytes = entries.reduce((sum, [key, json]) => sum + Buffer.byteLength(key) + Buffer.byteLength(json ?? ''), 0);
    if (bytes > JOURNAL_LIMITS.writeBytes) throw new AppError('TOO_LARGE', 'a write to the simulated journal is too large');
    const total = bytes + WRITE_OVERHEAD_BYTES;
    if (this.#pendingBytes + total > JOURNAL_LIMITS.pendingBytes) {
      throw new AppError('OVERLOADED', 'too much waits for the simulated disk');
    }
    return total;
  }

  async #append(): Promise<void> {
    while (this.#unwritten.length > 0) {
      const count = this.#unwritten.length;
      // One batch at a time: writes get there in the order of their calls.
      await this.#hooks.beforeAppend?.();
      if (this.#crashed || this.#failure !== undefined) break;
      for (const write of this.#unwritten.splice(0, count)) {
        this.#disk.append(write.entries);
        if (write.grade === 'synced') this.#unsynced.push(write);
        else {
          this.#keptCached = this.#disk.cached;
          this.#finish(write);
        }
      }
      if (this.#unsynced.length > 0) this.#syncing ??= this.#sync();
    }
    this.#appending = undefined;
  }

  async #sync(): Promise<void> {
    while (this.#unsynced.length > 0) {
      const waiting = this.#unsynced.length;
      const cached = this.#disk.cached;
      try {
        // One sync at a time; the next is for all that came meanwhile.
        await this.#hooks.beforeSync?.();
      } catch (error) {
        this.#fail(error);
      }
      if (this.#crashed || this.#failure !== undefined) break;
      this.#disk.sync(cached);
      this.#keptCached = Math.max(0, this.#keptCached - cached);
      for (const write of this.#unsynced.splice(0, waiting)) this.#finish(write);
    }
    this.#syncing = undefined;
  }

  #finish(write: PendingWrite): void {
    this.#pendingBytes -= write.bytes;
    write.resolve();
  }

  #fail(cause: unknown): void {
    const failure = new AppError('DISK_FAILED', 'the simulated disk failed', {}, cause);
    this.#failure = failure;
    // What the disk holds of them is not known; here it holds nothing.
    this.#disk.cut(this.#keptCached);
    for (const write of [...this.#unsynced.splice(0), ...this.#unwritten.splice(0)]) write.reject(failure);
  }

  async #close(): Promise<void> {
    await this.#appending;
    await this.#syncing;
    if (this.#failure === undefined && !this.#crashed) this.#disk.sync(this.#disk.cached);
    this.#leave();
  }
}

type JournalEntries = readonly (readonly [key: string, json: string | undefined])[];

interface PendingWrite {
  readonly entries: JournalEntries;
  readonly bytes: number;
  readonly grade: JournalGrade;
  readonly resolve: () => void;
  readonly reject: (error: AppError) => void;
}

/** What a waiting write costs beside its text. */
const WRITE_OVERHEAD_BYTES = 64;

/** What a dead process waits for; each time anew, because what waits for a promise that all share is never collected. */
function never(): Promise<never> {
  return new Promise(() => undefined);
}

function toJson(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  const json: unknown = JSON.stringify(value);
  assert(typeof json === 'string', 'what is written to a journal is JSON');
  return json;
}
