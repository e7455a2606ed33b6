import type { VolumeName } from '@volplane/domain';
import type { DriverVolume, VolumeDriver } from '@volplane/ports';
import { expect } from 'chai';
import { rejection } from '../rejection.js';
import { contractUid, contractVolume, type DriverWorld } from './driver-world.js';

/**
 * Crashes at every step of every operation: the driver stops for ever at its k-th step, as if the agent had been killed
 * there (nothing is cleaned up), and a new driver repeats the call or undoes it. k grows until the operation gets through.
 */
export function driverCrashTests(world: () => DriverWorld): void {
  createCrashTests(world);
  mountCrashTests(world);
  featureCrashTests(world);
}

function createCrashTests(world: () => DriverWorld): void {
  it('repeats a create that was cut short anywhere', async () => {
    await crashEverywhere(world(), {
      prepare: async () => undefined,
      crash: (driver, volume) => driver.create(volume, CALM),
      recover: async (driver, volume) => {
        await driver.create(volume, CALM);
        expect(await isUsable(world(), driver, volume)).to.equal(true);
      },
    });
  });

  it('undoes a create that was cut short anywhere, and the name is free again', async () => {
    await crashEverywhere(world(), {
      prepare: async () => undefined,
      crash: (driver, volume) => driver.create(volume, CALM),
      recover: async (driver, volume) => {
        await driver.remove(volume, CALM);
        expect((await driver.inspect(volume, CALM)).existence).to.equal('absent');
        const next = { ...volume, uid: contractUid(77) };
        await driver.create(next, CALM);
        await driver.remove(next, CALM);
      },
    });
  });

  it('repeats a remove that was cut short anywhere', async () => {
    await crashEverywhere(world(), {
      prepare: (driver, volume) => driver.create(volume, CALM),
      crash: (driver, volume) => driver.remove(volume, CALM),
      recover: async (driver, volume) => {
        await driver.remove(volume, CALM);
        expect((await driver.inspect(volume, CALM)).existence).to.equal('absent');
      },
    });
  });
}

function mountCrashTests(world: () => DriverWorld): void {
  it('repeats a mount that was cut short anywhere', async () => {
    await crashEverywhere(world(), {
      prepare: (driver, volume) => driver.create(volume, CALM),
      crash: (driver, volume) => driver.mount(volume, { mode: 'rw' }, CALM),
      recover: async (driver, volume) => {
        expect(await isUsable(world(), driver, volume)).to.equal(true);
      },
    });
  });

  it('undoes a mount that was cut short anywhere', async () => {
    await crashEverywhere(world(), {
      prepare: (driver, volume) => driver.create(volume, CALM),
      crash: (driver, volume) => driver.mount(volume, { mode: 'rw' }, CALM),
      recover: (driver, volume) => driver.unmount(volume, CALM),
    });
  });

  it('repeats an unmount that was cut short anywhere', async () => {
    await crashEverywhere(world(), {
      prepare: async (driver, volume) => {
        await driver.create(volume, CALM);
        await driver.mount(volume, { mode: 'rw' }, CALM);
      },
      crash: (driver, volume) => driver.unmount(volume, CALM),
      recover: (driver, volume) => driver.unmount(volume, CALM),
    });
  });

  it('does nothing when its signal has fired before, or says so', async function () {
    const driver = world().driver();
    const volume = contractVolume(world());
    await driver.create(volume, CALM);
    const fired = AbortSignal.abort();
    const outcomes = await Promise.allSettled([driver.mount(volume, { mode: 'rw' }, fired)]);
    if (outcomes[0].status === 'rejected')
      expect((await rejection(Promise.reject(outcomes[0].reason as Error))).reason).to.equal('CANCELLED');
    await driver.unmount(volume, CALM);
    expect(await world().leaks()).to.deep.equal([]);
  });
}

function featureCrashTests(world: () => DriverWorld): void {
  it('repeats an expand and a snapshot that were cut short anywhere', async () => {
    const { sizeBytes } = world();
    const { capabilities } = world().driver().info;
    const create = (driver: VolumeDriver, volume: DriverVolume): Promise<void> => driver.create(volume, CALM);
    const prepare = async (driver: VolumeDriver, volume: DriverVolume): Promise<void> => {
      await create(driver, volume);
      await driver.mount(volume, { mode: 'rw' }, CALM);
    };
    if (capabilities.expand && sizeBytes !== undefined) {
      const isMounted = world().expandsWhileMounted !== false;
      const expand = async (driver: VolumeDriver, volume: DriverVolume): Promise<unknown> =>
        await driver.expand?.(volume, 2 * sizeBytes, CALM);
      await crashEverywhere(world(), { prepare: isMounted ? prepare : create, crash: expand, recover: expand });
    }
    if (capabilities.snapshot) {
      const snapshot = async (driver: VolumeDriver, volume: DriverVolume): Promise<unknown> => await driver.snapshot?.(volume, 'one', CALM);
      await crashEverywhere(world(), {
        prepare,
        crash: snapshot,
        recover: async (driver, volume) => {
          await snapshot(driver, volume);
          expect(await isUsable(world(), driver, volume)).to.equal(true);
        },
      });
    }
  });

  it('repeats or undoes a clone that was cut short anywhere', async function () {
    if (!world().driver().info.capabilities.clone) this.skip();
    const cloneOf = (volume: DriverVolume): DriverVolume =>
      contractVolume(world(), {
        name: 'clone' as VolumeName,
        uid: contractUid(2000 + Number.parseInt(volume.uid, 16)),
        source: { name: volume.name, uid: volume.uid },
        ...(volume.sizeBytes === undefined ? {} : { sizeBytes: 2 * volume.sizeBytes }),
      });
    for (const repeat of [true, false]) {
      // One way after the other: both use the same names.
      await crashEverywhere(world(), {
        prepare: (driver, volume) => driver.create(volume, CALM),
        crash: (driver, volume) => driver.create(cloneOf(volume), CALM),
        recover: async (driver, volume) => {
          const clone = cloneOf(volume);
          if (repeat) {
            await driver.create(clone, CALM);
            expect(await isUsable(world(), driver, clone)).to.equal(true);
            await driver.unmount(clone, CALM);
          }
          await driver.remove(clone, CALM);
          expect((await driver.inspect(clone, CALM)).existence).to.equal('absent');
        },
      });
    }
  });

  it('repeats an abort that was cut short anywhere', async function () {
    if (!world().driver().info.capabilities.abort) this.skip();
    await crashEverywhere(world(), {
      prepare: async (driver, volume) => {
        await driver.create(volume, CALM);
        await driver.mount(volume, { mode: 'rw' }, CALM);
      },
      crash: async (driver, volume) => {
        if ((await driver.abortTarget?.(volume)) !== undefined) await driver.abort?.(volume);
      },
      recover: async (driver, volume) => {
        if ((await driver.abortTarget?.(volume)) !== undefined) await driver.abort?.(volume);
        expect(await isUsable(world(), driver, volume)).to.equal(true);
      },
    });
  });
}

const CALM = new AbortController().signal;
/** More steps than any operation has; reaching it means that the loop does not end. */
const STEPS_MAX = 40;

interface CrashPlan {
  readonly prepare: (driver: VolumeDriver, volume: DriverVolume) => Promise<unknown>;
  readonly crash: (driver: VolumeDriver, volume: DriverVolume) => Promise<unknown>;
  readonly recover: (driver: VolumeDriver, volume: DriverVolume) => Promise<unknown>;
}

async function crashEverywhere(world: DriverWorld, plan: CrashPlan): Promise<void> {
  for (let step = 1; step <= STEPS_MAX; step += 1) {
    // One crash after the other, each with a volume of its own uid under the same name.
    const volume = contractVolume(world, { uid: contractUid(1000 + step) });
    await plan.prepare(world.driver(), volume);
    const crashed = await runUntilStep(world, step, (driver) => plan.crash(driver, volume));
    const driver = world.driver();
    await plan.recover(driver, volume);
    await driver.unmount(volume, CALM);
    expect(await world.leaks(), `left behind after a crash at step ${String(step)}`).to.deep.equal([]);
    await driver.remove(volume, CALM);
    if (!crashed) return;
  }
  throw new Error(`the operation has more than ${String(STEPS_MAX)} steps`);
}

/** @returns false when the call ended before its `step`-th step */
function runUntilStep(world: DriverWorld, step: number, call: (driver: VolumeDriver) => Promise<unknown>): Promise<boolean> {
  return new Promise((resolve, reject) => {
    let reached = 0;
    const driver = world.driver(() => {
      reached += 1;
      if (reached < step) return Promise.resolve();
      resolve(true);
      return new Promise(() => undefined);
    });
    call(driver).then(() => {
      resolve(false);
    }, reject);
  });
}

async function isUsable(world: DriverWorld, driver: VolumeDriver, volume: DriverVolume): Promise<boolean> {
  const path = await driver.mount(volume, { mode: 'rw' }, CALM);
  return (await world.files.write(path, 'probe', volume.uid)) && (await world.files.read(path, 'probe')) === volume.uid;
}
