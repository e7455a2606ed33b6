import { silentLogger } from '@volplane/base';
import { parseNodeName, type MountView } from '@volplane/domain';
import { FakeDriver, FakeKernel, FakeStorage, MemoryDisk, type MemoryJournal, rejection } from '@volplane/testkit';
import { expect } from 'chai';
import { Agent } from '../src/agent/agent.js';
import { context, driver as driverInfo, World } from './world.js';

/** What an agent makes of its records of mounts when the machine was started anew (docs/ownership.md, "What survives what"). */
describe('an agent on a machine that was started anew', () => {
  let world: World;
  let storage: FakeStorage;
  let disk: MemoryDisk;
  let journal: MemoryJournal;
  let agent: Agent;
  let driver: FolderDriver;

  beforeEach(async () => {
    world = new World();
    storage = new FakeStorage(world.clock);
    disk = new MemoryDisk();
    await world.manager('m1');
    await start('first');
    await world.settle(agent.cluster.createVolume({ name: 'vol', driver: 'fake', node: 'n1', takeover: 'manual' }, context()));
  });

  afterEach(async () => {
    await world.settle(agent.stop());
    await world.end();
  });

  async function start(boot: string, outlivesMachine = false): Promise<void> {
    begin(boot, outlivesMachine);
    await world.until(() => agent.session.current() !== undefined, 'the node has a session');
  }

  function begin(boot: string, outlivesMachine = false): void {
    const { clock } = world;
    driver = new FolderDriver({ storage, kernel: new FakeKernel('n1'), clock });
    driver.outlivesMachine = outlivesMachine;
    journal = disk.open();
    agent = Agent.start({
      ...{ node: parseNodeName('n1'), labels: {}, version: 'test', boot, journal, bus: world.network.open('n1'), drivers: [driver] },
      ...{ clock, random: world.random, log: silentLogger },
    });
  }

  async function die(): Promise<void> {
    journal.crash();
    world.network.crash('n1');
    driver.end();
    await world.settle(agent.stop());
  }

  const mount = (mountId: string): Promise<MountView> => world.settle(agent.api.mountVolume({ name: 'vol', mountId }, context()));
  const holders = (): readonly string[] => Object.keys(world.volume('vol')?.attachments ?? {});

  it('gives back what was in use before, though the folder is there, and keeps it when only the agent was started anew', async () => {
    await mount('c1');
    await die();
    await start('first');
    await world.until(() => driver.calls.some(({ method }) => method === 'inspect'), 'the mount was looked at');
    expect(agent.book.mounts()).to.have.length(1);
    expect(agent.book.mounts()[0]).to.deep.include({ state: 'held', mountIds: ['c1'] });
    await die();
    disk.losePower(disk.cached);
    await start('second');
    await world.until(() => holders().length === 0, 'the volume is released');
    expect(agent.book.mounts()).to.deep.equal([]);
  });

  it('joins nobody to a mount whose end the disk has lost', async () => {
    await mount('c1');
    await die();
    // From here on the record is on the disk; its end is not.
    await start('first');
    await world.settle(agent.api.unmountVolume({ name: 'vol', mountId: 'c1' }, context()));
    expect(disk.cached).to.be.above(0);
    const other = await world.agent('n2', { drivers: [driverInfo('fake')] });
    await other.claim('vol');
    await die();
    disk.losePower();
    begin('second');
    // Before the list can tell it: a join asks nobody.
    expect((await rejection(mount('c2'))).reason).to.be.oneOf(['SESSION_LOST', 'VOLUME_HELD']);
    expect(holders()).to.deep.equal(['n2']);
  });

  it('lets the list release what the disk has forgotten altogether', async () => {
    await mount('c1');
    await die();
    disk.losePower();
    await start('second');
    await world.until(() => holders().length === 0, 'the volume is released');
  });

  it('never gives out a seq again', async () => {
    const { seq } = await mount('c1');
    await die();
    disk.losePower();
    await start('second');
    await world.until(() => holders().length === 0, 'the volume is released');
    expect((await mount('c2')).seq).to.be.above(seq);
  });

  it('has the grant synced before a mount that leaves something outside of this machine', async () => {
    await die();
    await start('first', true);
    const mounting = mount('c1');
    await world.until(() => driver.calls.some(({ method }) => method === 'mount'), 'it is mounted');
    await mounting;
    await die();
    disk.losePower();
    await start('second', true);
    await world.until(() => driver.calls.some(({ method }) => method === 'unmount'), 'it is unmounted');
  });
});

/** Nothing is mounted for a volume: its folder is there whatever becomes of the machine. */
class FolderDriver extends FakeDriver {
  outlivesMachine = false;

  override async inspect(...args: Parameters<FakeDriver['inspect']>): ReturnType<FakeDriver['inspect']> {
    return { ...(await super.inspect(...args)), mounted: { path: '/folder', usable: true } };
  }
}
