import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { VolumeUid } from '@volplane/domain';
import { contractUid, contractVolume, makeTestFolder, refusal, rejection, type TestFolder } from '@volplane/testkit';
import { expect } from 'chai';
import type { MountDriverConfig } from '../../src/mount/mount-config.js';
import { MountDriver } from '../../src/mount/mount-driver.js';
import { realContext } from '../support/context.js';
import { FakeMounts } from '../support/fake-mounts.js';

const CALM = new AbortController().signal;

describe('mount driver on mounts of the test', () => {
  const volume = contractVolume({ options: {} });
  let folder: TestFolder;
  let mounts: FakeMounts;

  beforeEach(async () => {
    folder = await makeTestFolder();
    mounts = new FakeMounts();
  });

  afterEach(async () => {
    await folder.remove();
  });

  const make = (parts: Partial<MountDriverConfig>): MountDriver =>
    new MountDriver(realContext({ mounts }), {
      ...{ name: 'mount', type: 'nfs', options: [], mountRoot: folder.path, volumeOptions: {} },
      ...{ accessModes: ['single-node-writer'], trashKeepMs: 0, adopt: false, layout: 'whole', source: '192.0.2.1:/{name}' },
      ...parts,
    });

  describe('with an export a volume', () => {
    let driver: MountDriver;
    let target: string;

    beforeEach(() => {
      driver = make({});
      target = join(folder.path, volume.uid);
    });

    /** What the export shows, mounted or not. */
    const put = async (uid: VolumeUid = volume.uid): Promise<void> => {
      await mkdir(target, { recursive: true });
      const marker = { schema: 1, name: volume.name, uid, options: {}, createdAt: '' };
      await writeFile(join(target, '.volplane-volume.json'), JSON.stringify(marker));
    };
    const shown = (): unknown => mounts.entries.map(({ id, options }) => [id, ...options]);

    it('takes a mount that was aborted out of the way, and mounts anew', async () => {
      await put();
      await driver.mount(volume, { mode: 'rw' }, CALM);
      mounts.aborted.add(1);
      await driver.mount(volume, { mode: 'rw' }, CALM);
      expect(shown()).to.deep.equal([[2, 'rw']]);
    });

    it('hands out no mount that shows another volume, one of before no more than its own', async () => {
      await put(contractUid(9));
      expect((await rejection(driver.mount(volume, { mode: 'rw' }, CALM))).reason).to.equal('FOREIGN_DATA');
      expect(shown()).to.deep.equal([]);
      await mounts.mount({ type: 'nfs', source: '', target, options: [], mode: 'rw' });
      expect((await rejection(driver.mount(volume, { mode: 'rw' }, CALM))).reason).to.equal('FOREIGN_DATA');
    });

    it('lets a mount be writable only for who writes, and takes that from nobody', async () => {
      await put();
      const asked: unknown[] = [];
      for (const mode of ['ro', 'ro', 'rw', 'ro'] as const) {
        await driver.mount(volume, { mode }, CALM);
        asked.push(shown());
      }
      expect(asked).to.deep.equal([[[1, 'ro']], [[1, 'ro']], [[1, 'rw']], [[1, 'rw']]]);
    });

    it('mounts anew what cannot be made writable in place, unless it cannot be told', async () => {
      await put();
      await driver.mount(volume, { mode: 'ro' }, CALM);
      mounts.remountFault = refusal('DRIVER_UNAVAILABLE');
      expect((await rejection(driver.mount(volume, { mode: 'rw' }, CALM))).reason).to.equal('DRIVER_UNAVAILABLE');
      expect(shown()).to.deep.equal([[1, 'ro']]);
      mounts.remountFault = refusal('MOUNT_FAILED');
      await driver.mount(volume, { mode: 'rw' }, CALM);
      expect(shown()).to.deep.equal([[2, 'rw']]);
    });

    it('looks at no export that does not answer', async () => {
      await put();
      await driver.mount(volume, { mode: 'rw' }, CALM);
      mounts.probeFault = refusal('DRIVER_UNAVAILABLE');
      for (const call of [() => driver.inspect(volume, CALM), () => driver.mount(volume, { mode: 'rw' }, CALM)])
        expect((await rejection(call())).reason).to.equal('DRIVER_UNAVAILABLE');
    });

    it('cuts off with the mount of its users the short one of its own', async () => {
      const whole = make({ type: 'ext4', source: '/dev/disk/by-label/{name}' });
      for (const path of [target, join(folder.path, '.work', volume.uid)])
        await mounts.mount({ type: 'ext4', source: '', target: path, options: [], mode: 'rw' });
      await whole.abort?.(volume);
      expect(shown()).to.deep.equal([]);
    });

    it('has no place for a uid that is none', async () => {
      const outside = { ...volume, uid: '../outside' as VolumeUid };
      const calls = [
        () => driver.mount(outside, { mode: 'rw' }, CALM),
        () => driver.unmount(outside, CALM),
        () => driver.remove(outside, CALM),
      ];
      for (const call of calls) expect((await rejection(call())).reason).to.equal('INVALID_ARGUMENT');
    });
  });

  describe('with one export', () => {
    const open = (): MountDriver => make({ layout: 'subfolder', source: '192.0.2.1:/all' });
    const root = (): string => join(folder.path, '.export');

    const calls: readonly (readonly [string, (driver: MountDriver) => Promise<unknown> | undefined])[] = [
      ['create', (driver) => driver.create(volume, CALM)],
      ['inspect', (driver) => driver.inspect(volume, CALM)],
      ['mount', (driver) => driver.mount(volume, { mode: 'rw' }, CALM)],
      ['list', (driver) => driver.list?.(10, CALM)],
      ['remove', (driver) => driver.remove(volume, CALM)],
    ];
    for (const [name, call] of calls) {
      it(`mounts it before a ${name}, which would find an empty folder of the node else`, async () => {
        await open().create(volume, CALM);
        await mounts.unmount(root());
        await call(open());
        expect(mounts.at(root())?.source).to.equal('192.0.2.1:/all');
      });

      it(`begins no ${name} while it does not answer`, async () => {
        mounts.probeFault = refusal('DRIVER_UNAVAILABLE');
        expect((await rejection(call(open()) ?? Promise.resolve())).reason).to.equal('DRIVER_UNAVAILABLE');
        expect(await readdir(root())).to.deep.equal([]);
      });
    }

    it('tries again to mount it after a failure, and mounts it once', async () => {
      const driver = open();
      mounts.mountFault = refusal('MOUNT_FAILED');
      await rejection(driver.create(volume, CALM));
      mounts.mountFault = undefined;
      await driver.create(volume, CALM);
      await driver.inspect(volume, CALM);
      expect(mounts.entries).to.have.length(1);
    });
  });
});
