import { seededRandom } from '@volplane/base';
import { expect } from 'chai';
import { ACCESS_MODES, TAKEOVER_POLICIES, type AccessMode } from '../src/index.js';
import { STEP_WEIGHTS, type Step, type StepKind } from './model-step.js';
import { Model } from './model.js';

/**
 * Three nodes, managers with old memory, and every message late, doubled or lost: the decisions alone have to keep the promises.
 *
 * Histories come from seeds, the same at every run. One that breaks a promise is shortened before it is shown.
 */
describe('histories of one volume', () => {
  for (const accessMode of ACCESS_MODES) {
    it(`keep every promise in ${accessMode}`, function () {
      this.timeout(120_000);
      let commits = 0;
      for (let seed = 1; seed <= SEEDS; seed += 1) {
        const steps = historyOf(seed);
        try {
          commits += play(accessMode, seed, steps);
        } catch (error) {
          throw new Error(`seed ${String(seed)}: ${describeHistory(shortened(accessMode, seed, steps))}`, { cause: error });
        }
      }
      // Histories in which nothing can be committed would prove nothing.
      expect(commits / SEEDS).to.be.greaterThan(15);
    });
  }
});

/** @returns the number of commits. @throws Error when a promise is broken */
function play(accessMode: AccessMode, seed: number, steps: readonly Step[]): number {
  const model = new Model(accessMode, TAKEOVER_POLICIES[seed % TAKEOVER_POLICIES.length] ?? 'manual');
  for (const step of steps) model.run(step);
  return model.commits;
}

function historyOf(seed: number): readonly Step[] {
  const random = seededRandom(seed);
  const pick = <T>(items: readonly T[]): T => {
    const item = items[random.int(items.length)];
    if (item === undefined) throw new Error('there is something to pick from');
    return item;
  };
  const steps = Array.from({ length: STEPS }, (): Step => ({
    kind: pick(KINDS),
    by: pick([0, 0, 0, 1, 1, 1, 2]),
    other: random.int(3),
    at: pick([0, 0, 0, 1, 2, random.int(30)]),
    mode: pick(['rw', 'rw', 'ro']),
    takeover: pick(TAKEOVER_POLICIES),
    late: pick([0, 0, 0, random.int(6)]),
  }));
  // Most histories begin with a volume that is ready: there is more that can go wrong.
  return seed % 4 === 0 ? steps : [...BEGINNING, ...steps];
}

/** The same break in as few steps as leaving out one after the other gets to. */
function shortened(accessMode: AccessMode, seed: number, steps: readonly Step[]): readonly Step[] {
  let shortest = steps;
  for (let index = steps.length - 1; index >= 0; index -= 1) {
    const without = shortest.filter((_, other) => other !== index);
    try {
      play(accessMode, seed, without);
    } catch {
      // Still broken, so the step was not needed.
      shortest = without;
    }
  }
  return shortest;
}

function describeHistory(steps: readonly Step[]): string {
  return steps
    .map(({ kind, by, other, at, late }) => `${kind} n${String(by + 1)}/${String(other + 1)} @${String(at)} late ${String(late)}`)
    .join('; ');
}

const KINDS = Object.entries(STEP_WEIGHTS).flatMap(([kind, weight]) => Array.from({ length: weight }, () => kind as StepKind)); // the keys are the kinds

const BEGINNING = (['create', 'run-command', 'deliver-answer'] as const).map((kind): Step => ({
  kind,
  by: 0,
  other: 0,
  at: 0,
  mode: 'rw',
  takeover: 'manual',
  late: 0,
}));

const SEEDS = 1_000;
const STEPS = 250;
