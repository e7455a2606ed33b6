import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { mutatedSources } from './mutation.js';
import { seedsOf } from './mixes.js';
import { findMutant, MUTANTS } from './mutants/index.js';
import { runSeeds } from './pool.js';
import type { SeedResult } from './run-seed.js';

/** Guards whose absence a few seeds show; `npm run sim -- --mutants` switches off each of the table. */
const QUICK = ['durable-seq', 'ids-durable', 'uid-epochs'];

const OWNERSHIP = new URL('../../docs/ownership.md', import.meta.url);
const BRAKE = 'the brake on mass takeovers';

describe('the simulation without a guard', () => {
  for (const name of QUICK) {
    it(`finds a violation without ${name}`, async () => {
      const found: SeedResult[] = [];
      const onResult = (result: SeedResult): boolean => {
        if (result.violation !== undefined) found.push(result);
        return found.length > 0;
      };
      const { seeds, mix } = findMutant(name);
      const range = mix === undefined ? { from: 1 } : seedsOf(mix);
      await runSeeds({ ...range, seeds, jobs: 1, mutant: name, onResult });
      expect(found).to.have.length(1);
    });
  }

  it('has every guard of its table in the source, exactly once', () => {
    for (const mutant of MUTANTS) mutatedSources(mutant);
  });

  it('does not run a mutant whose guard is not in the source', () => {
    const [edit] = findMutant('seq-check').edits;
    const gone = { ...findMutant('seq-check'), edits: [{ file: edit?.file ?? '', text: 'not there', replacement: '' }] };
    expect(() => mutatedSources(gone)).to.throw('its text is 0 times in packages/domain/src/release.ts, not once');
    const vague = { ...gone, edits: [{ file: edit?.file ?? '', text: 'return', replacement: '' }] };
    expect(() => mutatedSources(vague)).to.throw(/its text is \d+ times/);
  });

  it('says so when a process of a run fails', async () => {
    const running = runSeeds({ from: 1, seeds: 1, jobs: 1, mutant: 'no such guard', onResult: () => false });
    expect(await running.then(() => 'ended', String)).to.contain('there is no mutant no such guard');
  });

  it('is shown to need each guard that docs/ownership.md calls needed, by seeds, and the others to be covered', () => {
    const [, section = ''] = readFileSync(OWNERSHIP, 'utf8').split('## Which guards carry the weight');
    const [before = '', covered = ''] = (section.split('\n## ')[0] ?? '').split('Covered by others');
    const needed = [...before.matchAll(/^- ([^:]+): (.*)$/gm)];
    expect(needed.map(([, rule = '']) => rule)).to.deep.equal([...Array.from({ length: 20 }, (_, index) => String(index + 1)), BRAKE]);
    const named = (text: string): string[] => [...text.replace(/\([^)]*\)/g, '').matchAll(/`([^`]+)`/g)].map(([, name = '']) => name);
    const shownBy = (isSeeds: boolean): string[] =>
      MUTANTS.filter((mutant) => (mutant.shownBy === 'seeds') === isSeeds)
        .map(({ name }) => name)
        .sort();
    expect(needed.flatMap(([, , guards = '']) => named(guards)).sort()).to.deep.equal(shownBy(true));
    expect(named(covered).sort()).to.deep.equal(shownBy(false));
  });

  it('says of each guard that no seed shows why', () => {
    expect(MUTANTS.filter(({ shownBy, why }) => (shownBy === 'seeds') === (why !== undefined)).map(({ name }) => name)).to.deep.equal([]);
  });

  it('has names once', () => {
    expect(new Set(MUTANTS.map((mutant) => mutant.name)).size).to.equal(MUTANTS.length);
  });
});
