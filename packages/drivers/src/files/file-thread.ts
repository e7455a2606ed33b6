import { Worker } from 'node:worker_threads';
import { AppError, systemClock } from '@volplane/base';
import type { FileOutcome, FileScript } from './file-call.js';

/** A script on its way, and who waits for it. */
export interface FileRun {
  readonly script: FileScript;
  readonly values: Readonly<Record<string, string>> | undefined;
  readonly resolve: (outcome: FileOutcome) => void;
  readonly reject: (error: AppError) => void;
}

/** One thread of {@link FileThreads}: carries out one convoy at a time. */
export class FileThread {
  readonly #onArrived: () => void;
  /** 1 while a convoy is carried out; shared with the thread, which tells its end also to a process that waits for it. */
  readonly #isAtWork = new Int32Array(new SharedArrayBuffer(4));
  #worker: Worker | undefined;
  #travelling: readonly FileRun[] | undefined;

  /** @param onArrived - called whenever it is free again */
  constructor(onArrived: () => void) {
    this.#onArrived = onArrived;
  }

  get isFree(): boolean {
    return this.#travelling === undefined;
  }

  /** Settles each of them. Only while it is free. */
  carry(convoy: readonly FileRun[]): void {
    this.#travelling = convoy;
    this.#isAtWork[0] = 1;
    AT_WORK.add(this.#isAtWork);
    try {
      this.#worker ??= this.#start();
      this.#worker.ref();
      this.#worker.postMessage(encodeConvoy(convoy));
    } catch (error) {
      this.#fail(error);
    }
  }

  #arrive(outcomes: readonly FileOutcome[]): void {
    const arrived = this.#travelling ?? [];
    this.#travelling = undefined;
    AT_WORK.delete(this.#isAtWork);
    this.#worker?.unref();
    for (const [index, { resolve, reject }] of arrived.entries()) {
      const outcome = outcomes[index];
      if (outcome === undefined) reject(new AppError('INTERNAL', 'a script of file calls was not answered'));
      else resolve(outcome);
    }
    this.#onArrived();
  }

  #start(): Worker {
    // Without the arguments of this process: it needs no loader, and a profile of it would be one more file.
    const worker = new Worker(new URL('file-worker.js', import.meta.url), {
      execArgv: [],
      name: 'files',
      workerData: this.#isAtWork,
    });
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
    const lost = this.#travelling ?? [];
    this.#travelling = undefined;
    AT_WORK.delete(this.#isAtWork);
    this.#worker = undefined;
    for (const { reject } of lost) reject(new AppError('DRIVER_UNAVAILABLE', 'the thread for the files of a driver ended', {}, cause));
    this.#onArrived();
  }
}

/**
 * Lets a process that exits end, though a thread hangs with its storage: Node waits for every thread at the exit, and a dead agent that does not
 * end is not started anew. A thread that only works is given {@link EXIT_WAIT_MS}; what a convoy was doing then is cut short, as by any crash.
 */
export function endDespiteFileThreads(host: Pick<NodeJS.Process, 'on' | 'kill' | 'pid'>): void {
  host.on('exit', () => {
    const endsAtMs = systemClock.monotonicMs() + EXIT_WAIT_MS;
    for (const isAtWork of AT_WORK) {
      if (Atomics.wait(isAtWork, 0, 1, Math.max(0, endsAtMs - systemClock.monotonicMs())) !== 'timed-out') continue;
      host.kill(host.pid, 'SIGKILL');
      return;
    }
  });
}

/** Of the threads of all roots, those with a convoy. */
const AT_WORK = new Set<Int32Array>();
/** Far above what a convoy takes on a disk that answers. */
const EXIT_WAIT_MS = 2_000;

/** Each script once, however many run it: that of a plan is many times as long as what differs between its runs. */
function encodeConvoy(convoy: readonly FileRun[]): string {
  const indexes = new Map<FileScript, number>();
  const runs = convoy.map(({ script, values }) => {
    const index = indexes.get(script) ?? indexes.size;
    if (index === indexes.size) indexes.set(script, index);
    return { script: index, values };
  });
  return JSON.stringify({ scripts: [...indexes.keys()], runs });
}
