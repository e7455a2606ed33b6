import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { VolumeDriver } from '@volplane/ports';
import {
  contractUid,
  contractVolume,
  driverContract,
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
import type { MountDriverConfig } from '../../src/mount/mount-config.js';
import { MountDriver } from '../../src/mount/mount-driver.js';
import { realContext } from '../support/context.js';
import { folderWorld } from '../support/folder-world.js';

const exec = promisify(execFile);
const CALM = new AbortController().signal;
/** Names that the contract uses. */
const NAMES = ['data.1', 'data-2', 'clone'];

const configFor = (folder: TestFolder, parts: Partial<MountDriverConfig>): MountDriverConfig => ({
  name: 'mount',
  type: 'ext4',
  source: join(folder.path, 'export.img'),
  options: ['loop'],
  layout: 'subfolder',
  mountRoot: join(folder.path, 'mounts'),
  volumeOptions: {},
  accessModes: ['single-node-writer'],
  trashKeepMs: 0,
  adopt: false,
  ...parts,
});

// Each subject is one file system that this machine has; nfs and cifs go the same way with other words (plan-mount.test.ts).
driverContract('mount, folders of one ext4', async () =>
  isRoot()
    ? await folderWorld({
        driver: (context, folder) => new MountDriver(context, configFor(folder, {})),
        place: (folder, name) => join(folder.path, 'mounts', '.export', name),
        prepare: async (folder) => {
          await folder.makeImage('export', { type: 'ext4' });
          // Mounted by a first look, so that the world can put things there.
          await new MountDriver(realContext(), configFor(folder, {})).list?.(1, CALM);
        },
        options: () => ({}),
        badOptions: [{ typo: 'x' }],
        isPermanent: (target) => target.endsWith('/.export'),
        traits: { readOnlyEnforced: true, busyRefused: true, erasesData: true },
      })
    : undefined,
);

driverContract('mount, an ext4 each', async () =>
  isRoot() && (await hasTool('xfs_io'))
    ? await folderWorld({
        driver: (context, folder) =>
          new MountDriver(context, configFor(folder, { layout: 'whole', source: join(folder.path, '{name}.img') })),
        place: (folder, name) => join(folder.path, name),
        prepare: async (folder) => {
          for (const name of NAMES) await folder.makeImage(name, { type: 'ext4', sizeMib: 8 });
        },
        options: () => ({}),
        badOptions: [{ typo: 'x' }],
        putForeign: async (folder, name) => {
          await inImage(folder, name, (path) => writeFile(join(path, 'precious'), 'foreign'));
        },
        hasForeign: async (folder, name) => (await inImage(folder, name, (path) => readFile(join(path, 'precious'), 'utf8'))) === 'foreign',
        noLinks: true,
        traits: { readOnlyEnforced: true, busyRefused: true, erasesData: true, remountsWhileAborted: false },
      })
    : undefined,
);

driverContract('mount, a FUSE mount each', async () =>
  isRoot() && (await hasTool('bindfs')) && (await hasTool('mount.fuse'))
    ? await folderWorld({
        driver: (context, folder) => new MountDriver(context, fuseConfig(folder)),
        place: (folder, name) => join(folder.path, 'behind', name),
        prepare: async (folder) => {
          for (const name of NAMES) await mkdir(join(folder.path, 'behind', name), { recursive: true });
        },
        options: () => ({ folder: 'behind' }),
        badOptions: [{ folder: 'behind', typo: 'x' }, { folder: '../..' }, { folder: 'a,suid' }, { folder: '-x' }],
        noLinks: true,
        traits: { readOnlyEnforced: true, busyRefused: true, erasesData: true },
      })
    : undefined,
);

const fuseConfig = (folder: TestFolder): MountDriverConfig =>
  configFor(folder, {
    type: 'fuse.bindfs',
    layout: 'whole',
    kernelType: 'fuse',
    source: join(folder.path, '{option.folder}', '{name}'),
    options: [],
    volumeOptions: { folder: 'Where the folders of the volumes lie.' },
  });

describe('mount driver', () => {
  let folder: TestFolder;
  const volume = contractVolume({ options: {} });

  before(function () {
    if (!isRoot()) this.skip();
  });

  beforeEach(async () => {
    folder = await makeTestFolder();
  });

  afterEach(async () => {
    await folder.remove();
  });

  const whole = (parts: Partial<MountDriverConfig> = {}): VolumeDriver =>
    new MountDriver(realContext(), configFor(folder, { layout: 'whole', source: join(folder.path, '{name}.img'), ...parts }));

  it('adopts an export with data when told to, and never deletes that data', async () => {
    await folder.makeImage(volume.name, { type: 'ext4' });
    await inImage(folder, volume.name, (path) => writeFile(join(path, 'precious'), 'x'));
    const driver = whole({ adopt: true });
    await driver.create(volume, CALM);
    const path = await driver.mount(volume, { mode: 'rw' }, CALM);
    expect(await readFile(join(path, 'precious'), 'utf8')).to.equal('x');
    await driver.unmount(volume, CALM);
    await driver.remove(volume, CALM);
    expect((await driver.inspect(volume, CALM)).existence).to.equal('absent');
    expect(await inImage(folder, volume.name, (mounted) => readFile(join(mounted, 'precious'), 'utf8'))).to.equal('x');
  });

  it('gives one export to one volume, whatever names lead to it', async () => {
    await folder.makeImage('disk', { type: 'ext4' });
    const driver = whole({ source: join(folder.path, '{option.disk}'), volumeOptions: { disk: 'The image.' } });
    const one = contractVolume({ options: { disk: 'disk.img' } });
    const other = contractVolume({ options: { disk: 'disk.img' } }, { uid: contractUid(2) });
    await driver.create(one, CALM);
    const error = await rejection(driver.create(other, CALM));
    expect(error.reason).to.equal('FOREIGN_DATA');
    expect(error.message).to.contain(one.uid);
  });

  it('cannot tell while the export does not mount, and can undo a create whose device does not exist', async () => {
    await writeFile(join(folder.path, `${volume.name}.img`), 'no file system');
    const driver = whole();
    expect((await rejection(driver.inspect(volume, CALM))).reason).to.equal('DRIVER_UNAVAILABLE');
    expect((await rejection(driver.remove(volume, CALM))).reason).to.equal('DRIVER_UNAVAILABLE');
    const wrong = { ...volume, name: contractVolume({ options: {} }, {}).name, uid: contractUid(3) };
    const missing = whole({ source: join(folder.path, 'none-{name}') });
    expect((await rejection(missing.create(wrong, CALM))).reason).to.equal('DRIVER_UNAVAILABLE');
    await missing.remove(wrong, CALM);
    expect((await missing.inspect(wrong, CALM)).existence).to.equal('absent');
    expect(await mountsBelow(folder.path)).to.deep.equal([]);
  });

  it('looks at an ext4 that another node may be writing to without touching it', async () => {
    const image = await folder.makeImage(volume.name, { type: 'ext4' });
    await whole().create(volume, CALM);
    // A crash of the other node: the journal is left to be replayed.
    const other = join(folder.path, 'other');
    await mkdir(other);
    await exec('mount', ['-o', 'loop', image, other]);
    await writeFile(join(other, 'file'), 'x');
    await exec('sync', ['-f', other]);
    await exec('cp', ['--sparse=always', image, `${image}.crashed`]);
    await exec('umount', [other]);
    await exec('cp', ['--sparse=always', `${image}.crashed`, image]);
    const before = await readFile(image);
    expect((await whole().inspect(volume, CALM)).existence).to.equal('present');
    expect(before.equals(await readFile(image))).to.equal(true);
  });

  it('does not call a volume unmounted that a container of its own mount namespace still has', async () => {
    await folder.makeImage(volume.name, { type: 'ext4' });
    const driver = whole();
    await driver.create(volume, CALM);
    await driver.mount(volume, { mode: 'rw' }, CALM);
    const container = spawn('unshare', ['--mount', 'sh', '-c', `echo > ${folder.path}/started; exec sleep 600`], { stdio: 'ignore' });
    try {
      await waitFor(() => stat(join(folder.path, 'started')), { what: 'the other mount namespace exists' });
      expect((await rejection(driver.unmount(volume, CALM))).message).to.contain('another mount namespace');
      expect((await rejection(driver.unmount(volume, CALM))).reason, 'asked again').to.equal('DRIVER_FAILED');
    } finally {
      const ended = once(container, 'exit');
      container.kill('SIGKILL');
      await ended;
    }
    await driver.unmount(volume, CALM);
    expect(await loopsBelow(folder.path)).to.deep.equal([]);
  });

  it('mounts the export once for many volumes that come at the same moment', async () => {
    await folder.makeImage('export', { type: 'ext4' });
    const driver = new MountDriver(realContext(), configFor(folder, {}));
    const volumes = NAMES.map((name, index) =>
      contractVolume({ options: {} }, { name: name as typeof volume.name, uid: contractUid(index + 1) }),
    );
    await Promise.all(volumes.map((one) => driver.create(one, CALM)));
    expect(await mountsBelow(folder.path)).to.have.length(1);
  });

  it('declares an abort only where a mount can be cut off alone', () => {
    const of = (parts: Partial<MountDriverConfig>): VolumeDriver => new MountDriver(realContext(), configFor(folder, parts));
    const wholeExt4 = of({ layout: 'whole', source: '/dev/disk/by-label/{name}' });
    expect(wholeExt4.info.capabilities).to.deep.include({ abort: true, takeover: ['manual', 'lease'] });
    const nfs = of({ layout: 'whole', type: 'nfs', source: 'server:/{name}' });
    expect(nfs.info.capabilities).to.deep.include({ abort: false, takeover: ['manual'] });
    expect(of({}).info.capabilities).to.deep.include({ abort: false, takeover: ['manual'] });
  });
});

/** Runs `work` with the image mounted. */
async function inImage<T>(folder: TestFolder, name: string, work: (path: string) => Promise<T>): Promise<T> {
  const path = join(folder.path, `${name}.inside`);
  await mkdir(path, { recursive: true });
  await exec('mount', ['-o', 'loop', join(folder.path, `${name}.img`), path]);
  try {
    return await work(path);
  } finally {
    await exec('umount', [path]);
  }
}
