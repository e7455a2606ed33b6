import type { AppError } from '@volplane/base';
import { parseNodeName } from '@volplane/domain';
import { rejection } from '@volplane/testkit';
import { expect } from 'chai';
import { context, driver, World, type TestManager } from './world.js';

/** Everything in this file happens at once, so that no choice sees what came of another. */
describe('Manager, placing many volumes at once', () => {
  let world: World;
  let manager: TestManager;

  beforeEach(async () => {
    world = new World();
    manager = await world.manager('m1', { brake: { lostShareMax: 1, takeoversPerMinuteMax: 1_000, lostWindowMs: 1_000 } });
    for (const name of ['n1', 'n2', 'n3']) await world.agent(name);
  });

  afterEach(() => world.end());

  const create = (count: number, changes: object = {}): Promise<unknown> =>
    world.settle(
      Promise.all(
        Array.from({ length: count }, (_, index) =>
          manager.api.createVolume({ name: `data-${String(index)}`, driver: 'shared', ...changes }, context()),
        ),
      ),
    );
  const owned = (...nodes: string[]): number[] =>
    nodes.map((node) => [...manager.cache.volumes.names()].filter((name) => world.volume(name)?.owner === node).length);

  it('spreads new volumes evenly', async () => {
    await create(9);
    expect(owned('n1', 'n2', 'n3')).to.deep.equal([3, 3, 3]);
  });

  it('spreads the volumes of a node that is gone evenly, and those of one that is drained', async () => {
    const n4 = await world.agent('n4');
    await create(30, { node: 'n4' });
    await n4.die();
    await world.until(() => owned('n4')[0] === 0, 'the volumes have living owners');
    expect(owned('n1', 'n2', 'n3')).to.deep.equal([10, 10, 10]);
    await world.settle(manager.api.drainNode({ name: 'n1' }, context()));
    expect(owned('n1', 'n2', 'n3')).to.deep.equal([0, 15, 15]);
  });

  it('refuses a node that has never registered as such', async () => {
    await create(1);
    const transfer = { name: 'data-0', toNode: 'n9' };
    const asked = [manager.api.transferOwnership(transfer, context()), create(1, { name: 'data-1', node: 'n9' })];
    const refusals = await Promise.all(asked.map((call) => rejection(world.settle(call))));
    expect(refusals.map(({ reason }) => reason)).to.deep.equal(['NODE_NOT_FOUND', 'NODE_NOT_FOUND']);
    expect(refusals[0]?.message).to.contain('node n9');
  });

  it('refuses what the driver can do on no node as that, and what one node can do by naming the others', async () => {
    const sizeless = driver('sizeless', { size: false });
    const some = driver('some', { size: false });
    await world.agent('n4', { drivers: [sizeless, some] });
    await world.agent('n5', { drivers: [sizeless, driver('some')] });
    const sized = (changes: object): Promise<AppError> => rejection(create(1, { sizeBytes: 1_024, ...changes }));
    const everywhere = await sized({ driver: 'sizeless' });
    expect(everywhere.reason).to.equal('CAPABILITY_MISSING');
    expect(everywhere.message).to.contain('driver sizeless cannot keep a size');
    expect((await sized({ driver: 'some', node: 'n4' })).reason).to.equal('NODE_LACKS_DRIVER');
    await create(1, { driver: 'some', sizeBytes: 1_024 });
    expect(world.volume('data-0')?.owner).to.equal('n5');
  });

  it('counts what is being given to a node only as long as that lasts', () => {
    const { volumes } = manager.cache;
    const node = parseNodeName('n1');
    const [one, other] = [volumes.expectOwner(node), volumes.expectOwner(node)];
    expect(volumes.owners.count(node)).to.equal(2);
    one();
    expect(volumes.owners.count(node)).to.equal(1);
    other();
    expect(volumes.owners.count(node)).to.equal(0);
  });
});
