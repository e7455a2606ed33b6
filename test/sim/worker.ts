import { errorText } from '@volplane/base';
import { applyMutant } from './mutation.js';
import { findMutant } from './mutants/index.js';
import type { SeedResult } from './run-seed.js';

/**
 * One process of a run: `worker.ts FROM COUNT STRIDE [MUTANT]` lives through every STRIDE-th seed and sends each result to its parent.
 * What the product throws where nothing catches it is told as the seed's violation and ends the process.
 */

const NOTHING = { mix: '', events: 0, faults: 0, done: 0, refused: 0, takeovers: 0, writes: 0 } as const;

const [from = '', count = '', stride = '', mutantName = ''] = process.argv.slice(2);
let seed = Number(from);
const fail = (error: unknown): void => {
  const result: SeedResult = { seed, ...NOTHING, violation: { rule: 'unforeseen', message: `unforeseen: ${errorText(error)}` } };
  process.send?.(result, () => process.exit(1));
};
const checkApplied = mutantName === '' ? undefined : applyMutant(findMutant(mutantName));
// Only now: what it imports is what the mutant changes.
const { runSeed } = await import('./run-seed.js');
checkApplied?.();
process.on('unhandledRejection', fail);
process.on('uncaughtException', fail);
// Refusals are made by the thousand, and nobody looks where they come from; a replay shows it.
Error.stackTraceLimit = 0;

for (let index = 0; index < Number(count); index += 1, seed += Number(stride)) {
  // One life after the other: each has its own world.
  process.send?.(await runSeed(seed));
}
process.disconnect();
