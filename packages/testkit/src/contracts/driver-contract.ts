import { hasReason } from '@volplane/base';
import type { VolumeName } from '@volplane/domain';
import type { VolumeDriver } from '@volplane/ports';
import { expect } from 'chai';
import { rejection } from '../rejection.js';
import { driverCrashTests } from './driver-crash-contract.js';
import { driverFeatureTests } from './driver-feature-contract.js';
import { contractUid, contractVolume, type DriverWorld } from './driver-world.js';

/**
 * What every {@link VolumeDriver} does, as a mocha suite; each test gets a world of its own.
 *
 * Method: the driver is called as an agent calls it, one call at a time, and judged by what users of the mounted path,
 * the storage and the kernel see. A `start` that returns undefined skips the test (not root, a tool is missing).
 */
export function driverContract(name: string, start: () => Promise<DriverWorld | undefined>): void {
  describe(`driver contract: ${name}`, () => {
    let world: DriverWorld | undefined;

    beforeEach(async function () {
      world = await start();
      if (world === undefined) this.skip();
    });

    afterEach(async () => {
      await world?.end();
    });

    const current = (): DriverWorld => {
      if (world === undefined) throw new Error('the world of this test did not start');
      return world;
    };
    describe('what it declares', () => {
      declarationTests(current);
    });
    describe('create and remove', () => {
      lifeTests(current);
    });
    describe('mount and unmount', () => {
      mountTests(current);
    });
    describe('places and names', () => {
      placeTests(current);
      listTests(current);
    });
    describe('features', () => {
      driverFeatureTests(current);
    });
    describe('crashes', () => {
      driverCrashTests(current);
    });
  });
}

/** Never fires. */
const CALM = new AbortController().signal;

type World = () => DriverWorld;

function declarationTests(world: World): void {
  it('has exactly the methods that its capabilities promise', () => {
    const driver = world().driver();
    const { capabilities } = driver.info;
    expect(driver.abort !== undefined, 'abort').to.equal(capabilities.abort);
    expect(driver.abortTarget !== undefined, 'abortTarget').to.equal(capabilities.abort);
    expect(driver.capacity !== undefined, 'capacity').to.equal(capabilities.size);
    expect(driver.fence !== undefined, 'fence').to.equal(capabilities.fence);
    expect(driver.expand !== undefined, 'expand').to.equal(capabilities.expand);
    expect(driver.snapshot !== undefined, 'snapshot').to.equal(capabilities.snapshot);
    expect(driver.removeSnapshot !== undefined, 'removeSnapshot').to.equal(capabilities.snapshot);
  });

  it('promises no takeover that it cannot keep', () => {
    const { capabilities } = world().driver().info;
    expect(capabilities.accessModes).not.to.be.empty;
    expect(capabilities.takeover[0] === undefined).to.equal(false);
    expect(capabilities.takeover.includes('lease') && !capabilities.abort).to.equal(false);
    expect(capabilities.takeover.includes('storage') && !capabilities.fence).to.equal(false);
  });

  it('takes its own options and refuses others by name', async () => {
    const driver = world().driver();
    await driver.validate(world().options);
    for (const options of world().badOptions) {
      const error = await rejection(driver.validate(options));
      expect(error.reason).to.equal('INVALID_OPTION');
      expect(error.message).to.match(new RegExp(Object.keys(options).map(escapeRegExp).join('|')));
    }
  });
}

function lifeTests(world: World): void {
  it('says absent before the create and after the remove, present between', async () => {
    const driver = world().driver();
    const volume = contractVolume(world());
    expect((await driver.inspect(volume, CALM)).existence).to.equal('absent');
    await driver.create(volume, CALM);
    const made = await driver.inspect(volume, CALM);
    expect(made.existence).to.equal('present');
    expect(Number.isNaN(Date.parse(made.createdAt ?? ''))).to.equal(false);
    await driver.remove(volume, CALM);
    expect((await driver.inspect(volume, CALM)).existence).to.equal('absent');
    expect(await world().leaks()).to.deep.equal([]);
  });

  it('does each call three times as well as once', async () => {
    const driver = world().driver();
    const volume = contractVolume(world());
    await thrice(() => driver.create(volume, CALM));
    const paths = await thrice(() => driver.mount(volume, { mode: 'rw' }, CALM));
    expect(new Set(paths).size).to.equal(1);
    expect(await world().files.write(paths[0] ?? '', 'file', 'text')).to.equal(true);
    await thrice(() => driver.inspect(volume, CALM));
    await thrice(() => driver.unmount(volume, CALM));
    expect(await world().leaks()).to.deep.equal([]);
    await thrice(() => driver.create(volume, CALM));
    expect(await readBack(world(), driver, 'file')).to.equal('text');
    await thrice(() => driver.remove(volume, CALM));
  });

  it('gives a volume that is made again nothing of the old one', async function () {
    if (!world().erasesData) this.skip();
    const driver = world().driver();
    const old = contractVolume(world());
    await driver.create(old, CALM);
    await world().files.write(await driver.mount(old, { mode: 'rw' }, CALM), 'file', 'old');
    await driver.unmount(old, CALM);
    await driver.remove(old, CALM);
    const young = contractVolume(world(), { uid: contractUid(2) });
    await driver.create(young, CALM);
    expect(await world().files.read(await driver.mount(young, { mode: 'rw' }, CALM), 'file')).to.equal(undefined);
    await driver.unmount(young, CALM);
  });

  it('finds the remove of what was never made done, and the unmount too', async () => {
    const driver = world().driver();
    const volume = contractVolume(world());
    await driver.unmount(volume, CALM);
    await driver.remove(volume, CALM);
  });

  it('does not destroy what is mounted', async function () {
    if (!world().busyRefused) this.skip();
    const driver = world().driver();
    const volume = contractVolume(world());
    await driver.create(volume, CALM);
    const path = await driver.mount(volume, { mode: 'rw' }, CALM);
    await world().files.write(path, 'file', 'text');
    expect((await rejection(driver.remove(volume, CALM))).reason).to.equal('DRIVER_FAILED');
    expect(await world().files.read(path, 'file')).to.equal('text');
    await driver.unmount(volume, CALM);
  });
}

function mountTests(world: World): void {
  it('mounts at an absolute path that users can write to, and keeps what they wrote', async () => {
    const volume = contractVolume(world());
    const driver = world().driver();
    await driver.create(volume, CALM);
    const path = await driver.mount(volume, { mode: 'rw' }, CALM);
    expect(path.startsWith('/')).to.equal(true);
    expect((await driver.inspect(volume, CALM)).mounted).to.deep.equal({ path, usable: true });
    expect(await world().files.write(path, 'file', 'text')).to.equal(true);
    await driver.unmount(volume, CALM);
    expect(await readBack(world(), world().driver(), 'file')).to.equal('text');
  });

  it('enforces read-only where it says so, and makes the same path writable when asked again', async function () {
    if (!world().readOnlyEnforced) this.skip();
    const driver = world().driver();
    const volume = contractVolume(world());
    await driver.create(volume, CALM);
    const path = await driver.mount(volume, { mode: 'ro' }, CALM);
    expect(await world().files.write(path, 'file', 'text')).to.equal(false);
    expect(await driver.mount(volume, { mode: 'rw' }, CALM)).to.equal(path);
    expect(await world().files.write(path, 'file', 'text')).to.equal(true);
    // Others still use it for writing: asking for less takes nothing away.
    expect(await driver.mount(volume, { mode: 'ro' }, CALM)).to.equal(path);
    expect(await world().files.write(path, 'file', 'more')).to.equal(true);
    await driver.unmount(volume, CALM);
    expect(await world().leaks()).to.deep.equal([]);
  });

  it('refuses to mount what does not exist, and leaves nothing mounted', async () => {
    const driver = world().driver();
    const volume = contractVolume(world());
    const error = await rejection(driver.mount(volume, { mode: 'rw' }, CALM));
    expect(hasReason(error, 'MOUNT_FAILED', 'FOREIGN_DATA')).to.equal(true);
    expect((await driver.inspect(volume, CALM)).mounted).to.equal(undefined);
    expect(await world().leaks()).to.deep.equal([]);
  });

  it('refuses to unmount while a descriptor is open, then does it', async function () {
    if (!world().busyRefused) this.skip();
    const driver = world().driver();
    const volume = contractVolume(world());
    await driver.create(volume, CALM);
    const path = await driver.mount(volume, { mode: 'rw' }, CALM);
    const file = await world().files.hold(path, 'file');
    expect((await rejection(driver.unmount(volume, CALM))).reason).to.equal('DRIVER_FAILED');
    expect(await file.write('still usable')).to.equal(true);
    await file.close();
    await driver.unmount(volume, CALM);
    expect(await world().leaks()).to.deep.equal([]);
  });

  it('finds a mount again after a restart', async () => {
    const volume = contractVolume(world());
    const before = world().driver();
    await before.create(volume, CALM);
    const path = await before.mount(volume, { mode: 'rw' }, CALM);
    const after = world().driver();
    expect((await after.inspect(volume, CALM)).mounted).to.deep.equal({ path, usable: true });
    expect(await after.mount(volume, { mode: 'rw' }, CALM)).to.equal(path);
    await after.unmount(volume, CALM);
  });
}

function placeTests(world: World): void {
  it('refuses a place that holds data of a stranger, and leaves it alone', async function () {
    if (world().keyedByUid) this.skip();
    const driver = world().driver();
    const volume = contractVolume(world());
    await world().putForeign(volume);
    expect((await driver.inspect(volume, CALM)).existence).to.equal('foreign');
    expect((await rejection(driver.create(volume, CALM))).reason).to.equal('FOREIGN_DATA');
    expect((await rejection(driver.mount(volume, { mode: 'rw' }, CALM))).reason).to.equal('FOREIGN_DATA');
    // The refused create is rolled back by a remove, which must come to an end and destroy nothing.
    await driver.remove(volume, CALM);
    expect(await world().hasForeign(volume)).to.equal(true);
    expect(await world().leaks()).to.deep.equal([]);
  });

  it('refuses a place that another uid has, and a late remove of another uid destroys nothing', async () => {
    const driver = world().driver();
    const owner = contractVolume(world());
    const late = contractVolume(world(), { uid: contractUid(2) });
    await driver.create(owner, CALM);
    await world().files.write(await driver.mount(owner, { mode: 'rw' }, CALM), 'file', 'text');
    await driver.unmount(owner, CALM);
    if (world().keyedByUid) await driver.create(late, CALM);
    else {
      expect((await rejection(driver.create(late, CALM))).reason).to.equal('FOREIGN_DATA');
      expect((await rejection(driver.mount(late, { mode: 'rw' }, CALM))).reason).to.equal('FOREIGN_DATA');
      expect((await driver.inspect(late, CALM)).existence).to.equal('foreign');
    }
    await driver.remove(late, CALM);
    expect(await readBack(world(), driver, 'file')).to.equal('text');
  });

  it('does not take names that are paths', async () => {
    const driver = world().driver();
    for (const name of ['..', '.', '../outside', '/etc', 'a/b', '', '.hidden', `long${'g'.repeat(200)}`]) {
      const volume = contractVolume(world(), { name: name as VolumeName });
      const error = await rejection(driver.create(volume, CALM));
      expect(error.kind, name).to.be.oneOf(['invalid', 'precondition']);
    }
  });

  it('does not follow a link in place of a volume', async function () {
    if (world().putLink === undefined) this.skip();
    const driver = world().driver();
    const volume = contractVolume(world());
    const trap = await world().putLink?.(volume);
    expect((await driver.inspect(volume, CALM)).existence).to.equal('foreign');
    expect((await rejection(driver.create(volume, CALM))).reason).to.equal('FOREIGN_DATA');
    expect((await rejection(driver.mount(volume, { mode: 'rw' }, CALM))).reason).to.equal('FOREIGN_DATA');
    await driver.remove(volume, CALM);
    expect(await trap?.isOutsideUntouched()).to.equal(true);
  });
}

function listTests(world: World): void {
  it('lists what exists, with names, uids and options, up to the limit', async function () {
    const driver = world().driver();
    const one = contractVolume(world());
    const two = contractVolume(world(), { name: 'data-2' as VolumeName, uid: contractUid(2) });
    await driver.create(one, CALM);
    await driver.create(two, CALM);
    if (driver.list === undefined) this.skip();
    const found = await driver.list(10, CALM);
    expect(found.map(({ name, uid, options }) => ({ name, uid, options }))).to.have.deep.members([
      { name: one.name, uid: one.uid, options: one.options },
      { name: two.name, uid: two.uid, options: two.options },
    ]);
    expect(await driver.list(1, CALM)).to.have.length(1);
  });
}

/** Mounts the ordinary volume, reads the file and unmounts. */
async function readBack(world: DriverWorld, driver: VolumeDriver, file: string): Promise<string | undefined> {
  const volume = contractVolume(world);
  const path = await driver.mount(volume, { mode: 'rw' }, CALM);
  const text = await world.files.read(path, file);
  await driver.unmount(volume, CALM);
  return text;
}

async function thrice<T>(call: () => Promise<T>): Promise<T[]> {
  // One after the other, as an agent repeats a call.
  return [await call(), await call(), await call()];
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
