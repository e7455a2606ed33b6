import { sleep, type Clock, type Logger } from '@volplane/base';
import { KV_RESERVED_SUFFIX } from '@volplane/ports';

export interface ProgressMarksOptions {
  readonly mark: (key: string) => Promise<void>;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Progress for an etcd whose own answer to a progress request cannot be trusted: a write inside of the watched prefix
 * reaches the watch after every event before it.
 *
 * One mark is under way at a time and {@link MARK_INTERVAL_MS} apart; requests meanwhile share the next one. A mark that
 * fails is only logged: progress comes when it can.
 */
export class ProgressMarks {
  readonly #key: string;
  readonly #options: ProgressMarksOptions;
  readonly #closing = new AbortController();
  #wanted = false;
  #running = false;

  constructor(prefix: string, options: ProgressMarksOptions) {
    this.#key = `${prefix}${KV_RESERVED_SUFFIX}`;
    this.#options = options;
  }

  request(): void {
    this.#wanted = true;
    if (this.#running) return;
    this.#running = true;
    this.#run().catch((error: unknown) => {
      if (!this.#closing.signal.aborted) this.#options.log.debug('progress mark failed', { key: this.#key, error });
    });
  }

  close(): void {
    this.#closing.abort();
  }

  async #run(): Promise<void> {
    const { clock, mark } = this.#options;
    try {
      while (this.#wanted && !this.#closing.signal.aborted) {
        this.#wanted = false;
        // One at a time is the point.
        await mark(this.#key);
        await sleep(clock, MARK_INTERVAL_MS, this.#closing.signal);
      }
    } finally {
      this.#running = false;
    }
  }
}

/** At most 50 marks a second and watch, a small part of what etcd can write. */
const MARK_INTERVAL_MS = 20;
