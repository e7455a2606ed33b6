import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, open, readFile, stat, statfs, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { VolumeName } from '@volplane/domain';
import {
  contractUid,
  contractVolume,
  hasTool,
  isRoot,
  loopsBelow,
  makeTestFolder,
  mountsBelow,
  rejection,
  waitFor,
  type TestFolder,
} from '@volplane/testkit';
import { expect } from 'chai';
import { ImageDriver, type ImageDriverConfig } from '../../src/image/image-driver.js';
import { realContext } from '../support/context.js';
import { realFiles } from '../support/real-files.js';

const exec = promisify(execFile);
const CALM = new AbortController().signal;
const MIB = 1024 ** 2;

describe('image driver', () => {
  let folder: TestFolder;
  const volume = contractVolume({ options: {}, sizeBytes: 16 * MIB });

  before(async function () {
    if (!isRoot() || !(await hasTool('xfs_io'))) this.skip();
  });

  beforeEach(async () => {
    folder = await makeTestFolder();
  });

  afterEach(async () => {
    await folder.remove();
  });

  const make = (parts: Partial<ImageDriverConfig> = {}, onStep?: (step: string) => Promise<void>): ImageDriver =>
    new ImageDriver(realContext(onStep === undefined ? {} : { onStep }), {
      name: 'image',
      root: join(folder.path, 'images'),
      scope: 'local',
      mountRoot: join(folder.path, 'mounts'),
      defaultSizeBytes: 16 * MIB,
      fsType: 'ext4',
      preallocate: false,
      trashKeepMs: 0,
      ...parts,
    });
  const image = (name: string = volume.name): string => join(folder.path, 'images', name, 'image');

  it('gives an empty volume that takes no more than its size', async () => {
    const driver = make();
    await driver.create(volume, CALM);
    const path = await driver.mount(volume, { mode: 'rw' }, CALM);
    expect((await exec('ls', ['-A', path])).stdout).to.equal('');
    const outcome = await Promise.allSettled([writeFile(join(path, 'file'), Buffer.alloc(17 * MIB))]);
    expect(outcome[0]).to.have.nested.property('reason.code', 'ENOSPC');
    expect((await driver.inspect(volume)).status).to.deep.include({ content: 'ext4', sizeBytes: String(16 * MIB), mode: 'rw' });
    await driver.unmount(volume, CALM);
  });

  it('takes all its room at the create when told to, and says when there is none', async () => {
    const driver = make({ preallocate: true });
    await driver.create(volume, CALM);
    expect((await stat(image())).blocks * 512).to.be.at.least(16 * MIB);
    const big = contractVolume({ options: {}, sizeBytes: 15 * 1024 ** 4 }, { name: 'big' as VolumeName, uid: contractUid(2) });
    expect((await rejection(driver.create(big, CALM))).reason).to.equal('NO_CAPACITY');
    expect((await driver.inspect(big)).existence).to.equal('absent');
  });

  it('grows an xfs under its users, and clones it while it is mounted beside it', async () => {
    const driver = make({ fsType: 'xfs' });
    const source = contractVolume({ options: {}, sizeBytes: 300 * MIB });
    await driver.create(source, CALM);
    const path = await driver.mount(source, { mode: 'rw' }, CALM);
    const file = await realFiles.hold(path, 'file');
    await file.write('text');
    const before = await roomOf(path);
    expect(await driver.expand(source, 400 * MIB, CALM)).to.equal(400 * MIB);
    expect(await roomOf(path)).to.be.at.least(before + 90 * MIB);
    const clone = contractVolume({ options: { size: '500m' } }, { name: 'clone' as VolumeName, uid: contractUid(2), source });
    await driver.create(clone, CALM);
    const cloned = await driver.mount(clone, { mode: 'rw' }, CALM);
    expect(await realFiles.read(cloned, 'file')).to.equal('text');
    expect(await roomOf(cloned)).to.be.at.least(before + 190 * MIB);
    await driver.unmount(clone, CALM);
    await driver.abort(source);
    expect(await file.write('after')).to.equal(false);
    await file.close();
    expect(await loopsBelow(folder.path)).to.deep.equal([]);
  });

  it('makes a clone bigger than its source, and refuses one that is smaller or of another kind', async () => {
    const driver = make();
    await driver.create(volume, CALM);
    const clone = (options: Record<string, string>): typeof volume =>
      contractVolume({ options }, { name: 'clone' as VolumeName, uid: contractUid(2), source: { name: volume.name, uid: volume.uid } });
    expect((await rejection(driver.create(clone({ size: '8m' }), CALM))).message).to.contain('smaller than its source');
    expect((await rejection(driver.create(clone({ access: 'block' }), CALM))).message).to.contain('asks for block');
    await driver.create(clone({ size: '64m' }), CALM);
    const path = await driver.mount(clone({}), { mode: 'rw' }, CALM);
    expect(await roomOf(path)).to.be.at.least(50 * MIB);
    await driver.unmount(clone({}), CALM);
    expect(await loopsBelow(folder.path)).to.deep.equal([]);
  });

  it('leaves no loop device behind a clone that was cut short while it grew', async () => {
    const driver = make({ fsType: 'xfs' });
    const source = contractVolume({ options: {}, sizeBytes: 300 * MIB });
    await driver.create(source, CALM);
    const clone = contractVolume({ options: {}, sizeBytes: 320 * MIB }, { name: 'clone' as VolumeName, uid: contractUid(2), source });
    for (const crashAt of ['attached', 'mounted', 'device grown']) {
      await new Promise<void>((resolve, reject) => {
        const crashing = make({ fsType: 'xfs' }, (step) => {
          if (step !== crashAt) return Promise.resolve();
          resolve();
          return new Promise(() => undefined);
        });
        crashing.create(clone, CALM).then(() => {
          reject(new Error(`the clone has no step ${crashAt}`));
        }, reject);
      });
      expect(await loopsBelow(folder.path), crashAt).to.have.length(1);
      await driver.remove(clone, CALM);
      expect(await loopsBelow(folder.path), crashAt).to.deep.equal([]);
      expect(await mountsBelow(folder.path), crashAt).to.deep.equal([]);
    }
  });

  it('leaves no loop device behind a mount that fails', async () => {
    const driver = make();
    await driver.create(volume, CALM);
    await truncate(image(), 0);
    await truncate(image(), 16 * MIB);
    expect((await rejection(driver.mount(volume, { mode: 'rw' }, CALM))).reason).to.equal('MOUNT_FAILED');
    expect(await loopsBelow(folder.path)).to.deep.equal([]);
    expect(await mountsBelow(folder.path)).to.deep.equal([]);
  });

  it('finds and ends a loop device that somebody forgot over the image', async () => {
    const driver = make();
    await driver.create(volume, CALM);
    await exec('losetup', ['--find', image()]);
    await driver.mount(volume, { mode: 'rw' }, CALM);
    expect(await loopsBelow(folder.path)).to.have.length(1);
    await driver.unmount(volume, CALM);
    expect(await loopsBelow(folder.path)).to.deep.equal([]);
  });

  it('waits for the copies of its mounts that a starting container has for a moment', async () => {
    const driver = make();
    await driver.create(volume, CALM);
    const path = await driver.mount(volume, { mode: 'rw' }, CALM);
    const container = spawn('unshare', ['--mount', 'sh', '-c', `echo > ${folder.path}/started; exec sleep 600`], { stdio: 'ignore' });
    const ended = once(container, 'exit');
    try {
      await waitFor(() => stat(join(folder.path, 'started')), { what: 'the other mount namespace exists' });
      const unmounted = driver.unmount(volume, CALM);
      await waitFor(async () => !(await mountsBelow(folder.path)).includes(path), { what: 'it is unmounted here' });
      container.kill('SIGKILL');
      await unmounted;
    } finally {
      container.kill('SIGKILL');
      await ended;
    }
    expect(await loopsBelow(folder.path)).to.deep.equal([]);
  });

  it('does not call a volume unmounted that a container of its own mount namespace still has', async () => {
    const driver = make();
    await driver.create(volume, CALM);
    const path = await driver.mount(volume, { mode: 'rw' }, CALM);
    const container = spawn('unshare', ['--mount', 'sh', '-c', `echo > ${folder.path}/started; exec sleep 600`], { stdio: 'ignore' });
    try {
      await waitFor(() => stat(join(folder.path, 'started')), { what: 'the other mount namespace exists' });
      const error = await rejection(driver.unmount(volume, CALM));
      expect(error.reason).to.equal('DRIVER_FAILED');
      expect(error.message).to.contain('another mount namespace');
      expect((await rejection(driver.unmount(volume, CALM))).reason, 'asked again').to.equal('DRIVER_FAILED');
      expect((await rejection(driver.remove(volume, CALM))).reason).to.equal('DRIVER_FAILED');
      // Mounted again it is the same file system, not a second one over the same blocks.
      await realFiles.write(await driver.mount(volume, { mode: 'rw' }, CALM), 'file', 'text');
      expect((await exec('nsenter', ['--target', String(container.pid), '--mount', 'cat', join(path, 'file')])).stdout).to.equal('text');
      expect(await loopsBelow(folder.path)).to.have.length(1);
    } finally {
      const ended = once(container, 'exit');
      container.kill('SIGKILL');
      await ended;
    }
    await driver.unmount(volume, CALM);
    expect(await loopsBelow(folder.path)).to.deep.equal([]);
  });

  it('does not touch images where the shared file system is not mounted', async () => {
    await mkdir(join(folder.path, 'images'));
    const driver = make({ scope: 'global', mountPoint: join(folder.path, 'images') });
    expect((await rejection(driver.create(volume, CALM))).reason).to.equal('DRIVER_UNAVAILABLE');
    expect((await rejection(driver.capacity())).reason).to.equal('DRIVER_UNAVAILABLE');
  });

  it('unmounts while the storage is away', async () => {
    const driver = make();
    await driver.create(volume, CALM);
    await driver.mount(volume, { mode: 'rw' }, CALM);
    await make({ mountPoint: '/volplane/not/mounted' }).unmount(volume, CALM);
    expect(await mountsBelow(folder.path)).to.deep.equal([]);
    expect(await loopsBelow(folder.path)).to.deep.equal([]);
  });

  it('takes no snapshot name that leaves the folder', async () => {
    const driver = make();
    await driver.create(volume, CALM);
    for (const name of ['..', '../../x', 'a/b', ''])
      expect((await rejection(driver.snapshot(volume, name, CALM))).reason).to.equal('INVALID_ARGUMENT');
  });

  it('aborts also while a snapshot has the file system frozen', async () => {
    const driver = make();
    await driver.create(volume, CALM);
    const path = await driver.mount(volume, { mode: 'rw' }, CALM);
    const file = await open(join(path, 'file'), 'w');
    await exec('fsfreeze', ['--freeze', path]);
    await driver.abort(volume);
    const outcome = await Promise.allSettled([file.write('after').then(() => file.sync())]);
    expect(outcome[0].status).to.equal('rejected');
    await file.close();
    expect(await mountsBelow(folder.path)).to.deep.equal([]);
  });

  describe('block devices', () => {
    const raw = contractVolume({ options: { access: 'block' }, sizeBytes: MIB });

    it('hands the image out as a device, writable or not, and gives every descriptor time to close', async () => {
      const driver = make();
      await driver.create(raw, CALM);
      const path = await driver.mount(raw, { mode: 'rw' }, CALM);
      expect((await stat(path)).isBlockDevice()).to.equal(true);
      expect(await driver.mount(raw, { mode: 'rw' }, CALM)).to.equal(path);
      expect((await make().inspect(raw)).mounted).to.deep.equal({ path, usable: true });
      const device = await open(path, 'r+');
      await device.write('blocks', 0);
      await device.sync();
      expect((await rejection(driver.unmount(raw, CALM))).message).to.match(/busy|is open/);
      await device.close();
      await driver.unmount(raw, CALM);
      expect((await readFile(image(raw.name))).subarray(0, 6).toString()).to.equal('blocks');
      expect(await driver.mount(raw, { mode: 'ro' }, CALM)).to.equal(path);
      const readOnly = await open(path, 'r+');
      const outcome = await Promise.allSettled([readOnly.write('x', 0).then(() => readOnly.sync())]);
      expect(outcome[0].status).to.equal('rejected');
      await readOnly.close();
      await driver.mount(raw, { mode: 'rw' }, CALM);
      await (await open(path, 'r+')).close();
      await driver.unmount(raw, CALM);
      expect(await loopsBelow(folder.path)).to.deep.equal([]);
      expect(await mountsBelow(folder.path)).to.deep.equal([]);
      await driver.remove(raw, CALM);
    });

    it('leaves a device to those who have it open, and is not unmounted while one is open by whatever name', async () => {
      const driver = make();
      await driver.create(raw, CALM);
      const path = await driver.mount(raw, { mode: 'rw' }, CALM);
      const [loop = ''] = await loopsBelow(folder.path);
      const device = await open(path, 'r+');
      for (const mode of ['rw', 'ro'] as const) expect(await driver.mount(raw, { mode }, CALM)).to.equal(path);
      await device.write('blocks', 0);
      await device.sync();
      await device.close();
      const byName = await open(loop, 'r');
      expect((await rejection(driver.unmount(raw, CALM))).message).to.contain('is open');
      await byName.close();
      await driver.unmount(raw, CALM);
      expect(await loopsBelow(folder.path)).to.deep.equal([]);
    });

    it('grows the device while it is handed out, and cannot be cut off', async () => {
      const driver = make();
      await driver.create(raw, CALM);
      const path = await driver.mount(raw, { mode: 'rw' }, CALM);
      await driver.expand(raw, 2 * MIB, CALM);
      expect((await exec('blockdev', ['--getsize64', path])).stdout.trim()).to.equal(String(2 * MIB));
      expect(driver.abortFault(raw.options)).to.contain('access=mount');
      expect(await driver.abortTarget(raw)).to.equal(undefined);
      expect((await rejection(driver.abort(raw))).reason).to.equal('CAPABILITY_MISSING');
      expect((await rejection(driver.snapshot(raw, 'one', CALM))).reason).to.equal('DRIVER_FAILED');
      await driver.unmount(raw, CALM);
      expect(await driver.snapshot(raw, 'one', CALM)).to.equal(2 * MIB);
    });
  });
});

async function roomOf(path: string): Promise<number> {
  const { blocks, bsize } = await statfs(path);
  return blocks * bsize;
}
