import { expect } from 'chai';
import { AppError, systemClock } from '@volplane/base';
import { driverContract } from '../src/contracts/driver-contract.js';
import { contractVolume, type DriverWorld } from '../src/contracts/driver-world.js';
import { FakeDriver, type FakeFault } from '../src/fakes/fake-driver.js';
import { FakeKernel } from '../src/fakes/fake-kernel.js';
import { FakeStorage, type FakeWrite } from '../src/fakes/fake-storage.js';
import { ManualClock } from '../src/manual-clock.js';
import { rejection } from '../src/rejection.js';

driverContract('fake', async () => fakeWorld());

describe('fake driver', () => {
  const volume = contractVolume({ options: {} });

  it('records each write with its node and epoch, and whether the storage took it', async () => {
    const seen: FakeWrite[] = [];
    const storage = new FakeStorage(new ManualClock(5), { onWrite: (write) => seen.push(write) });
    const nodes = ['a', 'b'].map((node) => new FakeKernel(node));
    const [a, b] = nodes.map((kernel) => new FakeDriver({ storage, kernel, clock: systemClock }));
    await a?.create(volume);
    const first = nodes[0]?.openWriter((await a?.mount(volume, { mode: 'rw' })) ?? '', 'file');
    await b?.fence?.({ ...volume, epoch: 2 }, new AbortController().signal);
    const second = nodes[1]?.openWriter((await b?.mount({ ...volume, epoch: 2 }, { mode: 'rw' })) ?? '', 'file');
    expect(first?.write('one')).to.equal('refused');
    expect(second?.write('two')).to.equal('written');
    expect(seen).to.deep.equal([
      { node: 'a', uid: volume.uid, epoch: 1, atMs: 5, accepted: false },
      { node: 'b', uid: volume.uid, epoch: 2, atMs: 5, accepted: true },
    ]);
    expect(storage.writes).to.deep.equal(seen);
  });

  it('lets processes write on while the agent is dead, until abort or reboot', async () => {
    const { storage, kernel, driver } = node();
    const agent = driver();
    await agent.create(volume);
    const path = await agent.mount(volume, { mode: 'rw' });
    const writer = kernel.openWriter(path, 'file');
    agent.end();
    expect(writer.write('agent is dead')).to.equal('written');
    expect(kernel.canWrite(volume.uid)).to.equal(true);
    kernel.abort(path);
    expect(kernel.canWrite(volume.uid)).to.equal(false);
    expect(writer.write('aborted')).to.equal('refused');
    await driver().mount(volume, { mode: 'rw' });
    kernel.reboot();
    expect(kernel.canWrite(volume.uid)).to.equal(false);
    expect(storage.find(volume.uid)?.files.get('file')).to.equal('agent is dead');
  });

  it('fails before or after the effect, as told', async () => {
    const error = new AppError('DRIVER_UNAVAILABLE', 'told to fail');
    for (const effect of ['none', 'done'] as const) {
      const { storage, driver } = node();
      const failing = driver((method) => (method === 'create' ? { kind: 'fail', error, effect } : undefined));
      expect(await rejection(failing.create(volume))).to.equal(error);
      expect(storage.find(volume.uid) !== undefined).to.equal(effect === 'done');
    }
  });

  it('hangs for ever, before or after the effect', async () => {
    for (const effect of ['none', 'done'] as const) {
      const { storage, driver } = node();
      const settled = await Promise.race([driver(() => ({ kind: 'hang', effect })).create(volume), Promise.resolve().then(flush)]);
      expect(settled).to.equal('hangs');
      expect(storage.find(volume.uid) !== undefined).to.equal(effect === 'done');
    }
  });

  it('is slow by the clock, and a dead agent’s call has no effect unless it survives', async () => {
    for (const survivesEnd of [false, true]) {
      const { storage, driver, clock } = node();
      const slow = driver(() => ({ kind: 'slow', delayMs: 1000, survivesEnd }));
      const creating = slow.create(volume);
      await clock.advance(999);
      slow.end();
      expect(storage.find(volume.uid)).to.equal(undefined);
      await clock.advance(1);
      expect(storage.find(volume.uid) !== undefined).to.equal(survivesEnd);
      if (survivesEnd) await creating;
    }
  });
});

function node(): {
  storage: FakeStorage;
  kernel: FakeKernel;
  clock: ManualClock;
  driver: (fault?: (method: string) => FakeFault | undefined) => FakeDriver;
} {
  const clock = new ManualClock();
  const storage = new FakeStorage(clock);
  const kernel = new FakeKernel('n1');
  return {
    storage,
    kernel,
    clock,
    driver: (fault) => new FakeDriver({ storage, kernel, clock, ...(fault === undefined ? {} : { fault: ({ method }) => fault(method) }) }),
  };
}

function fakeWorld(): DriverWorld {
  const storage = new FakeStorage(systemClock);
  const kernel = new FakeKernel('n1');
  return {
    driver: (onStep) => new FakeDriver({ storage, kernel, clock: systemClock, ...(onStep === undefined ? {} : { onStep }) }),
    options: { any: 'value' },
    badOptions: [{ bad: 'x' }],
    sizeBytes: 1000,
    readOnlyEnforced: true,
    busyRefused: true,
    erasesData: true,
    files: {
      write: async (path, file, text) => {
        const writer = kernel.openWriter(path, file);
        const outcome = writer.write(text);
        writer.close();
        return outcome === 'written';
      },
      read: async (path, file) => kernel.read(path, file),
      hold: async (path, file) => {
        const writer = kernel.openWriter(path, file);
        return {
          write: async (text) => writer.write(text) === 'written',
          close: async () => {
            writer.close();
          },
        };
      },
    },
    putForeign: async (volume) => {
      storage.putForeign(volume.name);
    },
    hasForeign: async (volume) => storage.isForeign(volume.name),
    leaks: async () => kernel.mounts.map((mount) => mount.path),
    end: async () => undefined,
  };
}

async function flush(): Promise<string> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
  return 'hangs';
}
