import { AppError, assert } from '@volplane/base';
import { JOURNAL_LIMITS, type Journal } from '@volplane/ports';

/** The disk of one simulated node: what is durable on it outlives the processes that open it, one after the other. */
export class MemoryDisk {
  /** Values as JSON. */
  readonly durable = new Map<string, string>();
  #owner: MemoryJournal | undefined;

  /** A new life on the same disk. @throws AppError FOLDER_IN_USE while the one before was neither closed nor crashed */
  open(hooks: MemoryJournalHooks = {}): MemoryJournal {
    if (this.#owner !== undefined) throw new AppError('FOLDER_IN_USE', 'the simulated folder is in use');
    const journal = new MemoryJournal(this.durable, hooks, () => {
      if (this.#owner === journal) this.#owner = undefined;
    });
    this.#owner = journal;
    return journal;
  }
}

export interface MemoryJournalHooks {
  /** Awaited before a batch becomes durable: latency, a disk fault (throw), or a hanging disk (never settle). */
  readonly beforeSync?: () => Promise<void> | void;
}

/** {@link Journal} in memory: visible at once, durable when the write resolves, lost at a crash before that. */
export class MemoryJournal implements Journal {
  readonly name = 'journal';
  readonly #durable: Map<string, string>;
  readonly #hooks: MemoryJournalHooks;
  readonly #leave: () => void;
  readonly #state = new Map<string, unknown>();
  readonly #pending: PendingWrite[] = [];
  #pendingBytes = 0;
  #flushing: Promise<void> | undefined;
  #failure: AppError | undefined;
  #crashed = false;
  #closing: Promise<void> | undefined;

  constructor(durable: Map<string, string>, hooks: MemoryJournalHooks, leave: () => void) {
    this.#durable = durable;
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

  async write(changes: Readonly<Record<string, unknown>>): Promise<void> {
    if (this.#crashed) return await never();
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#closing !== undefined) throw new AppError('SHUTTING_DOWN', 'the journal is closed');
    const entries = Object.entries(changes).map(([key, value]) => [key, toJson(value)] as const);
    const bytes = this.#checkedSize(entries);
    for (const [key, json] of entries) {
      if (json === undefined) this.#state.delete(key);
      else this.#state.set(key, JSON.parse(json));
    }
    this.#pendingBytes += bytes;
    const durable = new Promise<void>((resolve, reject) => {
      this.#pending.push({ entries, bytes, resolve, reject });
    });
    this.#flushing ??= Promise.resolve().then(() => this.#flush());
    await durable;
  }

  /**
   * The process dies: of its writes that had not resolved the first `survivors` are on the disk all the same, the rest is
   * lost, and none of them ever settles.
   */
  crash(survivors = 0): void {
    this.#crashed = true;
    for (const write of this.#pending.splice(0).slice(0, survivors)) this.#persist(write);
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

  async #flush(): Promise<void> {
    while (this.#pending.length > 0) {
      const count = this.#pending.length;
      try {
        // One batch at a time: writes become durable in the order of their calls.
        await this.#hooks.beforeSync?.();
      } catch (error) {
        this.#failure = new AppError('DISK_FAILED', 'the simulated disk failed', {}, error);
      }
      const batch = this.#pending.splice(0, this.#failure === undefined ? count : this.#pending.length);
      for (const write of batch) {
        this.#pendingBytes -= write.bytes;
        if (this.#failure === undefined) {
          this.#persist(write);
          write.resolve();
        } else {
          write.reject(this.#failure);
        }
      }
    }
    this.#flushing = undefined;
  }

  #persist({ entries }: PendingWrite): void {
    for (const [key, json] of entries) {
      if (json === undefined) this.#durable.delete(key);
      else this.#durable.set(key, json);
    }
  }

  async #close(): Promise<void> {
    await this.#flushing;
    this.#leave();
  }
}

type JournalEntries = readonly (readonly [key: string, json: string | undefined])[];

interface PendingWrite {
  readonly entries: JournalEntries;
  readonly bytes: number;
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
