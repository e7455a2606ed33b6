import { execFile } from 'node:child_process';
import { mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  contractVolume,
  driverContract,
  hasTool,
  isRoot,
  makeTestFolder,
  mountsBelow,
  rejection,
  type TestFolder,
} from '@volplane/testkit';
import { expect } from 'chai';
import { SharedDriver, type SharedDriverConfig } from '../../src/shared/shared-driver.js';
import { realContext } from '../support/context.js';
import { folderWorld } from '../support/folder-world.js';

const exec = promisify(execFile);
const CALM = new AbortController().signal;

const configFor = (root: string, parts: Partial<SharedDriverConfig> = {}): SharedDriverConfig => ({
  name: 'shared',
  root,
  accessModes: ['single-node-writer', 'multi-node-multi-writer'],
  trashKeepMs: 0,
  ownMounts: false,
  ...parts,
});

driverContract('shared, as root on a file system of its own', async () =>
  isRoot()
    ? await folderWorld({
        driver: (context, folder) =>
          new SharedDriver(context, configFor(join(folder.path, 'root'), { mountPoint: join(folder.path, 'root') })),
        place: (folder, name) => join(folder.path, 'root', name),
        prepare: async (folder) => {
          await folder.mountImage('root', { type: 'ext4' });
        },
        options: () => ({}),
        badOptions: [{ typo: 'x' }, { ownMount: 'true' }],
        traits: { readOnlyEnforced: true, busyRefused: false, erasesData: true },
      })
    : undefined,
);

describe('shared driver, mounts', () => {
  let folder: TestFolder;
  let root: string;
  const volume = contractVolume({ options: { ownMount: 'true' } });

  before(function () {
    if (!isRoot()) this.skip();
  });

  beforeEach(async () => {
    folder = await makeTestFolder();
    root = await folder.mountImage('root', { type: 'ext4' });
  });

  afterEach(async () => {
    await folder.remove();
  });

  const make = (parts: Partial<SharedDriverConfig> = {}): SharedDriver => new SharedDriver(realContext(), configFor(root, parts));

  it('does not write to a root that is not mounted', async () => {
    const driver = make({ mountPoint: root });
    await exec('umount', [root]);
    for (const call of [() => driver.create(contractVolume({ options: {} })), () => driver.inspect(volume), () => driver.list(10)]) {
      const error = await rejection(call());
      expect(error.reason).to.equal('DRIVER_UNAVAILABLE');
      expect(error.message).to.contain(`nothing is mounted at ${root}`);
    }
  });

  it('does not delete through what is mounted in a volume', async () => {
    const driver = make();
    const plain = contractVolume({ options: {} });
    await driver.create(plain);
    const inner = join(root, plain.name, '_data', 'inner');
    await mkdir(inner);
    await exec('mount', ['-t', 'tmpfs', 'tmpfs', inner]);
    await writeFile(join(inner, 'precious'), 'x');
    expect((await rejection(driver.remove(plain, CALM))).message).to.contain(inner);
    expect(await readFile(join(inner, 'precious'), 'utf8')).to.equal('x');
  });

  it('refuses a volume that asks for a mount of its own where there is none', async () => {
    const driver = make({ ownMounts: true });
    await driver.create(volume);
    expect((await rejection(driver.mount(volume, { mode: 'rw' }, CALM))).reason).to.equal('MOUNT_FAILED');
    expect((await driver.inspect(volume)).mounted).to.equal(undefined);
    expect(driver.abortFault?.(volume.options), 'it may be mounted later').to.equal(undefined);
    expect(await driver.abortTarget?.(volume)).to.equal(undefined);
  });

  it('aborts the own mount of one volume and leaves the shared file system alone', async function () {
    if (!(await hasTool('xfs_io'))) this.skip();
    const driver = make({ ownMounts: true });
    await driver.create(volume);
    const image = await folder.mountImage('own', { type: 'ext4' });
    await exec('umount', [image]);
    const target = join(root, volume.name, '_data');
    await exec('mount', ['-o', 'loop', `${image}.img`, target]);
    expect(await driver.abortTarget?.(volume)).to.deep.equal({ path: target, method: 'shutdown' });
    expect(await driver.mount(volume, { mode: 'rw' }, CALM)).to.equal(target);
    await driver.unmount(volume, CALM);
    expect(await mountsBelow(target), 'the mount of the operator').to.deep.equal([target]);
    const file = await open(join(target, 'file'), 'w');
    await driver.abort?.(volume);
    const outcome = await Promise.allSettled([file.write('x').then(() => file.sync())]);
    expect(outcome[0].status).to.equal('rejected');
    await file.close();
    await writeFile(join(root, 'alive'), 'x');
    expect((await rejection(driver.mount(volume, { mode: 'rw' }, CALM))).reason).to.equal('MOUNT_FAILED');
  });

  it('cannot abort a folder of the shared file system, not even when it is bound read-only', async () => {
    const driver = make({ ownMounts: true });
    const plain = contractVolume({ options: {} });
    await driver.create(plain);
    await driver.mount(plain, { mode: 'ro' }, CALM);
    expect(driver.abortFault?.(plain.options)).to.contain('ownMount=true');
    expect(await driver.abortTarget?.(plain)).to.equal(undefined);
    expect((await rejection(driver.abort?.(plain) ?? Promise.resolve())).reason).to.equal('CAPABILITY_MISSING');
    await writeFile(join(root, 'alive'), 'x');
    await driver.unmount(plain, CALM);
  });

  it('takes the read-only bind away while the storage is gone', async () => {
    const plain = contractVolume({ options: {} });
    await make().create(plain);
    await make().mount(plain, { mode: 'ro' }, CALM);
    await make({ mountPoint: '/volplane/not/mounted' }).unmount(plain, CALM);
    expect(await mountsBelow(join(root, plain.name))).to.deep.equal([]);
  });
});
