import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { SeedResult } from './run-seed.js';

export interface PoolOptions {
  readonly from: number;
  readonly seeds: number;
  /** From one seed to the next; 1 unless told. */
  readonly step?: number;
  /** Processes; each takes every `jobs`-th seed. */
  readonly jobs: number;
  /** Name of the mutant that runs in place of the product. */
  readonly mutant?: string;
  /** @returns true to end the run now */
  readonly onResult: (result: SeedResult) => boolean;
}

/** Runs seeds in processes of their own. @throws Error when one of them ends before its seeds, and nobody asked for that */
export async function runSeeds(options: PoolOptions): Promise<void> {
  const { from, seeds, step = 1, jobs, mutant = '' } = options;
  const children = new Set<ChildProcess>();
  let isOver = false;
  const onResult = (result: SeedResult): void => {
    if (isOver || !options.onResult(result)) return;
    isOver = true;
    for (const child of children) child.kill();
  };
  const runJob = async (job: number): Promise<void> => {
    const count = Math.ceil((seeds - job) / jobs);
    for (let done = 0; done < count && !isOver; done += LIVES_MAX) {
      const args = [from + (job + done * jobs) * step, Math.min(LIVES_MAX, count - done), jobs * step, mutant].map(String);
      const child = fork(WORKER, args, { execArgv: EXEC_ARGV, stdio: ['ignore', 'inherit', 'pipe', 'ipc'] });
      children.add(child);
      // One process after the other: together they would be more jobs than were asked for.
      await ended(child, onResult, () => isOver);
      children.delete(child);
    }
  };
  await Promise.all(Array.from({ length: Math.min(jobs, seeds) }, (_, job) => runJob(job)));
}

function ended(child: ChildProcess, onResult: (result: SeedResult) => void, isOver: () => boolean): Promise<void> {
  let complaint = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    complaint = `${complaint}${chunk.toString()}`.slice(-COMPLAINT_MAX);
  });
  let hasTold = false;
  child.on('message', (result) => {
    const told = result as SeedResult; // sent by worker.ts
    hasTold ||= told.violation?.rule === 'unforeseen';
    onResult(told);
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0 || isOver() || hasTold) resolve();
      else reject(new Error(`a process of the simulation ended with code ${String(code)}: ${complaint}`));
    });
  });
}

const WORKER = fileURLToPath(new URL('worker.ts', import.meta.url));
const EXEC_ARGV = ['--import=tsx', '--conditions=@volplane/source'];
/** Seeds in one process: bounds whatever a process may gather. The heap after 300 seeds is that after 60, 22 MiB. */
const LIVES_MAX = 500;
const COMPLAINT_MAX = 4_000;
