import { silentLogger, systemClock, systemRandom } from '@volplane/base';
import { systemMounts, systemToolRunner } from '@volplane/host';
import { noSteps, type DriverContext } from '../../src/driver-context.js';
import { FileThreads } from '../../src/files/file-threads.js';

/** The real machine; tests replace single parts. */
export function realContext(parts: Partial<DriverContext> = {}): DriverContext {
  const run = parts.run ?? systemToolRunner(systemClock);
  return {
    mounts: systemMounts(systemClock, run),
    run,
    clock: systemClock,
    random: systemRandom,
    log: silentLogger,
    lookup: async (host) => {
      throw new Error(`no test looks up ${host}`);
    },
    mayMount: process.getuid?.() === 0,
    files: () => oneThread,
    onStep: noSteps,
    ...parts,
  };
}

/** For all tests of the process: each has a root of its own, and a thread takes memory. */
const oneThread = new FileThreads();
