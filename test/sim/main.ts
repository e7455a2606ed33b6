import { availableParallelism } from 'node:os';
import { boolean, integer, readSettings, systemClock, text } from '@volplane/base';
import { findMutant, MUTANTS, type Mutant } from './mutants/index.js';
import { runSeeds } from './pool.js';
import type { SeedResult } from './run-seed.js';

const SEEDS = 200;
const PROGRESS_SEEDS = 500;

const SETTINGS = {
  seeds: {
    help: 'How many seeds to run, from --from on. With mutants: at most; 0 = as many as the table states.',
    fallback: '0',
    parse: integer(0, 10_000_000),
  },
  from: { help: 'The first seed.', fallback: '1', parse: integer(0, 4_000_000_000) },
  seed: { help: 'Replay this one seed with a line for each event.', fallback: '', parse: text },
  jobs: { help: 'Processes to run in.', fallback: String(availableParallelism()), parse: integer(1, 64) },
  mutant: { help: 'Switch this guard off and run until the violation is found; a name of test/sim/mutants.', fallback: '', parse: text },
  mutants: { help: 'Do that with each guard, and print the table.', fallback: 'false', parse: boolean },
} as const;

const read = readSettings(SETTINGS, {
  argv: process.argv.slice(2).map((word) => (word === '--mutants' ? '--mutants=true' : word)),
  env: process.env,
  prefix: 'VOLPLANE_SIM',
  usage: 'npm run sim -- [flags]: lives of simulated clusters, each from one seed.',
});
if (read.type === 'help') process.stdout.write(read.text);
else if (read.type === 'faults') {
  process.stderr.write(`${read.faults.join('\n')}\n`);
  process.exitCode = 78;
} else {
  const { seed, seeds, from, jobs, mutant, mutants } = read.settings;
  if (seed !== '') await replay(Number(seed), mutant);
  else if (mutants) await hunt(MUTANTS, seeds, jobs);
  else if (mutant !== '') await hunt([findMutant(mutant)], seeds, jobs);
  else await runAll(from, seeds === 0 ? SEEDS : seeds, jobs);
}

async function replay(seed: number, mutant: string): Promise<void> {
  const { applyMutant } = await import('./mutation.js');
  const checkApplied = mutant === '' ? undefined : applyMutant(findMutant(mutant));
  // Only now: what it imports is what the mutant changes.
  const { runSeed } = await import('./run-seed.js');
  checkApplied?.();
  const result = await runSeed(seed, (line) => process.stdout.write(`${line}\n`));
  process.stdout.write(`${JSON.stringify(result)}\n`);
  if (result.violation !== undefined) process.exitCode = 1;
}

async function runAll(from: number, seeds: number, jobs: number): Promise<void> {
  const startedMs = systemClock.monotonicMs();
  const total = { seeds: 0, events: 0, faults: 0, done: 0, refused: 0, takeovers: 0, writes: 0 };
  const failed: SeedResult[] = [];
  const perSecond = (): string => (total.seeds / ((systemClock.monotonicMs() - startedMs) / 1000)).toFixed(1);
  const onResult = (result: SeedResult): boolean => {
    total.seeds += 1;
    for (const key of ['events', 'faults', 'done', 'refused', 'takeovers', 'writes'] as const) total[key] += result[key];
    if (result.violation !== undefined) {
      failed.push(result);
      print(`seed ${String(result.seed)} (${result.mix}): ${result.violation.message}`);
      print(`  replay: npm run sim -- --seed ${String(result.seed)}`);
    }
    if (total.seeds % PROGRESS_SEEDS === 0) print(`${String(total.seeds)} of ${String(seeds)} seeds, ${perSecond()} a second`);
    return false;
  };
  await runSeeds({ from, seeds, jobs, onResult });
  const { events, faults, done, refused, takeovers, writes } = total;
  print(
    `${String(total.seeds)} seeds, ${perSecond()} a second: ${String(events)} events, ${String(faults)} faults, ${String(done)} calls done and ${String(refused)} refused, ${String(takeovers)} takeovers, ${String(writes)} writes; ${String(failed.length)} violations`,
  );
  if (failed.length > 0 || total.seeds < seeds) process.exitCode = 1;
}

/** Runs each mutant until its violation is found, and tells which guards are missed. */
async function hunt(mutants: readonly Mutant[], seeds: number, jobs: number): Promise<void> {
  const width = Math.max(...mutants.map((mutant) => mutant.name.length));
  let missed = 0;
  for (const mutant of mutants) {
    const limit = seeds === 0 ? mutant.seeds : seeds;
    // One after the other: each has all processes.
    const found = await findViolation(mutant, limit, jobs);
    if (found === undefined && mutant.shownBy === 'seeds') missed += 1;
    const outcome =
      found === undefined
        ? `not found in ${String(limit)} seeds${mutant.why === undefined ? '' : `: ${mutant.why}`}`
        : `seed ${String(found.seed)} (${found.mix}): ${found.violation?.message ?? ''}`;
    print(`${mutant.name.padEnd(width)} | ${outcome}`);
  }
  print(`${String(mutants.length)} guards switched off, one at a time; ${String(missed)} should have been missed and were not`);
  if (missed > 0) process.exitCode = 1;
}

async function findViolation(mutant: Mutant, seeds: number, jobs: number): Promise<SeedResult | undefined> {
  let found: SeedResult | undefined;
  const onResult = (result: SeedResult): boolean => {
    if (result.violation !== undefined) found ??= result;
    return found !== undefined;
  };
  await runSeeds({ from: 1, seeds, jobs, mutant: mutant.name, onResult });
  return found;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
