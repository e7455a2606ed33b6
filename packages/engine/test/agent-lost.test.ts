import { parseNodeName, type MountView } from '@volplane/domain';
import { FakeDriver, FakeKernel, FakeStorage, MemoryDisk, type MemoryJournal, rejection } from '@volplane/testkit';
import { expect } from 'chai';
import { Agent } from '../src/agent/agent.js';
import { recordingLogger, type LogLine } from './recording-logger.js';
import { context, World, type TestManager } from './world.js';

/** A node of which an operator said that it never writes again, and which runs all the same. */
describe('an agent whose node was declared lost', () => {
  let world: World;
  let manager: TestManager;
  let storage: FakeStorage;
  let kernel: FakeKernel;
  let disk: MemoryDisk;
  let journal: MemoryJournal;
  let agent: Agent;
  let lines: LogLine[];

  beforeEach(async () => {
    world = new World();
    storage = new FakeStorage(world.clock);
    kernel = new FakeKernel('n1');
    disk = new MemoryDisk();
    lines = [];
    manager = await world.manager('m1');
    start();
    await world.until(() => agent.session.current() !== undefined, 'the node has a session');
    await world.settle(agent.cluster.createVolume({ name: 'vol', driver: 'fake', node: 'n1', takeover: 'manual' }, context()));
    await mount('c1');
    journal.crash();
    world.network.crash('n1');
    await world.settle(agent.stop());
    await world.until(() => !world.hasSession('n1'), 'its session has ended', 500);
    const { planRevision } = await world.settle(manager.api.planNodeLost({ name: 'n1' }, context()));
    await world.settle(manager.api.declareNodeLost({ name: 'n1', planRevision, note: 'ann: burnt' }, context()));
    start();
    await world.until(() => refusals().length > 0, 'its registration was refused');
  });

  afterEach(async () => {
    await world.settle(agent.stop());
    await world.end();
  });

  function start(): void {
    const { clock } = world;
    journal = disk.open();
    agent = Agent.start({
      ...{ node: parseNodeName('n1'), labels: {}, version: 'test', boot: 'first', journal, bus: world.network.open('n1') },
      ...{ drivers: [new FakeDriver({ storage, kernel, clock })], clock, random: world.random, log: recordingLogger(lines) },
    });
  }

  const mount = (mountId: string): Promise<MountView> => world.settle(agent.api.mountVolume({ name: 'vol', mountId }, context()));
  const refusals = (): readonly LogLine[] => lines.filter(({ message }) => message === 'registration refused');

  it('mounts nothing any more, not beside a mount that is there either, and says why', async () => {
    for (const id of ['c1', 'c2']) {
      const refused = await rejection(mount(id));
      expect(refused.reason).to.equal('NODE_LOST');
      expect(refused.message).to.contain('volume vol').and.contain('node n1').and.contain('ann: burnt');
    }
    expect(agent.book.mounts()[0]).to.deep.include({ state: 'held', mountIds: ['c1'] });
  });

  it('lets its users unmount', async () => {
    await world.settle(agent.api.unmountVolume({ name: 'vol', mountId: 'c1' }, context()));
    expect(kernel.mounts).to.deep.equal([]);
  });

  it('is logged once, with what is still mounted there', async () => {
    await world.clock.advance(600_000);
    expect(refusals()).to.have.length(1);
    expect(
      lines.filter(({ message }) => message.startsWith('this node was given up')).map(({ fields }) => fields?.['volumes']),
    ).to.deep.equal([['vol']]);
  });

  it('is named by an explanation of what it has mounted', async () => {
    const { summary } = await world.settle(manager.api.explainVolume({ name: 'vol' }, context()));
    expect(summary).to.include(
      'n1 (lost) has it in use for c1 without a right to it, and may write: stop the node, or cut its storage off',
    );
  });
});
