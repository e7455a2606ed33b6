import { KvCompacted, type KvObserver, type KvWatch } from '@volplane/ports';
import { keyOf, type Change, type MemoryKvState } from './memory-kv-state.js';

export interface MemoryKvWatchOptions {
  readonly id: number;
  readonly prefix: string;
  readonly fromRevision: number;
  readonly state: MemoryKvState;
  readonly observer: KvObserver;
  readonly scheduleDelivery: (watch: { readonly id: number; readonly prefix: string }, deliver: () => void) => void;
  readonly onClosed: () => void;
}

/**
 * A cursor in the store's history. It holds no events of its own: however late a delivery comes, it hands over what the
 * history has, or ends when the history was compacted past the cursor.
 */
export class MemoryKvWatch implements KvWatch {
  readonly #options: MemoryKvWatchOptions;
  /** Everything below is delivered, or does not touch the prefix. */
  #nextRevision: number;
  #scheduled = false;
  #progressWanted = false;
  #closed = false;

  constructor(options: MemoryKvWatchOptions) {
    this.#options = options;
    this.#nextRevision = options.fromRevision;
    this.#schedule();
  }

  requestProgress(): void {
    this.#progressWanted = true;
    if (!this.#scheduled) this.#skipTo(this.#options.state.revision + 1);
    this.#schedule();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#options.onClosed();
  }

  /** Called with each change that the store makes. */
  onChange(change: Change | undefined): void {
    if (change === undefined || !change.events.some((event) => keyOf(event).startsWith(this.#options.prefix))) return;
    if (!this.#scheduled) this.#skipTo(change.revision);
    this.#schedule();
  }

  end(error: Error): void {
    if (this.#closed) return;
    this.close();
    this.#options.observer.onEnd(error);
  }

  /** With nothing scheduled, no change that touches the prefix waits, so a later compaction takes nothing away. */
  #skipTo(revision: number): void {
    this.#nextRevision = Math.max(this.#nextRevision, revision);
  }

  #schedule(): void {
    if (this.#closed || this.#scheduled) return;
    this.#scheduled = true;
    const { id, prefix, scheduleDelivery } = this.#options;
    scheduleDelivery({ id, prefix }, () => {
      this.#scheduled = false;
      this.#deliver();
    });
  }

  #deliver(): void {
    if (this.#closed) return;
    const { state, prefix, observer } = this.#options;
    const { revision } = state;
    const changes = state.changesSince(this.#nextRevision, prefix);
    if (changes === undefined) {
      this.end(new KvCompacted(this.#nextRevision));
      return;
    }
    this.#skipTo(revision + 1);
    const progressWanted = this.#progressWanted;
    this.#progressWanted = false;
    const last = changes.at(-1);
    if (last !== undefined)
      observer.onEvents(
        changes.flatMap(({ events }) => events),
        last.revision,
      );
    if (progressWanted && !this.#isClosed()) observer.onProgress(revision);
  }

  /** Asked again after a callback, which may have closed the watch. */
  #isClosed(): boolean {
    return this.#closed;
  }
}
