/**
 * The agent's durable memory: a small map of JSON values, held in memory whole, every write on disk before it resolves.
 *
 * The proof of an implementation is `journalContract` in testkit; the real one is FileJournal in host (a log with
 * group fsync and an atomically replaced snapshot), the simulated one loses what had not resolved at a crash.
 */
export interface Journal {
  /** The value as last written, durable or on its way. Treat it as read-only. */
  get(key: string): unknown;

  /** Every key that begins with `prefix`, in no order. */
  entries(prefix: string): Iterable<readonly [key: string, value: unknown]>;

  /**
   * Applies all changes at once: after a crash all of them are there or none. `undefined` deletes. Values are copied.
   *
   * Visible to `get` at once, durable when it resolves. Writes become durable in the order of their calls.
   *
   * @throws AppError TOO_LARGE, OVERLOADED when too much waits for a slow disk, SHUTTING_DOWN after `close` (all three:
   * nothing was changed); DISK_FAILED; then nothing can be promised any more and every later write fails as well
   */
  write(changes: Readonly<Record<string, unknown>>): Promise<void>;

  /** Waits for the writes in hand; later ones are refused. Safe to call again. */
  close(): Promise<void>;
}

export const JOURNAL_LIMITS = {
  /** Bytes of the changes of one write, as JSON. */
  writeBytes: 1_000_000,
  /** Bytes of all writes that wait for the disk; each counts 64 more than its JSON. */
  pendingBytes: 16_000_000,
} as const;
