import { systemClock } from '@volplane/base';
import { seedsOf } from './mixes.js';
import type { Mutant } from './mutants/index.js';
import { runSeeds } from './pool.js';
import type { SeedResult } from './run-seed.js';

/** What one mutant has shown. */
interface Shown {
  readonly mutant: Mutant;
  /** As the table of mutants says. */
  readonly isExpected: boolean;
  readonly by: Mutant['shownBy'];
  readonly first: string;
  readonly seconds: number;
}

interface Found {
  readonly result: SeedResult;
  /** Which of the seeds that were run, from 1 on. */
  readonly number: number;
}

/**
 * Switches each guard off and looks whether it is missed as the table of mutants says; prints a line for each, and the closing table.
 *
 * @param seeds - how many to run for each; 0 = as many as the table states
 * @returns true when every guard is shown as stated, none less and none more
 */
export async function hunt(mutants: readonly Mutant[], seeds: number, jobs: number, print: (line: string) => void): Promise<boolean> {
  const all: Shown[] = [];
  for (const mutant of mutants) {
    // One after the other: each has all processes.
    const shown = await show(mutant, seeds === 0 ? mutant.seeds : seeds, jobs, (what) => {
      print(`${String(all.length + 1)} of ${String(mutants.length)}: ${mutant.name}: ${what}`);
    });
    all.push(shown);
  }
  print('');
  const rows = [['guard', 'shown by', 'first seed', 'seconds', ''], ...all.map(rowOf)];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  for (const row of rows)
    print(
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join(' | ')
        .trimEnd(),
    );
  const unexpected = all.filter((shown) => !shown.isExpected);
  const count = (by: Mutant['shownBy']): string => String(all.filter((shown) => shown.mutant.shownBy === by && shown.isExpected).length);
  print('');
  print(
    `${String(all.length)} guards switched off, one at a time: ${count('seeds')} found by seeds within their limits, ${count('nothing')} covered by others, ${String(unexpected.length)} unexpected`,
  );
  for (const { mutant, first } of unexpected) print(`unexpected: ${mutant.name}, stated as shown by ${mutant.shownBy}: ${first}`);
  return unexpected.length === 0;
}

async function show(mutant: Mutant, limit: number, jobs: number, tell: (what: string) => void): Promise<Shown> {
  const startedMs = systemClock.monotonicMs();
  const ofMix = mutant.mix === undefined ? '' : ` of mix ${mutant.mix}`;
  const found = await findViolation(mutant, limit, jobs);
  const first =
    found === undefined
      ? `none in ${String(limit)}${ofMix}`
      : `${String(found.result.seed)}, number ${String(found.number)} of ${String(limit)}${ofMix || ` (${found.result.mix})`}`;
  tell(found === undefined ? first : `seed ${first}: ${found.result.violation?.message ?? ''}`);
  return {
    mutant,
    isExpected: (found !== undefined) === (mutant.shownBy === 'seeds'),
    by: found === undefined ? 'nothing' : 'seeds',
    first,
    seconds: (systemClock.monotonicMs() - startedMs) / 1000,
  };
}

function rowOf({ mutant, isExpected, by, first, seconds }: Shown): string[] {
  return [mutant.name, by, first, seconds.toFixed(1), isExpected ? '' : 'unexpected'];
}

/** The first violation, in the order of seeds, whatever order the processes come to them in. */
async function findViolation(mutant: Mutant, seeds: number, jobs: number): Promise<Found | undefined> {
  const { from, step } = mutant.mix === undefined ? { from: 1, step: 1 } : seedsOf(mutant.mix);
  const seen = new Set<number>();
  let first: Found | undefined;
  const onResult = (result: SeedResult): boolean => {
    const number = (result.seed - from) / step + 1;
    seen.add(number);
    if (result.violation !== undefined && (first === undefined || number < first.number)) first = { result, number };
    if (first === undefined) return false;
    const { number: last } = first;
    return [...seen].filter((each) => each <= last).length === last;
  };
  await runSeeds({ from, seeds, step, jobs, mutant: mutant.name, onResult });
  return first;
}
