import { existsSync } from 'node:fs';
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { VolumeName, VolumeUid } from '@volplane/domain';
import type { ToolCall } from '@volplane/host';
import { contractUid, contractVolume, makeTestFolder, rejection, watchHandles, type TestFolder } from '@volplane/testkit';
import { expect } from 'chai';
import type { DriverContext } from '../../src/driver-context.js';
import { ImageDriver, type ImageDriverConfig } from '../../src/image/image-driver.js';
import { realContext } from '../support/context.js';
import { FakeMounts } from '../support/fake-mounts.js';

const CALM = new AbortController().signal;
const MIB = 1024 ** 2;

/** Real files, and mounts and programs of the test. */
describe('image driver on mounts of the test', () => {
  const volume = contractVolume({ options: {}, sizeBytes: 300 * MIB });
  const raw = contractVolume({ options: { access: 'block' }, sizeBytes: MIB });
  let folder: TestFolder;
  let mounts: FakeMounts;
  let calls: ToolCall[];

  beforeEach(async () => {
    folder = await makeTestFolder();
    mounts = new FakeMounts();
    calls = [];
  });

  afterEach(async () => {
    await folder.remove();
  });

  const real = realContext();
  const run: DriverContext['run'] = async (call) => {
    calls.push(call);
    if (call.file === 'cp' || call.file === 'rm') return await real.run(call);
    return { code: 0, stdout: call.file === 'losetup' ? '/dev/loop9999\n' : '', stderr: '' };
  };
  const make = (parts: Partial<ImageDriverConfig> = {}, runs = run): ImageDriver =>
    new ImageDriver(realContext({ mounts, run: runs }), {
      ...{ name: 'image', root: join(folder.path, 'images'), scope: 'local', mountRoot: join(folder.path, 'mounts') },
      ...{ defaultSizeBytes: MIB, fsType: 'xfs', preallocate: false, trashKeepMs: 0 },
      ...parts,
    });
  const shown = (): unknown => mounts.entries.map(({ id, options }) => [id, ...options]);

  /** Each sync of this process during the work, and whether there is something at `path` by then. */
  async function syncsOf(path: string, work: () => Promise<unknown>): Promise<readonly unknown[]> {
    const seen: unknown[] = [];
    const file = join(folder.path, 'any');
    await writeFile(file, '');
    const end = await watchHandles(file, (call) => {
      if (call.call === 'sync') seen.push([basename(call.path), existsSync(path)]);
    });
    try {
      await work();
    } finally {
      end();
    }
    return seen;
  }

  it('touches nothing where the shared file system is not mounted', async () => {
    await make().create(raw, CALM);
    const away = make({ scope: 'global', mountPoint: join(folder.path, 'images') });
    const tries: readonly (() => Promise<unknown>)[] = [
      () => away.create({ ...raw, uid: contractUid(2), name: 'other' as VolumeName }, CALM),
      () => away.mount(raw, { mode: 'rw' }, CALM),
      () => away.inspect(raw),
      () => away.list(10),
      () => away.expand(raw, 2 * MIB, CALM),
      () => away.capacity(),
      () => away.snapshot(raw, 'one', CALM),
      () => away.removeSnapshot(raw, 'one'),
      () => away.remove(raw, CALM),
    ];
    for (const call of tries) expect((await rejection(call())).reason, String(call)).to.equal('DRIVER_UNAVAILABLE');
    expect((await make().list(10)).map(({ name }) => name)).to.deep.equal([raw.name]);
  });

  it('is refused a root that is reached through a link: the kernel would name its images otherwise', async () => {
    await mkdir(join(folder.path, 'real'));
    await symlink(join(folder.path, 'real'), join(folder.path, 'link'));
    const refused = await rejection(make({ root: join(folder.path, 'link') }).create(raw, CALM));
    expect(refused.reason).to.equal('DRIVER_UNAVAILABLE');
    expect(refused.message).to.contain(join(folder.path, 'real'));
    expect(await readdir(join(folder.path, 'real'))).to.deep.equal([]);
  });

  it('has no place for a uid that is none', async () => {
    const outside = { ...volume, uid: '../outside' as VolumeUid };
    const tries = [
      () => make().create(outside, CALM),
      () => make().unmount(outside, CALM),
      () => make().abort(outside),
      () => make().remove(outside, CALM),
    ];
    for (const call of tries) expect((await rejection(call())).reason).to.equal('INVALID_ARGUMENT');
  });

  it('has the size of a new image, and what a copy was copied from, on the disk before the volume has its place', async () => {
    const place = (name: string): string => join(folder.path, 'images', name, 'image');
    const copy = { ...contractVolume({ options: {} }, { name: 'copy' as VolumeName, uid: contractUid(2) }), source: raw };
    expect(await syncsOf(place(raw.name), () => make().create(raw, CALM))).to.deep.equal([['image', false]]);
    expect(await syncsOf(place(copy.name), () => make().create(copy, CALM))).to.deep.equal([
      ['image', false],
      ['image', false],
    ]);
  });

  it('keeps and drops a snapshot durably before it says so, and nothing of one that was cut short', async () => {
    await make().create(raw, CALM);
    const place = join(folder.path, 'images', raw.name, 'snapshots');
    await mkdir(place);
    await writeFile(join(place, '.older'), '');
    const path = join(place, 'one.img');
    expect(await syncsOf(path, () => make().snapshot(raw, 'one', CALM))).to.deep.equal([
      ['.one', false],
      ['snapshots', true],
    ]);
    expect(await readdir(place)).to.deep.equal(['one.img']);
    expect(await syncsOf(path, () => make().removeSnapshot(raw, 'one'))).to.deep.equal([['snapshots', false]]);
    expect(await readdir(place)).to.deep.equal([]);
  });

  it('grows no image beyond what it can have', async () => {
    await make().create(raw, CALM);
    for (const sizeBytes of [2 ** 50, 1.5, Number.NaN])
      expect((await rejection(make().expand(raw, sizeBytes, CALM))).reason, String(sizeBytes)).to.equal('INVALID_ARGUMENT');
    expect((await make().inspect(raw)).status['sizeBytes']).to.equal(String(MIB));
  });

  it('takes a mount that was aborted out of the way, and mounts anew', async () => {
    await make().create(volume, CALM);
    await make().mount(volume, { mode: 'rw' }, CALM);
    mounts.aborted.add(1);
    await make().mount(volume, { mode: 'rw' }, CALM);
    expect(shown()).to.deep.equal([[2, 'rw']]);
  });

  it('lets a mount be writable only for who writes, and takes that from nobody', async () => {
    await make().create(volume, CALM);
    const asked: unknown[] = [];
    for (const mode of ['ro', 'ro', 'rw', 'ro'] as const) {
      await make().mount(volume, { mode }, CALM);
      asked.push(shown());
    }
    expect(asked).to.deep.equal([[[1, 'ro']], [[1, 'ro']], [[1, 'rw']], [[1, 'rw']]]);
  });

  const others: readonly (readonly [string, (driver: ImageDriver) => Promise<unknown>])[] = [
    ['inspect', (driver) => driver.inspect(volume)],
    ['mount', (driver) => driver.mount(volume, { mode: 'rw' }, CALM)],
    ['unmount', (driver) => driver.unmount(volume, CALM)],
    ['expand', (driver) => driver.expand(volume, 400 * MIB, CALM)],
    ['snapshot', (driver) => driver.snapshot(volume, 'two', CALM)],
  ];
  for (const [name, call] of others) {
    it(`thaws what a snapshot that was cut short has left frozen: ${name}`, async () => {
      await make().create(volume, CALM);
      const target = await make().mount(volume, { mode: 'rw' }, CALM);
      const mark = join(folder.path, 'images', volume.name, 'frozen');
      await writeFile(mark, '');
      calls.length = 0;
      await call(make());
      const [first] = calls;
      expect(first).to.deep.include({ file: 'fsfreeze', args: ['--unfreeze', target] });
      expect(existsSync(mark)).to.equal(false);
    });
  }

  for (const [stderr, isThawed] of [
    ['fsfreeze: unfreeze failed: Invalid argument', true],
    ['fsfreeze: unfreeze failed: Operation not permitted', false],
  ] as const) {
    it(`${isThawed ? 'takes' : 'does not take'} for thawed what answers so: ${stderr}`, async () => {
      await make().create(volume, CALM);
      await make().mount(volume, { mode: 'rw' }, CALM);
      const mark = join(folder.path, 'images', volume.name, 'frozen');
      await writeFile(mark, '');
      const asked = make({}, () => Promise.resolve({ code: 1, stdout: '', stderr })).inspect(volume);
      if (isThawed) await asked;
      else expect((await rejection(asked)).reason).to.equal('DRIVER_UNAVAILABLE');
      expect(existsSync(mark)).to.equal(!isThawed);
    });
  }

  it('copies nothing that it could not freeze, for a snapshot or for a clone', async () => {
    await make().create(volume, CALM);
    await make().mount(volume, { mode: 'rw' }, CALM);
    const clone = { ...contractVolume({ options: {} }, { name: 'clone' as VolumeName, uid: contractUid(2) }), source: volume };
    const unfreezable = make({}, async (call) =>
      call.args[0] === '--freeze' ? { code: 1, stdout: '', stderr: 'not supported' } : await run(call),
    );
    calls.length = 0;
    for (const call of [() => unfreezable.snapshot(volume, 'one', CALM), () => unfreezable.create(clone, CALM)])
      expect((await rejection(call())).reason).to.equal('DRIVER_FAILED');
    expect(calls.filter(({ file }) => file === 'cp')).to.deep.equal([]);
    expect((await make().list(10)).map(({ name }) => name)).to.deep.equal([volume.name]);
  });

  it('grows no file system that is mounted read-only', async () => {
    await make().create(volume, CALM);
    await make().mount(volume, { mode: 'ro' }, CALM);
    const refused = await rejection(make().expand(volume, 400 * MIB, CALM));
    expect(refused.reason).to.equal('DRIVER_FAILED');
    expect(refused.message).to.contain('mounted read-only');
    expect((await make().inspect(volume)).status['sizeBytes'], 'nothing was done').to.equal(String(300 * MIB));
  });

  it('freezes a mounted image while it is copied, with the mark of it first, and thaws whatever became of the copy', async () => {
    await make().create(volume, CALM);
    await make().mount(volume, { mode: 'rw' }, CALM);
    const mark = join(folder.path, 'images', volume.name, 'frozen');
    const seen: unknown[] = [];
    const watching = make({}, (call) => {
      seen.push([call.file, call.args[0], existsSync(mark)]);
      return call.file === 'cp' ? Promise.resolve({ code: 1, stdout: '', stderr: 'no space left' }) : run(call);
    });
    expect((await rejection(watching.snapshot(volume, 'one', CALM))).reason).to.equal('NO_CAPACITY');
    expect(seen).to.deep.equal([
      ['fsfreeze', '--freeze', true],
      ['cp', '--reflink=auto', true],
      ['fsfreeze', '--unfreeze', true],
    ]);
    expect(existsSync(mark)).to.equal(false);
  });
});
