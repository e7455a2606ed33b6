import { mkdir, open, readFile, symlink, writeFile } from 'node:fs/promises';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { systemClock } from '@volplane/base';
import { hasTool, isRoot, loopsBelow, makeTestFolder, mountsBelow, rejection, type TestFolder } from '@volplane/testkit';
import { systemMounts } from '../src/host-mounts.js';
import { findMount, isReadOnly } from '../src/mount-table.js';
import { systemToolRunner, type ToolRunner } from '../src/tool-call.js';

const exec = promisify(execFile);
const mounts = systemMounts(systemClock);

describe('mounts of this machine', () => {
  let folder: TestFolder;

  before(function () {
    if (!isRoot()) this.skip();
  });

  beforeEach(async () => {
    folder = await makeTestFolder();
  });

  afterEach(async () => {
    await folder.remove();
  });

  const tmpfs = async (name: string, mode: 'rw' | 'ro' = 'rw'): Promise<string> => {
    const target = join(folder.path, name);
    await mkdir(target, { recursive: true });
    await mounts.mount({ type: 'tmpfs', source: 'tmpfs', target, options: ['size=1m'], mode });
    return target;
  };

  it('mounts once, however often it is asked', async () => {
    await tmpfs('a');
    await tmpfs('a');
    expect(await mountsBelow(folder.path)).to.have.length(1);
  });

  it('carries read-only down to a file system and to a bind mount', async () => {
    const source = await tmpfs('source');
    await writeFile(join(source, 'file'), 'x');
    const bound = join(folder.path, 'bound');
    await mkdir(bound);
    await mounts.mount({ type: 'none', source, target: bound, options: ['bind'], mode: 'ro' });
    expect(await code(writeFile(join(bound, 'file'), 'y'))).to.equal('EROFS');
    await writeFile(join(source, 'file'), 'z');
    const readOnly = await tmpfs('ro', 'ro');
    expect(await code(writeFile(join(readOnly, 'file'), 'y'))).to.equal('EROFS');
  });

  it('undoes a mount that did not become read-only', async () => {
    const real = systemToolRunner(systemClock);
    const deaf: ToolRunner = (call) => real({ ...call, args: call.args.map((arg) => arg.replace(/,ro$/, ',rw')) });
    const target = join(folder.path, 'a');
    await mkdir(target);
    const error = await rejection(
      systemMounts(systemClock, deaf).mount({ type: 'tmpfs', source: 'tmpfs', target, options: ['size=1m'], mode: 'ro' }),
    );
    expect(error.reason).to.equal('MOUNT_FAILED');
    expect(await mountsBelow(folder.path)).to.deep.equal([]);
  });

  it('takes away what a failed mount call has left', async () => {
    const real = systemToolRunner(systemClock);
    const failsAfter: ToolRunner = async (call) => {
      const outcome = await real(call);
      return call.file === 'mount' ? { ...outcome, code: 32, stderr: 'second step failed' } : outcome;
    };
    const target = join(folder.path, 'a');
    await mkdir(target);
    const error = await rejection(
      systemMounts(systemClock, failsAfter).mount({ type: 'tmpfs', source: 'tmpfs', target, options: [], mode: 'rw' }),
    );
    expect(error.message).to.contain('second step failed');
    expect(await mountsBelow(folder.path)).to.deep.equal([]);
  });

  it('changes the mode of a mount in place', async () => {
    const target = await tmpfs('a', 'ro');
    await mounts.remount(target, { mode: 'rw', bind: false });
    await writeFile(join(target, 'file'), 'x');
    await mounts.remount(target, { mode: 'ro', bind: false });
    const entry = findMount(await mounts.table(), target);
    expect(entry !== undefined && isReadOnly(entry)).to.equal(true);
  });

  it('names the target and the fault of a mount that fails', async () => {
    const target = join(folder.path, 'a');
    await mkdir(target);
    const error = await rejection(mounts.mount({ type: 'ext4', source: '/dev/volplane-none', target, options: [], mode: 'rw' }));
    expect(error.reason).to.equal('MOUNT_FAILED');
    expect(error.message).to.contain(target).and.to.contain('does not exist');
  });

  it('refuses options that would smuggle others in', async () => {
    const error = await rejection(
      mounts.mount({ type: 'tmpfs', source: 'tmpfs', target: folder.path, options: ['size=1m,suid'], mode: 'rw' }),
    );
    expect(error.reason).to.equal('MOUNT_FAILED');
  });

  it('unmounts again and again, and everything that is stacked', async () => {
    const target = await tmpfs('a');
    await exec('mount', ['-t', 'tmpfs', 'tmpfs', target]);
    await mounts.unmount(target);
    await mounts.unmount(target);
    expect(await mountsBelow(folder.path)).to.deep.equal([]);
  });

  it('refuses to unmount what is in use, then does it', async () => {
    const target = await tmpfs('a');
    const file = await open(join(target, 'file'), 'w');
    const error = await rejection(mounts.unmount(target));
    expect(error.reason).to.equal('DRIVER_FAILED');
    expect(error.message).to.contain('busy');
    await file.close();
    await mounts.unmount(target);
  });

  it('detaches what is in use', async () => {
    const target = await tmpfs('a');
    const file = await open(join(target, 'file'), 'w');
    await mounts.detach(target);
    await mounts.detach(target);
    expect(await mountsBelow(folder.path)).to.deep.equal([]);
    await file.write('still there, which is why this is no fence');
    await file.close();
  });

  for (const type of ['ext4', 'xfs'] as const) {
    it(`cuts off open descriptors of ${type}, and no write comes after it`, async function () {
      if (!(await hasTool('xfs_io')) || !(await hasTool(`mkfs.${type}`))) this.skip();
      const target = await folder.mountImage('fs', { type });
      const file = await open(join(target, 'open'), 'w');
      await file.write('before');
      // Committed to the journal, its home place still dirty in the cache of the block device.
      await file.sync();
      await mkdir(join(target, 'folder'));
      const devices = await loopsBelow(folder.path);
      await mounts.abort(target);
      const image = join(folder.path, 'fs.img');
      const atAbort = await digest(image);
      expect(await code(file.write('after').then(() => file.sync()))).to.equal('EIO');
      // What the kernel would do by itself within half a minute.
      await exec('sync', [...devices]);
      expect(await digest(image)).to.equal(atAbort);
      expect(await mountsBelow(folder.path)).to.deep.equal([]);
      await file.close();
      await mounts.abort(target);
    });
  }

  it('cuts off open descriptors of a FUSE mount', async function () {
    if (!(await hasTool('bindfs'))) this.skip();
    const source = join(folder.path, 'source');
    const target = join(folder.path, 'fuse');
    await mkdir(source);
    await mkdir(target);
    await exec('bindfs', [source, target]);
    const file = await open(join(target, 'open'), 'w');
    await file.write('before');
    await mounts.abort(target);
    expect(await code(file.write('after'))).to.be.oneOf(['ENOTCONN', 'ECONNABORTED']);
    expect(await mountsBelow(folder.path)).to.deep.equal([]);
    expect(await readFile(join(source, 'open'), 'utf8')).to.equal('before');
    await code(file.close());
  });

  for (const type of ['ext4', 'xfs'] as const) {
    it(`tells a usable ${type} from one that was shut down, also on kernels that do not show it`, async function () {
      if (!(await hasTool('xfs_io')) || !(await hasTool(`mkfs.${type}`))) this.skip();
      const target = await folder.mountImage('fs', { type });
      const look = async (): Promise<boolean> => {
        const entry = findMount(await mounts.table(), target);
        return entry !== undefined && (await mounts.isUsable({ ...entry, superOptions: [] }));
      };
      expect(await look()).to.equal(true);
      await exec('xfs_io', ['-x', '-c', 'shutdown', target]);
      expect(await look()).to.equal(false);
    });
  }

  it('tells a FUSE mount from one whose server is gone', async function () {
    if (!(await hasTool('bindfs'))) this.skip();
    const target = join(folder.path, 'fuse');
    await mkdir(target);
    await exec('bindfs', [folder.path, target]);
    const entry = findMount(await mounts.table(), target);
    if (entry === undefined) throw new Error('bindfs did not mount');
    expect(await mounts.isUsable(entry)).to.equal(true);
    await mounts.probe(join(target, 'deep', 'file'));
    await code(exec('mount', ['-t', 'fusectl', 'fusectl', '/sys/fs/fuse/connections']));
    await writeFile(`/sys/fs/fuse/connections/${String(entry.device.minor)}/abort`, '1');
    expect(await mounts.isUsable(entry)).to.equal(false);
    const error = await rejection(mounts.probe(join(target, 'deep', 'file')));
    expect(error.reason).to.equal('DRIVER_UNAVAILABLE');
  });

  it('gives up on a mount that does not answer', async () => {
    const target = await tmpfs('a');
    const real = systemToolRunner(systemClock);
    const hangs = systemMounts(systemClock, (call) => real({ ...call, file: 'sleep', args: ['600'], timeoutMs: 20 }));
    const entry = findMount(await mounts.table(), target);
    if (entry === undefined) throw new Error('not mounted');
    expect((await rejection(hangs.isUsable({ ...entry, fsType: 'fuse.sshfs' }))).reason).to.equal('DRIVER_UNAVAILABLE');
    await hangs.probe(target);
  });

  it('does not shut down the file system that a bind mount shows a part of', async () => {
    const big = await folder.mountImage('big', { type: 'ext4' });
    await mkdir(join(big, 'part'));
    const target = join(folder.path, 'bound');
    await mkdir(target);
    await mounts.mount({ type: 'none', source: join(big, 'part'), target, options: ['bind'], mode: 'rw' });
    const error = await rejection(mounts.abort(target));
    expect(error.reason).to.equal('CAPABILITY_MISSING');
    await writeFile(join(big, 'part', 'file'), 'alive');
  });

  it("does not shut down the node's root file system", async () => {
    const target = join(folder.path, 'root');
    await mkdir(target);
    await mounts.mount({ type: 'none', source: '/', target, options: ['bind'], mode: 'rw' });
    expect((await rejection(mounts.abort(target))).message).to.contain('root file system');
  });

  it('says that a type cannot be aborted', async () => {
    expect((await rejection(mounts.abort(await tmpfs('a')))).reason).to.equal('CAPABILITY_MISSING');
  });

  it('says that xfs_io is missing, and leaves the mount as it is', async () => {
    const target = await folder.mountImage('fs', { type: 'ext4' });
    const bare = join(folder.path, 'bin');
    await mkdir(bare);
    await symlink('/usr/bin/sync', join(bare, 'sync'));
    const error = await rejection(systemMounts(systemClock, systemToolRunner(systemClock, { path: bare })).abort(target));
    expect(error.reason).to.equal('DRIVER_UNAVAILABLE');
    expect(error.message).to.contain('xfs_io');
    await writeFile(join(target, 'file'), 'alive');
  });

  it('says when the flush does not end, after the cut', async function () {
    if (!(await hasTool('xfs_io'))) this.skip();
    const target = await folder.mountImage('fs', { type: 'ext4' });
    const real = systemToolRunner(systemClock);
    const stuck: ToolRunner = (call) =>
      call.file === 'sync' ? real({ ...call, file: 'sleep', args: ['600'], timeoutMs: 20 }) : real(call);
    const error = await rejection(systemMounts(systemClock, stuck).abort(target));
    expect(error.message).to.contain('earlier writes may still reach');
    expect(await code(writeFile(join(target, 'file'), 'x'))).to.equal('EIO');
  });
});

async function code(work: Promise<unknown>): Promise<string | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
}

async function digest(path: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
}
