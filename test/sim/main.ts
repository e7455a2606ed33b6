import { availableParallelism } from 'node:os';
import { boolean, integer, readSettings, systemClock, text } from '@volplane/base';
import { findMutant, MUTANTS } from './mutants/index.js';
import { runSeeds } from './pool.js';
import type { SeedResult } from './run-seed.js';

// What uses the product is imported where it is needed: a replay without a guard has to come first.

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
  mix: { help: 'Run only seeds of this mix; a name of test/sim/mixes.ts.', fallback: '', parse: text },
  jobs: { help: 'Processes to run in.', fallback: String(availableParallelism()), parse: integer(1, 64) },
  mutant: {
    help: 'Switch this guard off and run until the violation is found; a name of test/sim/mutants, or several with commas.',
    fallback: '',
    parse: text,
  },
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
  const { seed, seeds, from, jobs, mix, mutant, mutants } = read.settings;
  if (seed !== '') await replay(Number(seed), mutant);
  else if (mutants || mutant !== '') {
    const { hunt } = await import('./hunt.js');
    const chosen = mutants ? MUTANTS : mutant.split(',').map(findMutant);
    const isAsStated = await hunt(mix === '' ? chosen : chosen.map((each) => ({ ...each, mix })), seeds, jobs, print);
    if (!isAsStated) process.exitCode = 1;
  } else {
    const { seedsOf } = await import('./mixes.js');
    await runAll(mix === '' ? { from, step: 1 } : seedsOf(mix), seeds === 0 ? SEEDS : seeds, jobs);
  }
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

async function runAll({ from, step }: { readonly from: number; readonly step: number }, seeds: number, jobs: number): Promise<void> {
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
  await runSeeds({ from, seeds, step, jobs, onResult });
  const { events, faults, done, refused, takeovers, writes } = total;
  print(
    `${String(total.seeds)} seeds, ${perSecond()} a second: ${String(events)} events, ${String(faults)} faults, ${String(done)} calls done and ${String(refused)} refused, ${String(takeovers)} takeovers, ${String(writes)} writes; ${String(failed.length)} violations`,
  );
  if (failed.length > 0 || total.seeds < seeds) process.exitCode = 1;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
