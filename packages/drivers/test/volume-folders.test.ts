import { mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { silentLogger, type Logger } from '@volplane/base';
import type { VolumeName } from '@volplane/domain';
import type { DriverVolume } from '@volplane/ports';
import { contractUid, contractVolume, makeTestFolder, refusal, rejection, type TestFolder } from '@volplane/testkit';
import { expect } from 'chai';
import { FileThreads } from '../src/files/file-threads.js';
import type { FileCall, FileRunner } from '../src/files/file-call.js';
import type { DriverContext } from '../src/driver-context.js';
import { VolumeFolders, type Fill } from '../src/volume-folders.js';
import { realContext } from './support/context.js';

const CALM = new AbortController().signal;

/** The real files of one root, whose syncs fail when the test says so. Method: what is answered must be on the disk by then. */
describe('folders of volumes on a disk whose syncs fail', () => {
  const threads = new FileThreads();
  const volume = contractVolume({ options: {} });
  let folder: TestFolder;
  let folders: VolumeFolders;
  /** Of the root; undefined: they succeed. */
  let syncFault: string | undefined;
  let syncs: number;

  beforeEach(async () => {
    folder = await makeTestFolder();
    syncFault = undefined;
    syncs = 0;
    folders = new VolumeFolders(realContext({ files: () => failing }), { root: folder.path, trashKeepMs: 0 });
  });

  afterEach(async () => {
    await folder.remove();
  });

  const isSyncOfRoot = (call: FileCall): boolean => call.do === 'sync-folder' && call.path === folder.path;
  const failing: FileRunner = {
    async run(script, values) {
      const round = script.findIndex((calls) => calls.some(isSyncOfRoot));
      if (round === -1) return await threads.run(script, values);
      if (syncFault === undefined) {
        const outcome = await threads.run(script, values);
        if (outcome.fault === undefined) syncs += 1;
        return outcome;
      }
      const before = await threads.run(script.slice(0, round), values);
      if (before.fault !== undefined) return before;
      return { values: before.values, fault: { round, code: syncFault, message: `${syncFault}: fsync`, syscall: 'fsync', path: '' } };
    },
  };
  const present = async (): Promise<boolean> => (await readdir(folder.path)).includes(volume.name);

  const fills: readonly (readonly [string, Fill])[] = [
    ['the folder that users get', 'data folder'],
    ['work of the driver', { work: () => Promise.resolve() }],
  ];
  for (const [what, fill] of fills) {
    it(`answers a create only once it is durable, also one that is repeated: ${what}`, async () => {
      syncFault = 'EIO';
      expect((await rejection(folders.create(volume, fill))).reason).to.equal('DRIVER_UNAVAILABLE');
      expect(await present()).to.equal(true);
      expect((await rejection(folders.create(volume, fill))).reason).to.equal('DRIVER_UNAVAILABLE');
      syncFault = undefined;
      await folders.create(volume, fill);
      expect(syncs).to.equal(1);
    });
  }

  it('says that a create has come to its end only once that is durable', async () => {
    await folders.create(volume, 'data folder');
    syncFault = 'EIO';
    expect((await rejection(folders.isMade(volume))).reason).to.equal('DRIVER_UNAVAILABLE');
    syncFault = undefined;
    expect(await folders.isMade(volume)).to.equal(true);
  });

  it('answers a remove only once it is durable, also one that is repeated', async () => {
    await folders.create(volume, 'data folder');
    syncFault = 'EIO';
    expect((await rejection(folders.remove(volume, CALM))).reason).to.equal('DRIVER_UNAVAILABLE');
    expect(await present()).to.equal(false);
    expect((await rejection(folders.remove(volume, CALM))).reason).to.equal('DRIVER_UNAVAILABLE');
    syncFault = undefined;
    await folders.remove(volume, CALM);
    expect(syncs).to.equal(2);
  });

  // These mean before a move that nothing was done.
  for (const code of ['ENOSPC', 'EROFS']) {
    it(`does not say that nothing is left when the sync after the move ends with ${code}`, async () => {
      syncFault = code;
      expect((await rejection(folders.create(volume, 'data folder'))).reason).to.equal('DRIVER_UNAVAILABLE');
      syncFault = undefined;
      await folders.create(volume, 'data folder');
      syncFault = code;
      expect((await rejection(folders.remove(volume, CALM))).reason).to.equal('DRIVER_UNAVAILABLE');
      expect((await rejection(folders.remove(volume, CALM))).reason).to.equal('DRIVER_UNAVAILABLE');
    });
  }

  it('removes what was never there, also below a root that is not there', async () => {
    await folders.remove(volume, CALM);
    await new VolumeFolders(realContext(), { root: `${folder.path}/nowhere`, trashKeepMs: 0 }).remove(volume, CALM);
  });
});

describe('folders of volumes', () => {
  const volume = contractVolume({ options: {} });
  const other: DriverVolume = { ...volume, uid: contractUid(2) };
  let folder: TestFolder;
  let warnings: string[];

  beforeEach(async () => {
    folder = await makeTestFolder();
    warnings = [];
  });

  afterEach(async () => {
    await folder.remove();
  });

  const log: Logger = { ...silentLogger, warn: (message) => warnings.push(message) };
  const open = (parts: Partial<DriverContext> = {}, more: { readonly root?: string; readonly rootMode?: number } = {}): VolumeFolders =>
    new VolumeFolders(realContext({ log, ...parts }), { root: folder.path, trashKeepMs: 0, ...more });
  const place = (...names: readonly string[]): string => join(folder.path, volume.name, ...names);
  const staged = (): Promise<string[]> => readdir(join(folder.path, '.staging'));
  const put = async (marker: string): Promise<void> => {
    await mkdir(place());
    await writeFile(place('volume.json'), marker);
  };

  it('are below their root, whatever the name', async () => {
    const outside = { ...volume, name: '../outside' as VolumeName };
    const folders = open();
    expect(() => folders.folder(outside.name))
      .to.throw()
      .with.property('reason', 'INVALID_NAME');
    const calls = [() => folders.look(outside), () => folders.create(outside, 'data folder'), () => folders.remove(outside, CALM)];
    for (const call of calls) expect((await rejection(call())).reason).to.equal('INVALID_NAME');
  });

  it('leave nothing staged by a create that fails or loses, to the same volume or to another', async () => {
    const folders = open();
    const failing: Fill = { work: () => Promise.reject(Object.assign(new Error('full'), { code: 'ENOSPC' })) };
    expect((await rejection(folders.create(volume, failing))).reason).to.equal('NO_CAPACITY');
    expect(await staged()).to.deep.equal([]);
    await folders.create(volume, { work: () => folders.create(volume, 'data folder') });
    expect(await staged()).to.deep.equal([]);
    await folders.remove(volume, CALM);
    // In one convoy both are staged before one of them wins.
    await Promise.all([1, 2].map(() => folders.create(volume, 'data folder')));
    expect(await staged()).to.deep.equal([]);
    await folders.create(volume, 'data folder');
    await folders.remove(volume, CALM);
    expect((await rejection(folders.create(volume, { work: () => folders.create(other, 'data folder') }))).reason).to.equal('FOREIGN_DATA');
    expect((await rejection(folders.create(volume, 'data folder'))).reason).to.equal('FOREIGN_DATA');
    expect(await staged()).to.deep.equal([]);
    expect((await folders.look(other)).kind).to.equal('own');
    expect((await rejection(folders.need(volume, 'MOUNT_FAILED'))).reason).to.equal('FOREIGN_DATA');
    expect(await folders.isMade(volume)).to.equal(false);
  });

  it('that carry another marker are not removed, and those whose marker cannot be read are not passed for gone', async () => {
    const folders = open();
    await folders.create(other, 'data folder');
    await folders.remove(volume, CALM);
    expect((await folders.look(other)).kind).to.equal('own');
    await folders.remove(other, CALM);
    await put('x'.repeat(700 * 1024));
    expect((await rejection(folders.remove(volume, CALM))).reason).to.equal('DRIVER_FAILED');
    expect(await folders.look(volume)).to.deep.include({ kind: 'foreign', unreadable: true });
  });

  it('keep what the driver has decided, and hand it out', async () => {
    const folders = open();
    await folders.create(volume, 'data folder', { content: 'block' });
    expect((await folders.need(volume, 'MOUNT_FAILED')).details).to.deep.equal({ content: 'block' });
  });

  for (const [what, make] of [
    ['a file', () => writeFile(place(), '')],
    ['a link', () => symlink('/etc', place())],
    ['a folder without a marker', () => mkdir(place())],
    ['a folder whose marker is a link', () => mkdir(place()).then(() => symlink('/etc/hostname', place('volume.json')))],
  ] as const) {
    it(`take ${what} at their place for somebody else's`, async () => {
      await make();
      const folders = open();
      expect(await folders.look(volume)).to.deep.include({ kind: 'foreign', unreadable: false });
      expect((await rejection(folders.create(volume, 'data folder'))).reason).to.equal('FOREIGN_DATA');
      await folders.remove(volume, CALM);
      expect(await readdir(folder.path)).to.include(volume.name);
      expect(await folders.list(10)).to.deep.equal([]);
      expect(warnings).to.deep.equal([]);
    });
  }

  it('lose with their remove what a create of theirs has left staged, and nothing of others', async () => {
    const folders = open();
    for (const isThere of [true, false]) {
      if (isThere) await folders.create(volume, 'data folder');
      for (const { uid } of [volume, other]) await mkdir(join(folder.path, '.staging', `${uid}-left`), { recursive: true });
      await folders.remove(volume, CALM);
      expect(await staged(), String(isThere)).to.deep.equal([`${other.uid}-left`]);
    }
  });

  it('are not removed while something is mounted in them', async () => {
    await open().create(volume, 'data folder');
    const context = realContext();
    const [entry] = await context.mounts.table();
    if (entry === undefined) throw new Error('nothing is mounted at all');
    const folders = open({ mounts: { ...context.mounts, table: () => Promise.resolve([{ ...entry, target: place('_data') }]) } });
    expect((await rejection(folders.remove(volume, CALM))).reason).to.equal('DRIVER_FAILED');
    expect((await folders.look(volume)).kind).to.equal('own');
  });

  it('are listed once each, up to a limit, beside a marker that cannot be read', async () => {
    const folders = open();
    await put('{');
    const names = Array.from({ length: 70 }, (_, index) => `v${String(index).padStart(2, '0')}`);
    await Promise.all(
      names.map((name, index) => folders.create({ ...volume, name: name as VolumeName, uid: contractUid(index + 10) }, 'data folder')),
    );
    await mkdir(join(folder.path, 'not a name'));
    await writeFile(join(folder.path, 'not a name', 'volume.json'), await readFile(join(folder.path, 'v00', 'volume.json')));
    expect((await folders.list(1_000)).map(({ name }) => name).sort()).to.deep.equal(names);
    expect(warnings).to.deep.equal(['volume folder skipped']);
    let looks = 0;
    const threads = new FileThreads();
    const counting: FileRunner = { run: (...args) => ((looks += 1), threads.run(...args)) };
    expect(await open({ files: () => counting }).list(5)).to.have.length(5);
    expect(looks, 'no more than one convoy of markers is read').to.be.below(65);
  });

  it('make their root with the mode that they are given, and show nobody what is half made or removed', async () => {
    const root = join(folder.path, 'root');
    const folders = open({}, { root, rootMode: 0o711 });
    await folders.create(volume, 'data folder');
    await folders.remove(volume, CALM);
    const modes = await Promise.all([root, join(root, '.staging'), join(root, '.trash')].map((path) => stat(path)));
    expect(modes.map(({ mode }) => (mode & 0o777).toString(8))).to.deep.equal(['711', '700', '700']);
    expect(await readdir(join(root, '.trash'))).to.deep.equal([]);
  });

  it('lose to a file that came to their place meanwhile', async () => {
    const refusal = await rejection(open().create(volume, { work: () => writeFile(place(), 'precious') }));
    expect(refusal.reason).to.equal('FOREIGN_DATA');
    expect(await readFile(place(), 'utf8')).to.equal('precious');
  });

  it('are not passed for changed when the storage refuses that they are moved', async () => {
    const threads = new FileThreads();
    const refusing: FileRunner = {
      run: (script, values) =>
        script.flat().some((call) => call.do === 'check-marker')
          ? Promise.resolve({ values: [], fault: { round: 0, code: 'EROFS', message: 'EROFS', syscall: 'rename', path: '' } })
          : threads.run(script, values),
    };
    await open().create(volume, 'data folder');
    expect((await rejection(open({ files: () => refusing }).remove(volume, CALM))).reason).to.equal('DRIVER_FAILED');
  });

  /** Real files, but for the first of these calls that is run. */
  const failingOnce = (what: 'read-file' | 'write-file' | 'move', code: string): FileRunner => {
    const threads = new FileThreads();
    let isSpent = false;
    return {
      run(script, values) {
        const round = script.findIndex((calls) => calls.some((call) => call.do === what));
        if (isSpent || round === -1) return threads.run(script, values);
        isSpent = true;
        const syscall = { 'read-file': 'open', 'write-file': 'write', move: 'rename' }[what];
        return Promise.resolve({
          values: [],
          fault: { round, code, message: code, syscall, path: '' },
        });
      },
    };
  };

  it('whose marker cannot be read now are nobody else, and not gone', async () => {
    await open().create(volume, 'data folder');
    expect((await rejection(open({ files: () => failingOnce('read-file', 'EIO') }).look(volume))).reason).to.equal('DRIVER_UNAVAILABLE');
  });

  for (const [what, code, reason] of [
    ['write-file', 'ENOSPC', 'NO_CAPACITY'],
    ['move', 'EIO', 'DRIVER_UNAVAILABLE'],
  ] as const) {
    it(`are not passed for taken by somebody else when their create ends with ${code}`, async () => {
      expect((await rejection(open({ files: () => failingOnce(what, code) }).create(volume, 'data folder'))).reason).to.equal(reason);
    });
  }

  it('that are removed while they are looked at are absent, not somebody else', async () => {
    expect(await open({ files: () => failingOnce('read-file', 'ENOENT') }).look(volume)).to.deep.equal({ kind: 'absent' });
  });

  it('tell why a create failed, also when what it had staged cannot be taken away', async () => {
    const threads = new FileThreads();
    const keeping: FileRunner = {
      run: (script, values) =>
        script.flat().some((call) => call.do === 'remove-tree') ? Promise.reject(refusal('OVERLOADED')) : threads.run(script, values),
    };
    const failing: Fill = { work: () => Promise.reject(Object.assign(new Error('full'), { code: 'ENOSPC' })) };
    expect((await rejection(open({ files: () => keeping }).create(volume, failing))).reason).to.equal('NO_CAPACITY');
  });

  it('tell a storage that does not answer from one that says no', async () => {
    const silent: FileRunner = {
      run: () => Promise.resolve({ values: [], fault: { round: 0, code: 'EIO', message: 'EIO', syscall: 'read', path: '' } }),
    };
    const folders = open({ files: () => silent });
    const calls = [() => folders.look(volume), () => folders.create(volume, 'data folder'), () => folders.remove(volume, CALM)];
    for (const call of calls) expect((await rejection(call())).reason).to.equal('DRIVER_UNAVAILABLE');
  });
});
