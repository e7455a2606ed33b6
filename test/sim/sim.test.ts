import { expect } from 'chai';
import { runSeed } from './run-seed.js';

const SEEDS = 12;

/** A few lives of simulated clusters with every test run; `npm run sim -- --seeds 10000` is the real thing. */
describe('simulated clusters', () => {
  const total = { done: 0, writes: 0, faults: 0 };
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    it(`keep every invariant and come to rest, seed ${String(seed)}`, async () => {
      const result = await runSeed(seed);
      expect(result.violation, `replay: npm run sim -- --seed ${String(seed)}`).to.equal(undefined);
      for (const key of ['done', 'writes', 'faults'] as const) total[key] += result[key];
    });
  }

  it('have had work, writes and faults to keep them under', () => {
    expect(total.done).to.be.above(10 * SEEDS);
    expect(total.writes).to.be.above(10 * SEEDS);
    expect(total.faults).to.be.above(10 * SEEDS);
  });

  it('are the same for the same seed', async () => {
    expect(await runSeed(7)).to.deep.equal(await runSeed(7));
  });
});
