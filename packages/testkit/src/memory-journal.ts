import { AppError } from '@volplane/base';
import type { Journal } from '@volplane/ports';

/** The part of a journal that outlives its process: what was durable. */
export class MemoryDisk {
  readonly durable = new Map<string, unknown>();

  /** A new life on the same disk. */
  open(hooks: MemoryJournalHooks = {}): MemoryJournal {
    return new MemoryJournal(this, hooks);
  }
}

export interface MemoryJournalHooks {
  /** Awaited before a write becomes durable: latency, a disk fault (throw), or a crash (never settle). */
  readonly beforeSync?: () => Promise<void> | void;
}

/** {@link Journal} in memory: visible at once, durable when the write resolves, lost at a crash before that. */
export class MemoryJournal implements Journal {
  readonly #disk: MemoryDisk;
  readonly #values: Map<string, unknown>;
  readonly #hooks: MemoryJournalHooks;
  #tail: Promise<void> = Promise.resolve();
  #broken: AppError | undefined;

  constructor(disk: MemoryDisk, hooks: MemoryJournalHooks) {
    this.#disk = disk;
    this.#hooks = hooks;
    this.#values = new Map(structuredClone([...disk.durable]));
  }

  get(key: string): unknown {
    return this.#values.get(key);
  }

  *entries(prefix: string): Iterable<readonly [key: string, value: unknown]> {
    for (const entry of this.#values) if (entry[0].startsWith(prefix)) yield entry;
  }

  write(changes: Readonly<Record<string, unknown>>): Promise<void> {
    if (this.#broken !== undefined) return Promise.reject(this.#broken);
    const copy = structuredClone(changes);
    for (const [key, value] of Object.entries(changes)) {
      if (value === undefined) this.#values.delete(key);
      else this.#values.set(key, value);
    }
    const written = this.#tail.then(() => this.#sync(copy));
    this.#tail = written.catch(() => undefined);
    return written;
  }

  /** The process dies: nothing that has not resolved becomes durable any more, and its writes never settle. */
  crash(): void {
    this.#crashed = true;
  }

  async close(): Promise<void> {
    await this.#tail;
    this.#broken ??= new AppError('DISK_FAILED', 'the journal is closed', {});
  }

  #crashed = false;

  async #sync(changes: Readonly<Record<string, unknown>>): Promise<void> {
    if (this.#broken !== undefined) throw this.#broken;
    try {
      await this.#hooks.beforeSync?.();
    } catch (error) {
      this.#broken = new AppError('DISK_FAILED', 'the simulated disk failed', {}, error);
      throw this.#broken;
    }
    if (this.#crashed) return new Promise(() => undefined);
    for (const [key, value] of Object.entries(changes)) {
      if (value === undefined) this.#disk.durable.delete(key);
      else this.#disk.durable.set(key, value);
    }
    return undefined;
  }
}
