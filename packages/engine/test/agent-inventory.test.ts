import { silentLogger } from '@volplane/base';
import { parseNodeName } from '@volplane/domain';
import { FakeDriver, FakeKernel, FakeStorage, MemoryDisk } from '@volplane/testkit';
import { expect } from 'chai';
import { Agent } from '../src/agent/agent.js';
import { context, TTL_MS, World } from './world.js';

describe('the mirror of a node’s local volumes', () => {
  let world: World;
  let disk: MemoryDisk;
  let agent: Agent;
  /** Writes of the mirror's key. */
  let writes: number;

  beforeEach(async () => {
    world = new World();
    await world.manager('m1');
    writes = 0;
    world.kv.watch(
      { prefix: '/volplane/inventory/', fromRevision: 1 },
      {
        onEvents: (events) => {
          writes += events.length;
        },
        onProgress: () => undefined,
        onEnd: (error) => {
          throw error;
        },
      },
    );
    disk = new MemoryDisk();
    agent = start();
    await world.until(() => writes > 0, 'the mirror was written once');
  });

  afterEach(async () => {
    await world.settle(agent.stop());
    await world.end();
  });

  function start(): Agent {
    const { clock } = world;
    return Agent.start({
      node: parseNodeName('n1'),
      labels: {},
      version: 'test',
      journal: disk.open(),
      bus: world.network.open('n1'),
      drivers: [
        new FakeDriver({
          storage: new FakeStorage(clock),
          kernel: new FakeKernel('n1'),
          clock,
          name: 'here',
          capabilities: { scope: 'local' },
        }),
      ],
      clock,
      random: world.random,
      log: silentLogger,
    });
  }

  const create = (name: string): Promise<unknown> => world.settle(agent.api.createVolume({ name, driver: 'here' }, context()));
  const mirrored = (): readonly string[] => {
    const value = world.kv.entries('/volplane/inventory/n1')[0]?.value ?? '{}';
    return ((JSON.parse(value) as { volumes?: { name: string }[] }).volumes ?? []).map(({ name }) => name); // written by the manager
  };
  const pass = async (ms: number): Promise<void> => {
    const endMs = world.clock.monotonicMs() + ms;
    await world.until(() => world.clock.monotonicMs() >= endMs, 'the time has passed', 250);
  };

  it('follows volumes that come and go', async () => {
    await create('one');
    await create('two');
    await world.until(() => mirrored().join() === 'one,two', 'both are mirrored', 250);
    await world.settle(agent.api.removeVolume({ name: 'one' }, context()));
    await world.until(() => mirrored().join() === 'two', 'the one that is left is mirrored', 250);
  });

  it('puts many changes together, and writes nothing without a change', async () => {
    await pass(30_000);
    const before = writes;
    for (let index = 0; index < 50; index += 1) await create(`many-${String(index)}`);
    await world.until(() => mirrored().length === 50, 'all are mirrored', 250);
    expect(writes - before).to.be.at.most(2);
    const after = writes;
    await pass(60_000);
    await world.settle(agent.api.mountVolume({ name: 'many-0', mountId: 'c1' }, context()));
    await pass(30_000);
    expect(writes).to.equal(after);
  });

  it('tells what changed while no manager could be asked', async () => {
    world.network.disconnect('n1');
    await create('alone');
    await pass(3 * TTL_MS);
    expect(mirrored()).to.deep.equal([]);
    world.network.reconnect('n1');
    await world.until(() => mirrored().join() === 'alone', 'it is mirrored', 250);
  });
});
