import { rejection } from '@volplane/testkit';
import { expect } from 'chai';
import { context, World, type TestManager } from './world.js';

describe('Manager, work on volumes', () => {
  let world: World;
  let manager: TestManager;

  beforeEach(async () => {
    world = new World();
    manager = await world.manager('m1');
    await world.agent('n1');
    await world.settle(manager.api.createVolume({ name: 'data', driver: 'shared' }, context()));
  });

  afterEach(() => world.end());

  it('refuses a wrong name of a snapshot as what it is', async () => {
    for (const method of ['createSnapshot', 'removeSnapshot'] as const) {
      const { failure } = await rejection(world.settle(manager.api[method]({ name: 'data', snapshot: 's' }, context())));
      expect(failure.reason).to.equal('INVALID_NAME');
      expect(failure.message).to.contain('snapshot name "s"');
      expect(failure.fields).to.include({ field: 'snapshot' });
    }
  });

  it('does not remove a volume of another uid, and tells both uids', async () => {
    const uid = world.volume('data')?.uid ?? '';
    const other = 'f'.repeat(32);
    const { failure } = await rejection(world.settle(manager.api.removeVolume({ name: 'data', uid: other }, context())));
    expect(failure.reason).to.equal('VOLUME_NOT_FOUND');
    expect(failure.message).to.contain(other).and.to.contain(uid);
    expect(world.volume('data')?.phase).to.equal('ready');
    await world.settle(manager.api.removeVolume({ name: 'data', uid }, context()));
    expect(world.volume('data')).to.equal(undefined);
  });

  it('makes and removes a snapshot of a name that every object knows', async () => {
    for (const snapshot of ['first', 'constructor']) await world.settle(manager.api.createSnapshot({ name: 'data', snapshot }, context()));
    expect(Object.keys(world.volume('data')?.snapshots ?? {})).to.deep.equal(['first', 'constructor']);
    await world.settle(manager.api.removeSnapshot({ name: 'data', snapshot: 'constructor' }, context()));
    expect(Object.keys(world.volume('data')?.snapshots ?? {})).to.deep.equal(['first']);
    const clone = { name: 'copy', driver: 'shared', source: { volume: 'data', snapshot: 'constructor' } };
    expect((await rejection(world.settle(manager.api.createVolume(clone, context())))).reason).to.equal('VOLUME_NOT_FOUND');
  });
});
