import { AppError, silentLogger, type Logger } from '@volplane/base';
import { parseNodeName, type VolumeView } from '@volplane/domain';
import type { DriverVolume } from '@volplane/ports';
import {
  FakeDriver,
  FakeKernel,
  FakeStorage,
  MemoryDisk,
  rejection,
  type FakeCall,
  type FakeFault,
  type MemoryJournal,
} from '@volplane/testkit';
import { expect } from 'chai';
import { Agent } from '../src/agent/agent.js';
import { context, World } from './world.js';

/** Local volumes under failures of their driver and deaths of the agent; no manager runs, and none is needed. */
describe('local volumes', () => {
  let world: World;
  let storage: FakeStorage;
  let kernel: FakeKernel;
  let disk: MemoryDisk;
  let journal: MemoryJournal;
  let agent: Agent;
  let driver: PlainDriver;
  let fault: (call: FakeCall) => FakeFault | undefined;
  let canClone: boolean;
  let hasDriver: boolean;
  let boot: string;
  let outlivesMachine: boolean;
  let warnings: string[];

  beforeEach(() => {
    world = new World();
    storage = new FakeStorage(world.clock);
    kernel = new FakeKernel('n1');
    disk = new MemoryDisk();
    canClone = true;
    hasDriver = true;
    boot = 'b1';
    outlivesMachine = false;
    warnings = [];
    fault = () => undefined;
    start();
  });

  afterEach(async () => {
    fault = () => undefined;
    await world.settle(agent.stop());
  });

  function start(): void {
    const { clock } = world;
    journal = disk.open();
    const log: Logger = { ...silentLogger, warn: (message) => warnings.push(message), child: () => log };
    driver = new PlainDriver({
      ...{ storage, kernel, clock, name: 'here', fault: (call) => fault(call) },
      capabilities: { scope: 'local', clone: canClone, size: canClone },
    });
    driver.outlivesMachine = outlivesMachine;
    agent = Agent.start({
      ...{ node: parseNodeName('n1'), labels: {}, version: 'test', boot, journal, bus: world.network.open('n1') },
      ...{ drivers: hasDriver ? [driver] : [], clock, random: world.random, log },
    });
  }

  /** The process is killed and started anew. */
  async function restart(failure?: Parameters<typeof failOnce>): Promise<void> {
    journal.crash();
    world.network.crash('n1');
    driver.end();
    await world.settle(agent.stop());
    fault = () => undefined;
    if (failure !== undefined) failOnce(...failure);
    start();
  }

  const failOnce = (method: FakeCall['method'], once: FakeFault): void => {
    fault = (call) => {
      if (call.method !== method) return undefined;
      fault = () => undefined;
      return once;
    };
  };
  const create = (name: string, more: object = {}): Promise<VolumeView> =>
    world.settle(agent.api.createVolume({ name, driver: 'here', ...more }, context()));
  const mount = (mountId: string, mode: 'rw' | 'ro' = 'rw'): Promise<unknown> =>
    world.settle(agent.api.mountVolume({ name: 'vol', mountId, mode }, context()));
  const remove = (name: string): Promise<void> => world.settle(agent.api.removeVolume({ name }, context()));
  const forget = (name: string): Promise<void> => world.settle(agent.api.forgetVolume({ name }, context()));
  const unavailable = (method: FakeCall['method']): FakeFault => ({
    kind: 'fail',
    error: new AppError('DRIVER_UNAVAILABLE', `no answer to ${method}`),
    effect: 'none',
  });
  const records = (): readonly string[] => agent.book.locals().map(({ name, phase }) => `${name} ${phase}`);
  const pass = async (ms: number): Promise<void> => {
    const endMs = world.clock.monotonicMs() + ms;
    await world.until(() => world.clock.monotonicMs() >= endMs, 'the time has passed', 250);
  };
  const crashing: FakeFault = { kind: 'hang', effect: 'done' };

  describe('create', () => {
    it('gives the name back when the driver refuses for good, whatever the reason', async () => {
      failOnce('create', { kind: 'fail', error: new AppError('INVALID_ARGUMENT', 'too small'), effect: 'none' });
      expect((await rejection(create('vol', { sizeBytes: 1 }))).reason).to.equal('INVALID_ARGUMENT');
      expect(records()).to.deep.equal([]);
      expect(await create('vol', { sizeBytes: 4096 })).to.include({ name: 'vol', phase: 'ready' });
    });

    it('forgets one that was cut short and is refused for good when it goes on', async () => {
      fault = ({ method }) => (method === 'create' ? { kind: 'hang', effect: 'none' } : undefined);
      const creating = agent.api.createVolume({ name: 'vol', driver: 'here' }, context());
      creating.catch(() => undefined);
      await world.until(() => driver.calls.some(({ method }) => method === 'create'), 'the create has begun');
      await restart(['create', { kind: 'fail', error: new AppError('FOREIGN_DATA', 'something else is there'), effect: 'none' }]);
      await world.until(() => records().length === 0, 'it is forgotten');
    });

    it('leaves nothing behind when the source of a clone does not exist', async () => {
      expect((await rejection(create('copy', { source: { volume: 'nowhere' } }))).reason).to.equal('VOLUME_NOT_FOUND');
      await pass(20_000);
      expect(records()).to.deep.equal([]);
      expect(storage.at('copy')).to.equal(undefined);
    });

    it('goes on with a clone that was cut short as a clone, never as an empty volume', async () => {
      await create('vol');
      storage.at('vol')?.files.set('file', 'text');
      fault = ({ method }) => (method === 'create' ? { kind: 'hang', effect: 'none' } : undefined);
      const cloning = agent.api.createVolume({ name: 'copy', driver: 'here', source: { volume: 'vol' } }, context());
      cloning.catch(() => undefined);
      await world.until(() => driver.calls.filter(({ method }) => method === 'create').length === 2, 'the clone has begun');
      await restart();
      await world.until(() => records().includes('copy ready'), 'it is ready');
      expect(storage.at('copy')?.files.get('file')).to.equal('text');
    });

    it('refuses a source and a size that the driver would pass over', async () => {
      await create('vol');
      canClone = false;
      await restart();
      const cloned = await rejection(create('copy', { source: { volume: 'vol' } }));
      expect(cloned).to.include({ reason: 'CAPABILITY_MISSING' });
      const sized = await rejection(create('sized', { sizeBytes: 4096 }));
      expect(sized).to.include({ reason: 'CAPABILITY_MISSING' });
      expect(records()).to.deep.equal(['vol ready']);
    });
  });

  describe('that do not come to their end', () => {
    it('are taken back by a remove where the driver cannot create', async () => {
      fault = ({ method }) => (method === 'create' ? unavailable(method) : undefined);
      const refusal = await rejection(create('vol'));
      expect(refusal).to.include({ reason: 'DRIVER_UNAVAILABLE' });
      expect(refusal.message).to.contain('remove the volume');
      expect((await rejection(create('vol', { sizeBytes: 4096 }))).message).to.contain('remove the volume');
      expect(records()).to.deep.equal(['vol creating']);
      await remove('vol');
      expect(records()).to.deep.equal([]);
      expect(driver.calls.at(-1)).to.include({ method: 'remove' });
    });

    it('are forgotten where the driver cannot remove either, which says what may be left', async () => {
      fault = ({ method }) => (method === 'create' || method === 'remove' ? unavailable(method) : undefined);
      await rejection(create('vol'));
      expect((await rejection(remove('vol'))).message).to.contain('forget the volume');
      expect(records()).to.deep.equal(['vol removing']);
      await forget('vol');
      expect(records()).to.deep.equal([]);
      expect(warnings).to.include('volume is forgotten, its driver may have all of it or a part');
    });

    it('are removed by the same remove once more, and no volume of the cluster is', async () => {
      await create('vol');
      fault = ({ method }) => (method === 'remove' ? unavailable(method) : undefined);
      await rejection(remove('vol'));
      fault = () => undefined;
      await remove('vol');
      expect(records()).to.deep.equal([]);
    });

    it('are forgotten without their driver, and not hidden by a remove that it would take', async () => {
      await create('ready');
      await create('mounting');
      failOnce('mount', crashing);
      agent.api.mountVolume({ name: 'mounting', mountId: 'c1' }, context()).catch(() => undefined);
      await world.until(() => driver.calls.some(({ method }) => method === 'mount'), 'the mount has begun');
      fault = ({ method }) => (method === 'create' ? unavailable(method) : undefined);
      await rejection(create('vol'));
      hasDriver = false;
      await restart();
      for (const name of ['ready', 'mounting', 'vol']) {
        const refusal = await rejection(remove(name));
        expect(refusal).to.include({ reason: 'NODE_LACKS_DRIVER' });
        expect(refusal.message).to.contain('forget the volume');
      }
      expect(records()).to.deep.equal(['ready ready', 'mounting ready', 'vol creating']);
      warnings = [];
      for (const name of ['ready', 'mounting', 'vol']) await forget(name);
      expect(records()).to.deep.equal([]);
      expect(warnings.filter((message) => message.startsWith('volume is forgotten'))).to.deep.equal([
        'volume is forgotten, it may still be mounted',
        'volume is forgotten, its driver may have all of it or a part',
      ]);
    });
  });

  describe('mount', () => {
    beforeEach(() => create('vol'));

    const isMounted = (): boolean => kernel.mounts.length > 0;

    it('is taken away by the next life when the agent died before it was written down', async () => {
      failOnce('mount', crashing);
      const mounting = agent.api.mountVolume({ name: 'vol', mountId: 'c1' }, context());
      mounting.catch(() => undefined);
      await world.until(isMounted, 'it is mounted');
      await restart();
      await world.until(() => !isMounted(), 'it is unmounted');
      await remove('vol');
      expect(records()).to.deep.equal([]);
    });

    it('does not keep the volume from being removed when its call failed and the mount was made', async () => {
      failOnce('mount', { kind: 'fail', error: new AppError('DRIVER_UNAVAILABLE', 'no answer'), effect: 'done' });
      await rejection(mount('c1'));
      await remove('vol');
      expect(records()).to.deep.equal([]);
      expect(isMounted()).to.equal(false);
    });

    it('of a failed call is taken away in the background', async () => {
      failOnce('mount', { kind: 'fail', error: new AppError('DRIVER_UNAVAILABLE', 'no answer'), effect: 'done' });
      await rejection(mount('c1'));
      await world.until(() => !isMounted(), 'it is unmounted', 250);
    });

    it('of a failed call that could write is never handed out as read-only', async () => {
      failOnce('mount', { kind: 'fail', error: new AppError('DRIVER_UNAVAILABLE', 'no answer'), effect: 'done' });
      await rejection(mount('c1', 'rw'));
      await mount('c2', 'ro');
      expect(kernel.mounts.map(({ mode }) => mode)).to.deep.equal(['ro']);
    });

    it('that leaves something outside of this machine is known after its end', async () => {
      driver.outlivesMachine = true;
      failOnce('mount', crashing);
      const mounting = agent.api.mountVolume({ name: 'vol', mountId: 'c1' }, context());
      mounting.catch(() => undefined);
      await world.until(isMounted, 'it is mounted');
      journal.crash();
      disk.losePower();
      await restart();
      await world.until(() => driver.calls.some(({ method }) => method === 'unmount'), 'it is unmounted');
    });

    it('in use stays through the death of the agent', async () => {
      await mount('c1');
      await restart();
      await world.until(() => driver.calls.some(({ method }) => method === 'inspect'), 'the mount was looked at');
      await pass(20_000);
      expect(isMounted()).to.equal(true);
      expect(agent.book.locals()[0]?.mountIds).to.deep.equal(['c1']);
    });
  });

  describe('mount on a machine that was started anew', () => {
    const mountIds = (): readonly string[] => agent.book.locals().flatMap((record) => record.mountIds);

    beforeEach(async () => {
      await create('vol');
      await mount('c1');
      boot = 'b2';
    });

    it('is used by nobody any more, though the driver finds its folder', async () => {
      await restart();
      await world.until(() => mountIds().length === 0, 'the ids are void');
      await remove('vol');
      expect(records()).to.deep.equal([]);
    });

    it('is ended for good when the driver answers late, and does not decide the mode of the next', async () => {
      await restart(['unmount', unavailable('unmount')]);
      await world.until(() => mountIds().length === 0, 'the ids are void');
      await world.until(() => kernel.mounts.length === 0, 'it is unmounted', 250);
      await mount('c2', 'ro');
      expect(kernel.mounts.map(({ mode }) => mode)).to.deep.equal(['ro']);
      expect(mountIds()).to.deep.equal(['c2']);
    });

    it('is this start’s once it is made anew', async () => {
      await restart();
      await mount('c2');
      await restart();
      await world.until(() => driver.calls.some(({ method }) => method === 'inspect'), 'the mount was looked at');
      await pass(20_000);
      expect(mountIds()).to.deep.equal(['c2']);
    });

    it('is what the driver says where mounts outlive the machine', async () => {
      outlivesMachine = true;
      await restart();
      await world.until(() => driver.calls.some(({ method }) => method === 'inspect'), 'the mount was looked at');
      await pass(20_000);
      expect(mountIds()).to.deep.equal(['c1']);
    });
  });

  it('take a snapshot under a name that objects have by themselves', async () => {
    await create('vol');
    await world.settle(agent.api.createSnapshot({ name: 'vol', snapshot: 'first' }, context()));
    await world.settle(agent.api.createSnapshot({ name: 'vol', snapshot: 'constructor' }, context()));
    expect([...(storage.at('vol')?.snapshots.keys() ?? [])]).to.deep.equal(['first', 'constructor']);
  });
});

/** As real drivers do that cannot clone: it passes over a source. */
class PlainDriver extends FakeDriver {
  outlivesMachine = false;

  override create(volume: DriverVolume): Promise<void> {
    if (this.info.capabilities.clone) return super.create(volume);
    const { source: _, ...plain } = volume;
    return super.create(plain);
  }
}
