import { execFile } from 'node:child_process';
import { mkdir, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { contractVolume, driverContract, hasTool, isRoot, makeTestFolder, rejection, type TestFolder } from '@volplane/testkit';
import { expect } from 'chai';
import { LocalDriver } from '../../src/local/local-driver.js';
import { realContext } from '../support/context.js';
import { folderWorld } from '../support/folder-world.js';

const exec = promisify(execFile);
const CALM = new AbortController().signal;

const BAD_OPTIONS = [{ typo: 'x' }, { device: '/dev/sda1' }, { o: 'ro' }, { type: 'ext4' }, { size: '10g' }, { size: 'much' }];

driverContract('local, plain folders, as root', async () =>
  isRoot()
    ? await folderWorld({
        driver: (context, folder) => new LocalDriver(context, { name: 'local', root: folder.path }),
        place: (folder, name) => join(folder.path, 'volumes', name),
        options: () => ({}),
        badOptions: BAD_OPTIONS,
        traits: { readOnlyEnforced: true, busyRefused: false, erasesData: true },
      })
    : undefined,
);

driverContract('local, bind mounts', async () =>
  isRoot()
    ? await folderWorld({
        driver: (context, folder) => new LocalDriver(context, { name: 'local', root: folder.path }),
        place: (folder, name) => join(folder.path, 'volumes', name),
        prepare: async (folder) => {
          await mkdir(join(folder.path, 'device'));
        },
        options: (folder) => ({ type: 'none', o: 'bind', device: join(folder.path, 'device') }),
        badOptions: BAD_OPTIONS,
        traits: { readOnlyEnforced: true, busyRefused: true, erasesData: false },
      })
    : undefined,
);

driverContract('local, an ext4 of its own', async () =>
  isRoot() && (await hasTool('xfs_io'))
    ? await folderWorld({
        driver: (context, folder) => new LocalDriver(context, { name: 'local', root: folder.path }),
        place: (folder, name) => join(folder.path, 'volumes', name),
        prepare: async (folder) => {
          await folder.makeImage('device', { type: 'ext4' });
        },
        options: (folder) => ({ type: 'ext4', o: 'loop', device: join(folder.path, 'device.img') }),
        badOptions: BAD_OPTIONS,
        // The kernel makes no loop device writable again that was mounted read-only first.
        traits: { readOnlyEnforced: false, busyRefused: true, erasesData: false, remountsWhileAborted: false },
      })
    : undefined,
);

describe('local driver, aborts', () => {
  let folder: TestFolder;
  let driver: LocalDriver;

  before(async function () {
    if (!isRoot() || !(await hasTool('xfs_io'))) this.skip();
  });

  beforeEach(async () => {
    folder = await makeTestFolder();
    await folder.mountImage('disk', { type: 'ext4' });
    driver = new LocalDriver(realContext(), { name: 'local', root: join(folder.path, 'disk') });
  });

  afterEach(() => folder.remove());

  for (const [what, optionsOf] of [
    ['a folder of a bigger file system', () => ({})],
    ['a folder of one that is bound', (disk: string) => ({ type: 'none', o: 'bind', device: join(disk, 'folder') })],
    ['a whole file system that is bound, and so mounted elsewhere too', (disk: string) => ({ type: 'none', o: 'bind', device: disk })],
  ] as const) {
    it(`refuses to cut off ${what}, and leaves it alone`, async () => {
      const disk = join(folder.path, 'disk');
      await mkdir(join(disk, 'folder'));
      const volume = contractVolume({ options: optionsOf(disk) });
      await driver.create(volume);
      // Bound read-only where nothing would be mounted otherwise.
      await driver.mount(volume, { mode: 'ro' }, CALM);
      expect(await driver.abortTarget(volume)).to.equal(undefined);
      expect((await rejection(driver.abort(volume))).reason).to.equal('CAPABILITY_MISSING');
      await writeFile(join(disk, 'alive'), 'x');
      await driver.unmount(volume, CALM);
    });
  }

  it('cuts off what an operator mounted at the folder of a volume, and nothing around it', async () => {
    const volume = contractVolume({ options: {} });
    await driver.create(volume);
    const target = await driver.mount(volume, { mode: 'rw' }, CALM);
    await exec('mount', ['-o', 'loop', await folder.makeImage('own', { type: 'ext4' }), target]);
    expect(await driver.abortTarget(volume)).to.deep.equal({ path: target, method: 'shutdown' });
    const file = await open(join(target, 'file'), 'w');
    await driver.abort(volume);
    const [write] = await Promise.allSettled([file.write('x').then(() => file.sync())]);
    expect(write.status).to.equal('rejected');
    await file.close();
    await writeFile(join(folder.path, 'disk', 'alive'), 'x');
  });
});
