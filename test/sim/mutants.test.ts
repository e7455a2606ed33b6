import { expect } from 'chai';
import { mutatedSources } from './mutation.js';
import { findMutant, MUTANTS } from './mutants/index.js';
import { runSeeds } from './pool.js';
import type { SeedResult } from './run-seed.js';

/** Guards whose absence a few seeds show; `npm run sim -- --mutants` switches off each of the table. */
const QUICK = ['durable-seq', 'ids-durable', 'uid-epochs'];

describe('the simulation without a guard', () => {
  for (const name of QUICK) {
    it(`finds a violation without ${name}`, async () => {
      const found: SeedResult[] = [];
      const onResult = (result: SeedResult): boolean => {
        if (result.violation !== undefined) found.push(result);
        return found.length > 0;
      };
      await runSeeds({ from: 1, seeds: findMutant(name).seeds, jobs: 1, mutant: name, onResult });
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

  it('has names once', () => {
    expect(new Set(MUTANTS.map((mutant) => mutant.name)).size).to.equal(MUTANTS.length);
  });
});
