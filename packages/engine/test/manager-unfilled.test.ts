import { AppError, seededRandom, silentLogger } from '@volplane/base';
import { rejection, type MemoryKvCall } from '@volplane/testkit';
import { expect } from 'chai';
import { Manager } from '../src/manager/manager.js';
import { context, TTL_MS, World, type FakeAgent, type TestManager } from './world.js';

/** A manager that has just been started, or started again, and cannot read etcd yet. "Not found" would be a guess. */
describe('Manager, before it has read the records', () => {
  let world: World;
  let first: TestManager;
  let agent: FakeAgent;
  let manager: Manager;
  let isAway: boolean;

  beforeEach(async () => {
    world = new World();
    first = await world.manager('m1');
    agent = await world.agent('n1');
    const { clock } = world;
    isAway = true;
    const beforeApply = ({ method }: MemoryKvCall): void => {
      if (isAway && method === 'range') throw new AppError('STORE_UNAVAILABLE', 'etcd is away');
    };
    const kv = world.kv.connect({ beforeApply });
    const common = { clock, random: seededRandom(3), log: silentLogger, sessionTtlMs: TTL_MS };
    manager = Manager.start({ id: 'm2', address: 'm2:1', kv, bus: world.network.open('m2'), ...common });
  });

  afterEach(async () => {
    isAway = false;
    await world.settle(manager.ready.catch(() => undefined));
    await world.settle(manager.stop());
    await world.end();
  });

  it('never says of a node that it has not registered', async () => {
    const use = { name: 'data', node: 'n1', mountId: 'c1' };
    const calls = [
      manager.api.mountVolume(use, context()),
      manager.api.unmountVolume(use, context()),
      manager.api.getPath({ name: 'data', node: 'n1' }, context()),
    ];
    const refusals = await Promise.all(calls.map((call) => rejection(call)));
    expect(refusals.map(({ reason }) => reason)).to.deep.equal(Array(3).fill('STORE_UNAVAILABLE'));
  });

  it('stops without them, whoever waits for them', async () => {
    await first.stop();
    const claim = rejection(agent.claim('data'));
    await world.clock.advance(0);
    await world.settle(manager.stop());
    expect((await claim).reason).to.equal('SHUTTING_DOWN');
  });

  it('keeps sessions alive, and asks no node for what it is about to read itself', async () => {
    await first.stop();
    expect(await agent.heartbeat('another digest')).to.include({ alive: true, wantsList: false, wantsInventory: false });
    isAway = false;
    await world.settle(manager.ready);
    expect(await agent.heartbeat('another digest')).to.include({ alive: true, wantsList: true, wantsInventory: true });
  });
});
