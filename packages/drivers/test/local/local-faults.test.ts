import { mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { VolumeName } from '@volplane/domain';
import type { HostMounts, MountCall, MountEntry } from '@volplane/host';
import { contractUid, contractVolume, makeTestFolder, rejection, type TestFolder } from '@volplane/testkit';
import { expect } from 'chai';
import type { DriverContext } from '../../src/driver-context.js';
import { LocalDriver } from '../../src/local/local-driver.js';
import { realContext } from '../support/context.js';

const CALM = new AbortController().signal;

// No mount is made here: the calls are recorded.
describe('local driver', () => {
  let folder: TestFolder;
  let calls: { call: MountCall; credentials: string | undefined; mode: number | undefined }[];
  const volume = contractVolume({ options: {} });

  beforeEach(async () => {
    folder = await makeTestFolder();
    calls = [];
  });

  afterEach(async () => {
    await folder.remove();
  });

  const make = (parts: Partial<DriverContext> = {}, table: readonly MountEntry[] = []): LocalDriver => {
    const mounts: HostMounts = {
      table: async () => table,
      mount: async (call) => {
        const path = call.options.find((word) => word.startsWith('credentials='))?.slice('credentials='.length);
        calls.push({
          call,
          credentials: path === undefined ? undefined : await readFile(path, 'utf8'),
          mode: path === undefined ? undefined : (await stat(path)).mode & 0o777,
        });
      },
      remount: async () => undefined,
      unmount: async () => undefined,
      detach: async () => undefined,
      abort: async () => undefined,
      isUsable: async () => true,
      probe: async () => undefined,
    };
    return new LocalDriver(realContext({ mounts, ...parts }), { name: 'local', root: folder.path });
  };
  const place = (name: string): string => join(folder.path, 'volumes', name);

  it('goes on with other volumes when one marker cannot be read', async () => {
    const driver = make();
    const broken = contractVolume({ options: {} }, { name: 'broken' as VolumeName, uid: contractUid(2) });
    await driver.create(volume);
    await driver.create(broken);
    await writeFile(join(place('broken'), 'volume.json'), '{"schema":1,');
    await writeFile(join(place('broken'), '_data', 'precious'), 'x');
    expect((await driver.list(10)).map(({ name }) => name)).to.deep.equal([volume.name]);
    expect((await driver.inspect(volume)).existence).to.equal('present');
    expect(await driver.inspect(broken)).to.deep.equal({ existence: 'foreign', status: { fault: 'volume.json: it is not JSON' } });
    const error = await rejection(driver.remove(broken, CALM));
    expect(error.reason).to.equal('DRIVER_FAILED');
    expect(error.message).to.contain('repair it, or move the folder away');
    expect(await readFile(join(place('broken'), '_data', 'precious'), 'utf8')).to.equal('x');
  });

  it('does not take a copy of a volume folder for a volume', async () => {
    const driver = make();
    await driver.create(volume);
    await mkdir(place('copy'));
    await writeFile(join(place('copy'), 'volume.json'), await readFile(join(place(volume.name), 'volume.json')));
    expect((await driver.inspect({ ...volume, name: 'copy' as VolumeName })).existence).to.equal('foreign');
    expect((await driver.list(10)).map(({ name }) => name)).to.deep.equal([volume.name]);
  });

  it('does not mount through a link in place of the data folder', async () => {
    const driver = make();
    const bound = contractVolume({ options: { type: 'none', o: 'bind', device: '/srv' } });
    await driver.create(bound);
    await rm(join(place(bound.name), '_data'), { recursive: true });
    await symlink('/etc', join(place(bound.name), '_data'));
    expect((await rejection(driver.mount(bound, { mode: 'rw' }, CALM))).reason).to.equal('FOREIGN_DATA');
    expect(calls).to.deep.equal([]);
  });

  it('does not follow links when it deletes', async () => {
    const driver = make();
    await mkdir(join(folder.path, 'outside'));
    await writeFile(join(folder.path, 'outside', 'precious'), 'x');
    await driver.create(volume);
    await symlink(join(folder.path, 'outside'), join(place(volume.name), '_data', 'link'));
    await driver.remove(volume, CALM);
    expect(await readdir(join(folder.path, 'outside'))).to.deep.equal(['precious']);
    expect(await readdir(join(folder.path, 'volumes', '.trash'))).to.deep.equal([]);
  });

  it('removes the volume even when its data cannot be deleted yet', async () => {
    const driver = make({ run: async () => ({ code: 1, stdout: '', stderr: 'rm: immutable' }) });
    await driver.create(volume);
    await writeFile(join(place(volume.name), '_data', 'file'), 'x');
    await driver.remove(volume, CALM);
    expect((await driver.inspect(volume)).existence).to.equal('absent');
    expect(await readdir(join(folder.path, 'volumes', '.trash'))).to.have.length(1);
  });

  it('deletes what an earlier remove could not, once it is old', async () => {
    const driver = make();
    const trash = join(folder.path, 'volumes', '.trash');
    await mkdir(join(trash, '1000-old-entry'), { recursive: true });
    await mkdir(join(trash, 'not-ours'));
    await driver.create(volume);
    await driver.remove(volume, CALM);
    expect(await readdir(trash)).to.deep.equal(['not-ours']);
  });

  it('hands the password of a share over in a file that is gone afterwards', async () => {
    const driver = make({ lookup: async () => '192.0.2.7' });
    const share = contractVolume({ options: { type: 'cifs', device: '//server/s', o: 'username=me,password=hunter2' } });
    await driver.create(share);
    await driver.mount(share, { mode: 'ro' }, CALM);
    const [seen] = calls;
    expect(seen?.credentials).to.equal('username=me\npassword=hunter2\n');
    expect(seen?.mode).to.equal(0o600);
    expect(JSON.stringify(seen?.call.options)).not.to.contain('hunter2');
    expect(seen?.call).to.deep.include({ type: 'cifs', source: '//server/s', mode: 'ro', secrets: ['hunter2'] });
    expect(seen?.call.options[0]).to.equal('addr=192.0.2.7');
    const left = await rejectionCode(readFile(seen?.call.options[1]?.slice('credentials='.length) ?? ''));
    expect(left).to.equal('ENOENT');
    expect((await driver.inspect(share)).status['o']).to.equal('username=me,password=***');
  });

  it('says which server cannot be resolved', async () => {
    const driver = make({ lookup: async () => await Promise.reject(new Error('ENOTFOUND')) });
    const share = contractVolume({ options: { type: 'nfs', device: ':/export', o: 'addr=nowhere.example' } });
    await driver.create(share);
    const error = await rejection(driver.mount(share, { mode: 'rw' }, CALM));
    expect(error.reason).to.equal('MOUNT_FAILED');
    expect(error.message).to.contain('nowhere.example');
    expect(calls).to.deep.equal([]);
  });

  it('mounts with the options that the volume was made with', async () => {
    const driver = make();
    const made = contractVolume({ options: { type: 'tmpfs', device: 'tmpfs', o: 'size=1m' } });
    await driver.create(made);
    await driver.mount({ ...made, options: { type: 'none', o: 'bind', device: '/' } }, { mode: 'rw' }, CALM);
    expect(calls[0]?.call).to.deep.include({ type: 'tmpfs', source: 'tmpfs', options: ['size=1m'] });
  });
});

async function rejectionCode(work: Promise<unknown>): Promise<string | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
}
