import { mkdir, readFile, readlink, stat, symlink, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { systemClock } from '@volplane/base';
import { systemMounts } from '@volplane/host';
import { isRoot, makeTestFolder, type TestFolder } from '@volplane/testkit';
import { findBind, hasMode, systemNodeHost } from '../src/node/node-host.js';

/** The real files and mounts that the Node service works with. */
describe('the node host', () => {
  const host = systemNodeHost(systemMounts(systemClock));
  let folder: TestFolder;
  let source: string;
  let target: string;

  before(function () {
    if (!isRoot()) this.skip();
  });
  beforeEach(async () => {
    folder = await makeTestFolder();
    source = join(folder.path, 'a source');
    target = join(folder.path, 'pods', 'p1', 'mount');
    await mkdir(source);
    await writeFile(join(source, 'file'), 'data');
  });
  afterEach(async () => {
    await host.unmount(target);
    await folder.remove();
  });

  it('shows a folder at a target with its flags, and finds it there in the mount table', async () => {
    await host.ensureFolder(target);
    await host.bind(source, target, { flags: ['noexec', 'nosuid'], mode: 'rw' });
    expect(await readFile(join(target, 'file'), 'utf8')).to.equal('data');
    const entry = findBind(await host.table(), source, target);
    expect(entry?.options).to.include.members(['rw', 'noexec', 'nosuid']);
    expect(findBind(await host.table(), folder.path, target), 'another folder of the same file system').to.equal(undefined);
    expect(findBind(await host.table(), source, `${target}x`)).to.equal(undefined);
  });

  it('carries read-only down to the mount', async () => {
    await host.ensureFolder(target);
    await host.bind(source, target, { flags: [], mode: 'ro' });
    const entry = findBind(await host.table(), source, target);
    expect(entry !== undefined && hasMode(entry, 'ro')).to.equal(true);
    expect(entry !== undefined && hasMode(entry, 'rw')).to.equal(false);
    const error = await writeFile(join(target, 'more'), '').catch((failure: unknown) => failure);
    expect(error).to.have.property('code', 'EROFS');
  });

  it('shows a file at a file', async () => {
    await host.ensureFile(target);
    await host.bind(join(source, 'file'), target, { flags: [], mode: 'rw' });
    expect(await readFile(target, 'utf8')).to.equal('data');
    expect(findBind(await host.table(), join(source, 'file'), target)).to.not.equal(undefined);
    await host.unmount(target);
    await host.removeTarget(target);
    await host.removeTarget(target);
  });

  it('takes away empty targets only', async () => {
    await host.ensureFolder(target);
    await host.removeTarget(target);
    await host.removeTarget(target);
    await mkdir(target);
    await writeFile(join(target, 'precious'), 'data');
    const error = await host.removeTarget(target).catch((failure: unknown) => failure);
    expect(error).to.have.property('code', 'FAILED_PRECONDITION');
    expect(await readFile(join(target, 'precious'), 'utf8')).to.equal('data');
  });

  it('leaves a link alone, whatever it points to, and says so', async () => {
    await mkdir(join(folder.path, 'pods', 'p1'), { recursive: true });
    const empty = join(folder.path, 'empty');
    await mkdir(empty);
    for (const to of [empty, join(source, 'file'), join(folder.path, 'nowhere')]) {
      await symlink(to, target);
      const error = await host.removeTarget(target).catch((failure: unknown) => failure);
      expect(error, to).to.have.property('code', 'FAILED_PRECONDITION');
      expect(error).to.have.property('message').that.contains('is a link').and.contains('repeat the call');
      expect(await readlink(target)).to.equal(to);
      await unlink(target);
    }
  });

  it('says of a target that is busy, or cannot go, what to do', async () => {
    await host.ensureFolder(target);
    await host.bind(source, target, { flags: [], mode: 'rw' });
    const busy = await host.removeTarget(target).catch((failure: unknown) => failure);
    expect(busy).to.have.property('code', 'FAILED_PRECONDITION');
    expect(busy).to.have.property('message').that.contains('unmount that');
    expect(await readFile(join(target, 'file'), 'utf8')).to.equal('data');
    const stuck = await host.removeTarget(join(target, 'file', 'below')).catch((failure: unknown) => failure);
    expect(stuck).to.have.property('code', 'FAILED_PRECONDITION');
    expect(stuck).to.have.property('message').that.contains('ENOTDIR');
  });

  it('gives a folder to a group whose members can then work in it', async () => {
    await host.giveToGroup(source, 4711);
    const { gid, mode } = await stat(source);
    expect(gid).to.equal(4711);
    expect(mode & 0o2070).to.equal(0o2070);
  });

  it('tells room in bytes and files', async () => {
    const { bytes, inodes } = await host.usage(source);
    expect(bytes.total > 0n && bytes.used + bytes.available <= bytes.total).to.equal(true);
    expect(inodes.total >= inodes.used).to.equal(true);
  });
});
