import type { VolumeRef } from '@volplane/domain';
import { expect } from 'chai';
import { context, World, type FakeAgent, type TestManager } from './world.js';

/** With a node, a local volume of that node comes first; which one there is, only its agent knows. */
describe('Manager, asked for a volume of a node', () => {
  let world: World;
  let manager: TestManager;
  let n1: FakeAgent;
  let passed: string[];

  beforeEach(async () => {
    world = new World();
    manager = await world.manager('m1');
    n1 = await world.agent('n1');
    await world.settle(manager.api.createVolume({ name: 'data', driver: 'shared' }, context()));
    passed = [];
    n1.onCall = (method, request) => {
      passed.push(`${method} ${String(request['name'])} on ${String(request['node'])}`);
      return {};
    };
  });

  afterEach(() => world.end());

  const CALLS: Readonly<Record<string, (ref: VolumeRef) => Promise<unknown>>> = {
    removeVolume: (ref: VolumeRef) => manager.api.removeVolume(ref, context()),
    forgetVolume: (ref: VolumeRef) => manager.api.forgetVolume(ref, context()),
    updateLabels: (ref: VolumeRef) => manager.api.updateLabels({ ...ref, set: { made: 'later' }, drop: [] }, context()),
    expandVolume: (ref: VolumeRef) => manager.api.expandVolume({ ...ref, sizeBytes: 1_000_000 }, context()),
    createSnapshot: (ref: VolumeRef) => manager.api.createSnapshot({ ...ref, snapshot: 'first' }, context()),
    removeSnapshot: (ref: VolumeRef) => manager.api.removeSnapshot({ ...ref, snapshot: 'first' }, context()),
  };

  for (const [method, call] of Object.entries(CALLS)) {
    it(`leaves ${method} to the node's agent, although a global volume has the name`, async () => {
      const before = world.volume('data');
      await world.settle(call({ name: 'data', node: 'n1' }));
      await world.settle(call({ name: 'data', node: 'n1', scope: 'local' }));
      expect(passed).to.deep.equal(Array(2).fill(`${method} data on n1`));
      expect(world.volume('data')).to.deep.equal(before);
      expect([...n1.data]).to.deep.equal([before?.uid]);
    });

    it(`asks nobody about ${method} of what can only be the global volume`, async () => {
      await world.settle(call({ name: 'data', node: 'n1', scope: 'global' }));
      expect(passed).to.deep.equal([]);
    });
  }
});
