import { AppError } from '@volplane/base';
import { expect } from 'chai';
import { context, World } from './world.js';

const KEY = '/volplane/volumes/data';

describe('Manager, creating volumes', () => {
  let world: World;

  beforeEach(() => {
    world = new World();
  });

  afterEach(() => world.end());

  it('never gives the uid of a volume that was removed to another, although the outcome of a commit was not known', async () => {
    const uids: string[] = [];
    const manager = await world.manager('m1', {
      hooks: {
        afterApply: async ({ batch }) => {
          const write = batch?.flatMap(({ writes }) => writes).find(({ key }) => key === KEY);
          if (write?.type !== 'put' || !write.value.includes('"creating"')) return;
          uids.push(world.volume('data')?.uid ?? '');
          if (uids.length > 1) return;
          // Created; somebody else has removed it by the time at which anybody looks again.
          await world.kv.transact([{ compares: [], writes: [{ type: 'delete', key: KEY }] }]);
          throw new AppError('UNKNOWN_OUTCOME', 'answer lost');
        },
      },
    });
    await world.agent('n1');
    const { uid } = await world.settle(manager.api.createVolume({ name: 'data', driver: 'shared' }, context()));
    expect(uids).to.have.length(2);
    expect(uids[1]).to.equal(uid).and.not.equal(uids[0]);
  });
});
