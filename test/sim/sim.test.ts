import { expect } from 'chai';
import { runSeed } from './run-seed.js';

/** A few lives of simulated clusters with every test run; `npm run sim -- --seeds 10000` is the real thing. */
describe('simulated clusters', () => {
  for (let seed = 1; seed <= 12; seed += 1) {
    it(`keep every invariant and come to rest, seed ${String(seed)}`, async () => {
      const result = await runSeed(seed);
      expect(result.violation, `replay: npm run sim -- --seed ${String(seed)}`).to.equal(undefined);
      expect(result.done, 'calls done').to.be.above(0);
      expect(result.writes, 'writes seen at the storage').to.be.above(0);
    });
  }

  it('are the same for the same seed', async () => {
    expect(await runSeed(7)).to.deep.equal(await runSeed(7));
  });
});
