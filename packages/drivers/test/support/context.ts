import { silentLogger, systemClock, systemRandom } from '@volplane/base';
import { systemMounts, systemToolRunner } from '@volplane/host';
import type { DriverContext } from '../../src/driver-context.js';

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
    onStep: async () => undefined,
    ...parts,
  };
}
