import { AppError } from '@volplane/base';
import type { FileOutcome, FileRunner, FileScript } from './file-call.js';
import { FileThread, type FileRun } from './file-thread.js';

/**
 * Two threads of their own for the files of one root. Scripts that wait together go in one message, and share what they can.
 *
 * A call through libuv's pool costs some 50 µs beside its own work, here it costs none; and a server that does not answer holds up
 * this root alone, not the four threads that everything else of the process shares. A thread is started with its first convoy and
 * does not keep the process alive once nobody waits.
 */
export class FileThreads implements FileRunner {
  readonly #threads: readonly FileThread[];
  #waiting: FileRun[] = [];
  #departurePlanned = false;

  constructor() {
    const onArrived = (): void => {
      this.#depart();
    };
    this.#threads = [new FileThread(onArrived), new FileThread(onArrived)];
  }

  run(script: FileScript, values?: Readonly<Record<string, string>>): Promise<FileOutcome> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.length >= WAITING_MAX) {
        reject(new AppError('OVERLOADED', 'too many calls wait for the storage of this driver', { retryDelayMs: '1000' }));
        return;
      }
      this.#waiting.push({ script, values, resolve, reject });
      if (this.#departurePlanned || this.#threadToTake() === undefined) return;
      this.#departurePlanned = true;
      // Who asks in the same turn goes along.
      queueMicrotask(() => {
        this.#departurePlanned = false;
        this.#depart();
      });
    });
  }

  #depart(): void {
    for (let thread = this.#threadToTake(); thread !== undefined; thread = this.#threadToTake()) {
      thread.carry(this.#waiting.splice(0, CONVOY_MAX));
    }
  }

  /** While one convoy is on its way most of its time goes by in syncs. A second one uses it, if it is not so small that it adds more syncs than it saves time. */
  #threadToTake(): FileThread | undefined {
    const free = this.#threads.filter((thread) => thread.isFree);
    const enough = free.length === this.#threads.length ? 1 : SECOND_CONVOY_MIN;
    return this.#waiting.length >= enough ? free[0] : undefined;
  }
}

/** As many as come at once from a busy node; a longer convoy makes its first wait for its last. */
const CONVOY_MAX = 64;
/** Measured, see DESIGN.md: from the first who waits on, a second convoy costs a third more processor time and gains nothing. */
const SECOND_CONVOY_MIN = 32;
/** Some seconds of work; beyond it the storage does not answer. */
const WAITING_MAX = 10_000;
