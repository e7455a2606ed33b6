import { parseNodeName } from '@volplane/domain';
import { expect } from 'chai';
import { context, World, type TestManager } from './world.js';

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
