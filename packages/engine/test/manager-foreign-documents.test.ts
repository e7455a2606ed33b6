import { rejection } from '@volplane/testkit';
import { expect } from 'chai';
import { context, World, type FakeAgent, type TestManager } from './world.js';

/** What a hand wrote into the store is left alone when it cannot be right, and harms nothing else. */
describe('Manager, beside documents that somebody else wrote', () => {
  let world: World;
  let manager: TestManager;
  let n1: FakeAgent;

  beforeEach(async () => {
    world = new World();
    manager = await world.manager('m1');
    n1 = await world.agent('n1');
    await world.settle(manager.api.createVolume({ name: 'data', driver: 'shared' }, context()));
  });

  afterEach(() => world.end());

  const write = (key: string, value: unknown): Promise<unknown> =>
    world.kv.transact([
      {
        compares: [],
        writes: [{ type: 'put', key: `/volplane/${key}`, value: typeof value === 'string' ? value : JSON.stringify(value) }],
      },
    ]);
  const remove = async (name: string): Promise<string> =>
    (await rejection(world.settle(manager.api.removeVolume({ name }, context())))).reason;

  it('never takes the copy of a record for the record of another volume', async () => {
    await write('volumes/copy', world.volume('data'));
    expect(await remove('copy')).to.equal('DOCUMENT_INVALID');
    expect([...n1.data]).to.deep.equal([world.volume('data')?.uid]);
    const { warnings } = await world.settle(manager.api.listVolumes({}, context()));
    expect(warnings.join()).to.contain('/volplane/volumes/copy').and.contain('that of data');
  });

  it('never takes the copy of a node or of a session for another node', async () => {
    await write('nodes/n2', world.node('n1'));
    const session = world.kv.entries('/volplane/sessions/n1')[0]?.value ?? '';
    await write('sessions/n2', session);
    await world.until(() => manager.cache.invalid.size === 2, 'both are known');
    const { nodes } = await world.settle(manager.api.listNodes({}, context()));
    expect(nodes.map(({ name }) => name)).to.deep.equal(['n1']);
    expect(manager.cache.sessions.size).to.equal(1);
    const cordon = manager.api.cordonNode({ name: 'n2', cordoned: true }, context());
    expect((await rejection(world.settle(cordon))).reason).to.equal('DOCUMENT_INVALID');
  });

  for (const [what, value] of [
    ['half a mirror', '{"volumes":[{"na'],
    ['a mirror of something else', { volumes: [{ name: 'scratch' }] }],
    ['no object', 'null'],
  ] as const) {
    it(`lists volumes although the store has ${what} of a node that is away`, async () => {
      await n1.die();
      await write('inventory/n1', value);
      const { volumes, warnings } = await world.settle(manager.api.listVolumes({}, context()));
      expect(volumes.map(({ name }) => name)).to.deep.equal(['data']);
      expect(warnings.join()).to.contain('/volplane/inventory/n1');
      expect((await world.settle(manager.api.planNodeLost({ name: 'n1' }, context()))).volumes).to.have.length(1);
    });
  }
});
