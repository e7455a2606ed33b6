import { hasReason } from '@volplane/base';
import { expect } from 'chai';
import type { DriverVolume, VolumeDriver } from '@volplane/ports';
import type { VolumeName } from '@volplane/domain';
import { rejection } from '../rejection.js';
import { contractUid, contractVolume, type DriverWorld } from './driver-world.js';

/** What a driver does beyond the ordinary; tests of features that it does not have skip themselves. */
export function driverFeatureTests(world: () => DriverWorld): void {
  abortTests(world);
  fenceTests(world);
  lateFenceTests(world);
  dataTests(world);
}

const CALM = new AbortController().signal;

function abortTests(world: () => DriverWorld): void {
  it('abort cuts off open descriptors at once, again and again, and the volume can be mounted anew', async function () {
    const driver = world().driver();
    const volume = contractVolume(world());
    await driver.create(volume, CALM);
    const before = await driver.abortTarget?.(volume);
    if (driver.abort === undefined || before === undefined) this.skip();
    const path = await driver.mount(volume, { mode: 'rw' }, CALM);
    // The guardian is told before the mount, and aborts what is mounted exactly there.
    expect(before.path).to.equal(path);
    expect(await driver.abortTarget?.(volume)).to.deep.equal(before);
    await world().files.write(path, 'kept', 'text');
    const file = await world().files.hold(path, 'open');
    expect(await file.write('before')).to.equal(true);
    await driver.abort(volume);
    expect(await file.write('after')).to.equal(false);
    await driver.abort(volume);
    if (world().remountsWhileAborted === false) {
      // The kernel would hand out the old file system again: no mount, rather than one that cannot be used.
      expect((await rejection(driver.mount(volume, { mode: 'rw' }, CALM))).reason).to.equal('MOUNT_FAILED');
      await file.close();
    } else {
      expect((await driver.inspect(volume, CALM)).mounted?.usable ?? false).to.equal(false);
    }
    // The old descriptor may still be open: the new mount must be one of its own.
    const again = await driver.mount(volume, { mode: 'rw' }, CALM);
    expect(await world().files.write(again, 'new', 'text')).to.equal(true);
    if (world().remountsWhileAborted !== false) {
      expect(await file.write('from the past')).to.equal(false);
      await file.close();
    }
    await driver.unmount(volume, CALM);
    expect(await world().leaks()).to.deep.equal([]);
  });

  it('abort of what is not mounted does nothing', async () => {
    const driver = world().driver();
    const volume = contractVolume(world());
    await driver.create(volume, CALM);
    const fault = driver.abortFault?.(volume.options);
    if (fault !== undefined) expect(await driver.abortTarget?.(volume), fault).to.equal(undefined);
    await driver.abort?.(volume);
    expect((await driver.inspect(volume, CALM)).existence).to.equal('present');
  });
}

function fenceTests(world: () => DriverWorld): void {
  it('fence makes the storage refuse older epochs and keeps newer ones', async function () {
    const driver = world().driver();
    const volume = contractVolume(world());
    await driver.create(volume, CALM);
    if (driver.fence === undefined) this.skip();
    const path = await driver.mount(volume, { mode: 'rw' }, CALM);
    const old = await world().files.hold(path, 'file');
    const receipt = await driver.fence({ ...volume, epoch: 2 }, CALM);
    expect(receipt.length).to.be.within(1, 200);
    expect(await old.write('with epoch 1')).to.equal(false);
    await driver.fence(volume, CALM);
    expect(await old.write('a lower fence takes nothing back')).to.equal(false);
    await old.close();
    await driver.unmount(volume, CALM);
    const young = await driver.mount({ ...volume, epoch: 2 }, { mode: 'rw' }, CALM);
    expect(await world().files.write(young, 'file', 'with epoch 2')).to.equal(true);
    await driver.unmount(volume, CALM);
  });
}

function lateFenceTests(world: () => DriverWorld): void {
  it('a fence holds against a mount of a lower epoch that comes after it', async function () {
    const driver = world().driver();
    const volume = contractVolume(world());
    await driver.create(volume, CALM);
    if (driver.fence === undefined) this.skip();
    await driver.fence({ ...volume, epoch: 2 }, CALM);
    try {
      const path = await driver.mount(volume, { mode: 'rw' }, CALM);
      expect(await world().files.write(path, 'file', 'with epoch 1')).to.equal(false);
      await driver.unmount(volume, CALM);
    } catch (error) {
      // As good: nothing is mounted.
      if (!hasReason(error, 'MOUNT_FAILED')) throw error;
    }
    expect(await world().leaks()).to.deep.equal([]);
  });
}

function dataTests(world: () => DriverWorld): void {
  it('tells the room that its storage has', async function () {
    const capacity = await world().driver().capacity?.(CALM);
    if (capacity === undefined) this.skip();
    expect(capacity.availableBytes).to.be.at.least(0);
    expect(capacity.volumeBytesMin ?? 0).to.be.at.most(world().sizeBytes ?? 0);
  });

  it('expand grows, also while mounted, and never shrinks', async function () {
    const driver = world().driver();
    const volume = contractVolume(world());
    await driver.create(volume, CALM);
    if (driver.expand === undefined || world().sizeBytes === undefined) this.skip();
    const sizeBytes = world().sizeBytes ?? 0;
    const path = await driver.mount(volume, { mode: 'rw' }, CALM);
    await world().files.write(path, 'file', 'text');
    if (world().expandsWhileMounted === false) {
      expect((await rejection(driver.expand(volume, 2 * sizeBytes, CALM))).reason).to.equal('DRIVER_FAILED');
      await driver.unmount(volume, CALM);
    }
    const grown = await driver.expand(volume, 2 * sizeBytes, CALM);
    expect(grown).to.be.at.least(2 * sizeBytes);
    expect(await driver.expand(volume, sizeBytes, CALM)).to.equal(grown);
    await driver.unmount(volume, CALM);
    expect(await driver.expand(volume, 3 * sizeBytes, CALM)).to.be.at.least(3 * sizeBytes);
    expect(await driver.mount(volume, { mode: 'rw' }, CALM)).to.equal(path);
    expect(await world().files.read(path, 'file')).to.equal('text');
    await driver.unmount(volume, CALM);
    expect(await world().leaks()).to.deep.equal([]);
  });

  it('a snapshot holds the moment it was taken, mounted or not, and can be cloned from', async function () {
    const driver = world().driver();
    const volume = contractVolume(world());
    await driver.create(volume, CALM);
    if (driver.snapshot === undefined) this.skip();
    await put(world(), driver, volume, 'first');
    const path = await driver.mount(volume, { mode: 'rw' }, CALM);
    expect(await driver.snapshot(volume, 'one', CALM)).to.be.at.least(0);
    expect(await world().files.write(path, 'file', 'second')).to.equal(true);
    await driver.snapshot(volume, 'one', CALM);
    await driver.unmount(volume, CALM);
    expect(await cloned(world(), driver, { ...contractVolume(world()), snapshot: 'one' })).to.equal('first');
    expect(await cloned(world(), driver, contractVolume(world()))).to.equal('second');
    await driver.removeSnapshot?.(volume, 'one', CALM);
    await driver.removeSnapshot?.(volume, 'one', CALM);
    if (driver.info.capabilities.clone) {
      const error = await rejection(cloned(world(), driver, { ...contractVolume(world()), snapshot: 'one' }));
      expect(error.reason).to.equal('DRIVER_FAILED');
    }
    expect(await world().leaks()).to.deep.equal([]);
  });
}

async function put(world: DriverWorld, driver: VolumeDriver, volume: DriverVolume, text: string): Promise<void> {
  const path = await driver.mount(volume, { mode: 'rw' }, CALM);
  await world.files.write(path, 'file', text);
  await driver.unmount(volume, CALM);
}

/** What `file` says in a clone of the source. */
async function cloned(world: DriverWorld, driver: VolumeDriver, source: NonNullable<DriverVolume['source']>): Promise<string | undefined> {
  const { uid, name, snapshot } = source;
  const clone = contractVolume(world, {
    name: 'clone' as VolumeName,
    uid: contractUid(9),
    source: snapshot === undefined ? { uid, name } : { uid, name, snapshot },
  });
  await driver.create(clone, CALM);
  await driver.create(clone, CALM);
  const path = await driver.mount(clone, { mode: 'rw' }, CALM);
  const text = await world.files.read(path, 'file');
  await driver.unmount(clone, CALM);
  await driver.remove(clone, CALM);
  return text;
}
