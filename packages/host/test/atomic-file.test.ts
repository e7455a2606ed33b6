import { openPaths, watchHandles } from '@volplane/testkit';
import { expect } from 'chai';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { syncDirectory, writeFileAtomic } from '../src/atomic-file.js';

describe('atomic file', () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'volplane-atomic-'));
  });

  afterEach(async () => {
    await rm(folder, { recursive: true });
  });

  it('creates and replaces a file and leaves nothing beside it', async () => {
    const path = join(folder, 'state.json');
    await writeFileAtomic(path, 'one');
    await writeFileAtomic(path, Buffer.from('two'));
    expect(await readFile(path, 'utf8')).to.equal('two');
    expect(await readdir(folder)).to.deep.equal(['state.json']);
  });

  it('replaces the file instead of writing into it', async () => {
    const path = join(folder, 'state.json');
    await writeFileAtomic(path, 'one');
    const before = await stat(path);
    await writeFileAtomic(path, 'two');
    expect((await stat(path)).ino).not.to.equal(before.ino);
  });

  it('gives the file to its owner only, or the mode that was asked for', async () => {
    await writeFileAtomic(join(folder, 'secret'), 'x');
    await writeFileAtomic(join(folder, 'socket.json'), 'x', { mode: 0o640 });
    expect((await stat(join(folder, 'secret'))).mode & 0o777).to.equal(0o600);
    expect((await stat(join(folder, 'socket.json'))).mode & 0o777).to.equal(0o640);
  });

  it('replaces what a crash left behind', async () => {
    const path = join(folder, 'state.json');
    await writeFile(`${path}.tmp`, 'half a fil');
    await writeFileAtomic(path, 'whole');
    expect(await readFile(path, 'utf8')).to.equal('whole');
  });

  it('does not follow a link in place of the temporary file', async () => {
    const path = join(folder, 'state.json');
    const victim = join(folder, 'victim');
    await writeFile(victim, 'precious');
    await symlink(victim, `${path}.tmp`);
    const error: unknown = await writeFileAtomic(path, 'x').catch((thrown: unknown) => thrown);
    expect(error).to.have.property('code', 'ELOOP');
    expect(await readFile(victim, 'utf8')).to.equal('precious');
  });

  it('keeps what was there and no temporary file when the write fails', async () => {
    const path = join(folder, 'taken');
    await mkdir(path);
    const error: unknown = await writeFileAtomic(path, 'x').catch((thrown: unknown) => thrown);
    expect(error).to.have.property('code', 'EISDIR');
    expect(await readdir(folder)).to.deep.equal(['taken']);
  });

  it('makes the content durable before it has its name, and the name before it answers, and closes both', async () => {
    const path = join(folder, 'state.json');
    await writeFileAtomic(path, 'old');
    const seen: unknown[] = [];
    const end = await watchHandles(path, (call) => seen.push([call.call, call.path, readFileSync(path, 'utf8'), readdirSync(folder)]));
    try {
      await writeFileAtomic(path, 'new');
    } finally {
      end();
    }
    expect(seen).to.deep.equal([
      ['sync', `${path}.tmp`, 'old', ['state.json', 'state.json.tmp']],
      ['sync', folder, 'new', ['state.json']],
    ]);
    const open = await openPaths();
    for (const closed of [folder, path, `${path}.tmp`]) expect(open).not.to.include(closed);
  });

  it('refuses to sync what is not a folder', async () => {
    const path = join(folder, 'file');
    await writeFile(path, 'x');
    const error: unknown = await syncDirectory(path).catch((thrown: unknown) => thrown);
    expect(error).to.have.property('code', 'ENOTDIR');
  });
});
