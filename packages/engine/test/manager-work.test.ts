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

  it('makes and removes a snapshot of a name that every object knows', async () => {
    for (const snapshot of ['first', 'constructor']) await world.settle(manager.api.createSnapshot({ name: 'data', snapshot }, context()));
    expect(Object.keys(world.volume('data')?.snapshots ?? {})).to.deep.equal(['first', 'constructor']);
    await world.settle(manager.api.removeSnapshot({ name: 'data', snapshot: 'constructor' }, context()));
    expect(Object.keys(world.volume('data')?.snapshots ?? {})).to.deep.equal(['first']);
    const clone = { name: 'copy', driver: 'shared', source: { volume: 'data', snapshot: 'constructor' } };
    expect((await rejection(world.settle(manager.api.createVolume(clone, context())))).reason).to.equal('VOLUME_NOT_FOUND');
  });
});
