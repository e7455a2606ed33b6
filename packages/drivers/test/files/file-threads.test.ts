import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, open, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { hasReason } from '@volplane/base';
import { contractUid, makeTestFolder, rejection, type TestFolder } from '@volplane/testkit';
import { expect } from 'chai';
import fc from 'fast-check';
import type { FileCall, FileOutcome } from '../../src/files/file-call.js';
import { planOf } from '../../src/files/file-plan.js';
import { FileThreads } from '../../src/files/file-threads.js';
import { parseMarker } from '../../src/volume-marker.js';

const exec = promisify(execFile);

// Scripts that are handed over in one turn make one convoy.
describe('threads for files', () => {
  let folder: TestFolder;
  let thread: FileThreads;

  before(() => {
    thread = new FileThreads();
  });

  beforeEach(async () => {
    folder = await makeTestFolder();
  });

  afterEach(async () => {
    await folder.remove();
  });

  const at = (name: string): string => join(folder.path, name);
  const write = (name: string): FileCall => ({ do: 'write-file', path: at(name), text: name, mode: 0o600 });

  it('waits for nobody when a pipe stands where it is to read a file', async () => {
    await exec('mkfifo', [at('pipe')]);
    const { fault } = await thread.run([[{ do: 'read-file', path: at('pipe'), bytesMax: 100 }]]);
    expect(fault).to.include({ code: 'ESPIPE', syscall: 'read' });
  });

  it('keeps no process from its end while a storage hangs', async () => {
    await exec('mkfifo', [at('hangs')]);
    const child = execFile(process.execPath, [...process.execArgv, HUNG_PROCESS, at('hangs')]);
    expect(await once(child, 'exit')).to.deep.equal([null, 'SIGKILL']);
  });

  it('ends no process by force that exits while a thread only works', async () => {
    await writeFile(at('file'), 'x'.repeat(1_000_000));
    const child = execFile(process.execPath, [...process.execArgv, HUNG_PROCESS, at('file')]);
    expect(await once(child, 'exit')).to.deep.equal([3, null]);
  });

  it('lets the scripts of a convoy succeed and fail each for itself', async () => {
    await writeFile(at('b'), 'there before');
    const outcomes = await Promise.all(
      ['a', 'b', 'c'].map((name) => thread.run([[write(name)], [{ do: 'move', path: at(name), to: at(`${name}-moved`) }]])),
    );
    expect(outcomes.map(({ fault }) => fault?.code)).to.deep.equal([undefined, 'EEXIST', undefined]);
    expect(outcomes[1]?.fault).to.deep.include({ round: 0, syscall: 'open', path: at('b') });
    expect((await readdir(folder.path)).sort()).to.deep.equal(['a-moved', 'b', 'c-moved']);
    expect(await readFile(at('b'), 'utf8')).to.equal('there before');
  });

  it('ends each round for all before the next begins', async () => {
    const [first, second] = await Promise.all([
      thread.run([[write('a')], [{ do: 'check-absent', path: at('b') }]]),
      thread.run([[write('b')], [{ do: 'find-names', path: folder.path, prefix: '' }]]),
    ]);
    expect(first.fault?.code).to.equal('EEXIST');
    expect(second.values[0]?.split('\n').sort()).to.deep.equal(['a', 'b']);
  });

  it('tells everybody who shares a sync that it failed, and nobody else', async () => {
    const gone: FileCall = { do: 'sync-folder', path: at('gone') };
    const outcomes = await Promise.all([
      thread.run([[gone]]),
      thread.run([[{ do: 'sync-folder', path: folder.path }]]),
      thread.run([[gone]]),
    ]);
    expect(outcomes.map(({ fault }) => fault?.code)).to.deep.equal(['ENOENT', undefined, 'ENOENT']);
  });

  it('keeps the answers of many convoys apart', async () => {
    const names = Array.from({ length: 300 }, (_, index) => `file-${String(index)}`);
    await Promise.all(names.map((name) => thread.run([[write(name)]])));
    const read = await Promise.all(names.map((name) => thread.run([[{ do: 'read-file', path: at(name), bytesMax: 100 }]])));
    expect(read.map(({ values }) => values[0])).to.deep.equal(names);
  });

  it('writes files and folders with the given modes, and whole texts of any length', async () => {
    const text = 'é'.repeat(400_000);
    await thread.run([
      [
        { do: 'make-folder', path: at('folder'), mode: 0o701 },
        { do: 'set-mode', path: at('folder'), mode: 0o777 },
        { do: 'write-file', path: at('folder/file'), text, mode: 0o600 },
      ],
    ]);
    expect((await stat(at('folder'))).mode & 0o777).to.equal(0o777);
    expect((await stat(at('folder/file'))).mode & 0o777).to.equal(0o600);
    const { values } = await thread.run([[{ do: 'read-file', path: at('folder/file'), bytesMax: 800_000 }]]);
    expect(values[0] === text).to.equal(true);
    expect((await thread.run([[{ do: 'read-file', path: at('folder/file'), bytesMax: 799_999 }]])).fault?.code).to.equal('EFBIG');
  });

  it('reads and syncs through no link', async () => {
    await writeFile(at('file'), 'text');
    await symlink(at('file'), at('link'));
    expect((await thread.run([[{ do: 'read-file', path: at('link'), bytesMax: 100 }]])).fault?.code).to.equal('ELOOP');
    expect((await thread.run([[{ do: 'sync-file', path: at('link') }]])).fault?.code).to.equal('ELOOP');
    expect((await thread.run([[{ do: 'check-folder', path: at('link') }]])).fault?.code).to.equal('ENOTDIR');
    expect((await thread.run([[{ do: 'check-folder', path: at('gone') }]])).fault?.code).to.equal('ENOENT');
    expect((await thread.run([[{ do: 'check-folder', path: folder.path }]])).fault).to.equal(undefined);
    expect((await thread.run([[{ do: 'check-absent', path: at('link') }]])).fault?.code).to.equal('EEXIST');
  });

  it('fills the blanks of a plan for each run of a convoy, and runs other scripts beside it', async () => {
    const plan = planOf<'name' | 'text'>((blank) => [
      { calls: [{ do: 'write-file', path: at(`${blank('name')}-of-${blank('name')}`), text: `<${blank('text')}>`, mode: 0o600 }] },
      { calls: [{ do: 'find-names', path: folder.path, prefix: blank('name') }] },
    ]);
    const outcomes = await Promise.all([
      thread.run(plan.script, { name: 'a', text: '$&\\"\n' }),
      thread.run([[write('other')]]),
      thread.run(plan.script, { name: 'b', text: '' }),
    ]);
    expect(outcomes).to.deep.equal([{ values: ['a-of-a'] }, { values: [] }, { values: ['b-of-b'] }]);
    expect(await readFile(at('a-of-a'), 'utf8')).to.equal('<$&\\"\n>');
    expect(await readFile(at('b-of-b'), 'utf8')).to.equal('<>');
  });

  it('touches nothing when a blank has no value, and leaves a text alone that only looks like one with blanks', async () => {
    const plan = planOf<'name'>((blank) => [{ calls: [{ do: 'make-folder', path: at(blank('name')), mode: 0o700 }] }]);
    expect((await thread.run(plan.script, {})).fault).to.deep.include({ round: 0, code: 'EINVAL' });
    expect((await thread.run(plan.script)).fault?.code).to.equal('ERR_INVALID_ARG_VALUE');
    expect(await readdir(folder.path)).to.deep.equal([]);
    await thread.run([[{ do: 'write-file', path: at('file'), text: '\0name\0', mode: 0o600 }]]);
    expect(await readFile(at('file'), 'utf8')).to.equal('\0name\0');
  });

  it('takes for a marker of a volume exactly what the schema takes', async () => {
    const volume = { name: 'volume', uid: contractUid(1) };
    const field = (right: unknown): fc.Arbitrary<unknown> =>
      fc.oneof(
        { weight: 6, arbitrary: fc.constant(right) },
        { weight: 1, arbitrary: fc.constantFrom(undefined, null, 1, 'x', [], {}, { a: 1 }) },
      );
    const marker = fc.record({
      ...{ schema: field(1), name: field(volume.name), uid: field(volume.uid), options: field({ key: 'value' }) },
      ...{ createdAt: field('2026-01-01T00:00:00.000Z'), adopted: field(true), details: field({ content: 'ext4' }), more: fc.constant(1) },
    });
    const texts = fc.sample(
      fc.oneof({ weight: 9, arbitrary: marker.map((value) => JSON.stringify(value)) }, fc.constantFrom('', '{', 'null', '[]', '1')),
      { numRuns: 400, seed: 7 },
    );
    const taken = await Promise.all(
      texts.map(async (text, index): Promise<boolean> => {
        const place = at(String(index));
        const path = join(place, 'volume.json');
        const calls: FileCall[] = [
          { do: 'make-folder', path: place, mode: 0o700 },
          { do: 'write-file', path, text, mode: 0o600 },
          { do: 'check-marker', path, folder: place, ...volume },
        ];
        return (await thread.run([calls])).fault === undefined;
      }),
    );
    const expected = texts.map((text) => {
      const parsed = parseMarker(text);
      return !('fault' in parsed) && parsed.name === volume.name && parsed.uid === volume.uid;
    });
    expect(taken).to.deep.equal(expected);
    expect(new Set(taken)).to.deep.equal(new Set([true, false]));
  });

  it('takes no marker behind a link in place of the folder', async () => {
    const marker = { schema: 1, name: 'volume', uid: contractUid(1), options: {}, createdAt: '' };
    await mkdir(at('real'));
    await writeFile(at('real/volume.json'), JSON.stringify(marker));
    await symlink(at('real'), at('link'));
    const check = (name: string): Promise<FileOutcome> =>
      thread.run([[{ do: 'check-marker', path: at(`${name}/volume.json`), folder: at(name), name: 'volume', uid: contractUid(1) }]]);
    expect((await check('real')).fault).to.equal(undefined);
    expect((await check('link')).fault?.code).to.equal('EMARKER');
  });

  it('is held up alone by a storage that does not answer, and refuses what it could never finish', async () => {
    // Opening a FIFO that nobody writes to hangs, as a file on a dead server does.
    await exec('mkfifo', [at('fifo')]);
    const stuck = new FileThreads();
    const hanging = stuck.run([[{ do: 'sync-file', path: at('fifo') }]]);
    await Promise.resolve();
    const behind = Array.from({ length: 10_000 }, () => stuck.run([[]]));
    expect(hasReason(await rejection(stuck.run([[]])), 'OVERLOADED')).to.equal(true);
    expect((await thread.run([[write('other')]])).fault).to.equal(undefined);
    const writer = await open(at('fifo'), 'w');
    expect((await hanging).fault?.code).to.equal('EINVAL');
    await Promise.all(behind);
    await writer.close();
  });

  it('takes a second convoy along beside one that is on its way, once half of a full one waits', async () => {
    await exec('mkfifo', [at('fifo')]);
    const own = new FileThreads();
    const hanging = own.run([[{ do: 'sync-file', path: at('fifo') }]]);
    await Promise.resolve();
    const waiting = Array.from({ length: 31 }, (_, index) => own.run([[write(String(index))]]));
    // Long enough for a convoy, had one departed.
    await thread.run([[write('other')]]);
    await thread.run([[write('another')]]);
    expect((await readdir(folder.path)).sort()).to.deep.equal(['another', 'fifo', 'other']);
    await Promise.all([...waiting, own.run([[write('31')]])]);
    expect(await readdir(folder.path)).to.have.length(35);
    // What comes now waits for whoever is back first.
    const last = own.run([[write('last')]]);
    const writer = await open(at('fifo'), 'w');
    expect((await hanging).fault?.code).to.equal('EINVAL');
    expect((await last).fault).to.equal(undefined);
    await writer.close();
  });

  it('syncs the folder that it holds, and lets go of it with the convoy', async () => {
    await mkdir(at('held'));
    const opened = async (): Promise<number> => (await readdir('/proc/self/fd')).length;
    const before = await opened();
    const hold: FileCall = { do: 'hold-folder', path: at('held') };
    const [outcome] = await Promise.all([
      thread.run([[hold], [{ do: 'move', path: at('held'), to: at('moved') }], [{ do: 'sync-folder', path: at('held') }]]),
      thread.run([[hold, { do: 'check-absent', path: folder.path }]]),
    ]);
    expect(outcome.fault).to.equal(undefined);
    expect(await opened()).to.equal(before);
    expect((await thread.run([[{ do: 'sync-folder', path: at('held') }]])).fault?.code).to.equal('ENOENT');
    await writeFile(at('file'), '');
    expect((await thread.run([[{ do: 'hold-folder', path: at('file') }]])).fault?.code).to.equal('ENOTDIR');
  });

  it('tells what the sync of a folder says that it holds', async () => {
    // The file system of processes syncs nothing.
    const path = '/proc/self';
    const { fault } = await thread.run([[{ do: 'hold-folder', path }], [{ do: 'sync-folder', path }]]);
    expect(fault).to.include({ round: 1, code: 'EINVAL', syscall: 'fsync' });
  });

  it('keeps nothing open of what it writes, syncs and reads, and finds nothing in a folder that is not there', async () => {
    const opened = async (): Promise<number> => (await readdir('/proc/self/fd')).length;
    const before = await opened();
    const calls: readonly FileCall[] = [
      write('a'),
      { do: 'sync-file', path: at('a') },
      { do: 'read-file', path: at('a'), bytesMax: 100 },
      { do: 'sync-folder', path: folder.path },
      { do: 'find-names', path: at('gone'), prefix: '' },
    ];
    expect(await thread.run([calls])).to.deep.equal({ values: ['a', ''] });
    expect(await opened()).to.equal(before);
  });

  it('says that it cannot tell what was done when its thread ends, and goes on with another', async () => {
    const own = new FileThreads();
    const [lost, other] = await Promise.all([rejection(own.run(null as never)), rejection(own.run([[write('a')]]))]);
    expect([lost.reason, other.reason]).to.deep.equal(['DRIVER_UNAVAILABLE', 'DRIVER_UNAVAILABLE']);
    expect((await own.run([[write('b')]])).fault).to.equal(undefined);
  });

  for (const form of ['dist/files/file-threads.js', 'src/files/file-threads.ts'])
    it(`runs from ${form} and does not keep its process alive`, async () => {
      const file = fileURLToPath(new URL(`../../${form}`, import.meta.url));
      const program = `const { FileThreads } = await import(${JSON.stringify(file)});
        const script = [[{ do: 'write-file', path: ${JSON.stringify(at('file'))}, text: 'text', mode: 0o600 }]];
        console.log(JSON.stringify(await new FileThreads().run(script)));`;
      const loaded = form.startsWith('src') ? ['--import=tsx', '--conditions=@volplane/source'] : [];
      const { stdout } = await exec(process.execPath, [...loaded, '--input-type=module', '--eval', program]);
      expect(JSON.parse(stdout)).to.deep.equal({ values: [] });
      expect(await readFile(at('file'), 'utf8')).to.equal('text');
    });
});

const HUNG_PROCESS = fileURLToPath(new URL('hung-process.ts', import.meta.url));
