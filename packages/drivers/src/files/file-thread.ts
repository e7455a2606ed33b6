import { Worker } from 'node:worker_threads';
import { AppError } from '@volplane/base';
import type { FileOutcome, FileRunner, FileScript } from './file-call.js';

/**
 * A thread of its own for the files of one root. Scripts that wait together go in one message, and share what they can.
 *
 * A call through libuv's pool costs some 50 µs beside its own work, here it costs none; and a server that does not answer holds up
 * this root alone, not the four threads that everything else of the process shares. The thread is started with the first
 * script and does not keep the process alive once nobody waits.
 */
export class FileThread implements FileRunner {
  #worker: Worker | undefined;
  #waiting: Waiting[] = [];
  #travelling: readonly Waiting[] = [];

  run(script: FileScript, values?: Readonly<Record<string, string>>): Promise<FileOutcome> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.length >= WAITING_MAX) {
        reject(new AppError('OVERLOADED', 'too many calls wait for the storage of this driver', { retryDelayMs: '1000' }));
        return;
      }
      this.#waiting.push({ script, values, resolve, reject });
      // Who asks in the same turn goes along.
      if (this.#waiting.length === 1 && this.#travelling.length === 0) {
        queueMicrotask(() => {
          this.#depart();
        });
      }
    });
  }

  /** One convoy at a time: who comes meanwhile makes the next. */
  #depart(): void {
    if (this.#travelling.length > 0 || this.#waiting.length === 0) return;
    this.#travelling = this.#waiting.splice(0, CONVOY_MAX);
    try {
      this.#worker ??= this.#start();
      this.#worker.ref();
      this.#worker.postMessage(encodeConvoy(this.#travelling));
    } catch (error) {
      this.#fail(error);
    }
  }

  #arrive(outcomes: readonly FileOutcome[]): void {
    const arrived = this.#travelling;
    this.#travelling = [];
    this.#worker?.unref();
    for (const [index, { resolve, reject }] of arrived.entries()) {
      const outcome = outcomes[index];
      if (outcome === undefined) reject(new AppError('INTERNAL', 'a script of file calls was not answered'));
      else resolve(outcome);
    }
    this.#depart();
  }

  #start(): Worker {
    // Without the arguments of this process: it needs no loader, and a profile of it would be one more file.
    const worker = new Worker(new URL('file-worker.js', import.meta.url), { execArgv: [], name: 'files' });
    worker.on('message', (text: string) => {
      this.#arrive(JSON.parse(text) as readonly FileOutcome[]); // our own thread
    });
    worker.on('error', (error) => {
      if (this.#worker === worker) this.#fail(error);
    });
    worker.on('exit', () => {
      if (this.#worker === worker) this.#fail(undefined);
    });
    return worker;
  }

  /** The thread is gone, or never was; what it had done of its convoy is not known. The next convoy gets a new one. */
  #fail(cause: unknown): void {
    const lost = this.#travelling;
    this.#travelling = [];
    this.#worker = undefined;
    for (const { reject } of lost) reject(new AppError('DRIVER_UNAVAILABLE', 'the thread for the files of a driver ended', {}, cause));
    this.#depart();
  }
}

/** Each script once, however many run it: those of a plan are a hundred times the length of what differs between them. */
function encodeConvoy(convoy: readonly Waiting[]): string {
  const indexes = new Map<FileScript, number>();
  const runs = convoy.map(({ script, values }) => {
    const index = indexes.get(script) ?? indexes.size;
    if (index === indexes.size) indexes.set(script, index);
    return { script: index, values };
  });
  return JSON.stringify({ scripts: [...indexes.keys()], runs });
}

interface Waiting {
  readonly script: FileScript;
  readonly values: Readonly<Record<string, string>> | undefined;
  readonly resolve: (outcome: FileOutcome) => void;
  readonly reject: (error: AppError) => void;
}

/** As many as come at once from a busy node; a longer convoy makes its first wait for its last. */
const CONVOY_MAX = 64;
/** Some seconds of work; beyond it the storage does not answer. */
const WAITING_MAX = 10_000;
