import { kvLeaseTests } from './kv-lease-contract.js';
import { kvModelTests } from './kv-model-contract.js';
import { kvRangeTests } from './kv-range-contract.js';
import { kvTransactionTests } from './kv-transaction-contract.js';
import type { KvStoreWorld, KvTrial } from './kv-trial.js';
import { kvProgressTests, kvWatchTests } from './kv-watch-contract.js';

/**
 * What every {@link KvStore} does, as a mocha suite; run for the memory store and for etcd.
 *
 * Method: one store serves the whole suite, each test has a key prefix of its own and reads only there, so what other
 * tests left behind is part of the trial. A watch's recorder checks order, doubles and lateness on its own.
 *
 * @param modelRuns - random histories compared with the naive model; fewer where a run costs real time
 */
export function kvStoreContract(name: string, start: () => Promise<KvStoreWorld>, options: { readonly modelRuns: number }): void {
  describe(`key-value store contract: ${name}`, () => {
    let world: KvStoreWorld;
    let tests = 0;

    before(async () => {
      world = await start();
    });

    after(async () => {
      await world.end();
    });

    beforeEach(() => {
      tests += 1;
    });

    const trial = (): KvTrial => ({ ...world, prefix: `/contract/${String(tests)}/` });
    describe('transactions', () => {
      kvTransactionTests(trial);
    });
    describe('reads', () => {
      kvRangeTests(trial);
    });
    describe('watches', () => {
      kvWatchTests(trial);
    });
    describe('leases', () => {
      kvLeaseTests(trial);
    });
    describe('random histories', () => {
      kvModelTests(trial, options.modelRuns);
    });
    describe('progress', () => {
      kvProgressTests(trial);
    });
  });
}
