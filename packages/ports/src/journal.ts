/**
 * What a write survives once it resolves. `synced`: the loss of power. `kept`: the end of the process, however it ends; when the machine
 * ends, the kept writes of the last moments may be lost, the latest ones first: never an earlier one without those after it.
 */
export type JournalGrade = 'synced' | 'kept';

/** Values of JSON for keys; `undefined` deletes. A map costs less where keys are seldom the same twice. */
export type JournalChanges = Readonly<Record<string, unknown>> | ReadonlyMap<string, unknown>;

/**
 * The agent's durable memory: a small map of JSON values, held in memory whole, every write on disk before it resolves.
 *
 * The proof of an implementation is `journalContract` in testkit; the real one is FileJournal in host (a log with
 * group fsync and an atomically replaced snapshot), the simulated one loses at a crash what had not resolved, and at the loss
 * of power what was not synced.
 */
export interface Journal {
  /** The value as last written, durable or on its way. Treat it as read-only. */
  get(key: string): unknown;

  /** Every key that begins with `prefix`, in no order. */
  entries(prefix: string): Iterable<readonly [key: string, value: unknown]>;

  /**
   * Applies all changes at once: after a crash all of them are there or none. Values are copied.
   *
   * Visible to `get` at once, on disk as `grade` says when it resolves; absent = `synced`. Writes get there in the order of their
   * calls, and a synced one takes every one before it along.
   *
   * @throws AppError TOO_LARGE, OVERLOADED when too much waits for a slow disk, SHUTTING_DOWN after `close` (all three:
   * nothing was changed); DISK_FAILED; then nothing can be promised any more and every later write fails as well
   */
  write(changes: JournalChanges, grade?: JournalGrade): Promise<void>;

  /** Waits for the writes in hand; later ones are refused. Safe to call again. */
  close(): Promise<void>;
}

export const JOURNAL_LIMITS = {
  /** Bytes of the changes of one write, as JSON. */
  writeBytes: 1_000_000,
  /** Bytes of all writes that wait for the disk; each counts 64 more than its JSON. */
  pendingBytes: 16_000_000,
} as const;

export function changesOf(changes: JournalChanges): Iterable<readonly [key: string, value: unknown]> {
  // TypeScript narrows a read-only map to one of anything.
  return changes instanceof Map ? (changes as ReadonlyMap<string, unknown>) : Object.entries(changes);
}
