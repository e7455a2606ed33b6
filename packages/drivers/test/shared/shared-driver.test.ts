import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { seededRandom } from '@volplane/base';
import type { VolumeName, VolumeUid } from '@volplane/domain';
import {
  contractUid,
  contractVolume,
  driverContract,
  gate,
  makeTestFolder,
  ManualClock,
  rejection,
  waitFor,
  type Gate,
  type TestFolder,
} from '@volplane/testkit';
import { expect } from 'chai';
import { FileThreads } from '../../src/files/file-threads.js';
import { SharedDriver, type SharedDriverConfig } from '../../src/shared/shared-driver.js';
import { realContext } from '../support/context.js';
import { folderWorld } from '../support/folder-world.js';

const CALM = new AbortController().signal;

const configFor = (root: string, parts: Partial<SharedDriverConfig> = {}): SharedDriverConfig => ({
  name: 'shared',
  root,
  accessModes: ['multi-node-multi-writer'],
  trashKeepMs: 0,
  ownMounts: false,
  ...parts,
});

driverContract('shared, without the right to mount', () =>
  folderWorld({
    driver: (context, folder) => new SharedDriver(context, configFor(folder.path, { rootId: 'storage-1' })),
    place: (folder, name) => join(folder.path, name),
    prepare: (folder) => writeFile(join(folder.path, '.volplane-root'), 'storage-1\n'),
    options: () => ({}),
    badOptions: [{ typo: 'x' }],
    context: { mayMount: false },
    traits: { readOnlyEnforced: false, busyRefused: false, erasesData: true },
  }),
);

describe('shared driver', () => {
  let folder: TestFolder;

  beforeEach(async () => {
    folder = await makeTestFolder();
  });

  afterEach(async () => {
    await folder.remove();
  });

  it('gives a place to one of many nodes that create there at the same moment', async () => {
    const threads = Array.from({ length: 4 }, () => new FileThreads());
    const volumes = Array.from({ length: 16 }, (_, index) => contractVolume({ options: {} }, { uid: contractUid(index + 1) }));
    const outcomes = await Promise.allSettled(
      volumes.map((volume, index) => {
        const random = seededRandom(index);
        // Four nodes, each with a thread of its own.
        const thread = threads[index % threads.length] ?? new FileThreads();
        return new SharedDriver(realContext({ random, files: () => thread }), configFor(folder.path)).create(volume);
      }),
    );
    const won = volumes.filter((_, index) => outcomes[index]?.status === 'fulfilled');
    expect(won).to.have.length(1);
    const lost = outcomes
      .filter((outcome) => outcome.status === 'rejected')
      .map(({ reason }: { reason: { reason?: string } }) => reason.reason);
    expect(new Set(lost)).to.deep.equal(new Set(['FOREIGN_DATA']));
    const found = await new SharedDriver(realContext(), configFor(folder.path)).list(10);
    expect(found.map(({ uid }) => uid)).to.deep.equal(won.map(({ uid }) => uid));
    expect(await readdir(join(folder.path, '.staging'))).to.deep.equal([]);
  });

  it('lets two nodes create the same volume at the same moment', async () => {
    const volume = contractVolume({ options: {} });
    const nodes = [1, 2, 3, 4].map((seed) => new SharedDriver(realContext({ random: seededRandom(seed) }), configFor(folder.path)));
    await Promise.all(nodes.map((node) => node.create(volume)));
    await Promise.all(nodes.map((node) => node.remove(volume, CALM)));
    expect(await readdir(join(folder.path, '.staging'))).to.deep.equal([]);
    expect(await readdir(join(folder.path, '.trash'))).to.deep.equal([]);
  });

  it('does not touch a root without the right id', async () => {
    const driver = new SharedDriver(realContext(), configFor(folder.path, { rootId: 'storage-1' }));
    const volume = contractVolume({ options: {} });
    expect((await rejection(driver.create(volume))).message).to.contain('no file .volplane-root');
    await writeFile(join(folder.path, '.volplane-root'), 'storage-2');
    expect((await rejection(driver.create(volume))).message).to.contain('another storage');
    expect((await rejection(driver.inspect(volume))).reason).to.equal('DRIVER_UNAVAILABLE');
    expect((await rejection(driver.remove(volume, CALM))).reason).to.equal('DRIVER_UNAVAILABLE');
    expect(await readdir(folder.path)).to.deep.equal(['.volplane-root']);
  });

  it('looks at its root once for many calls that come at the same moment, and for each one after it came', async () => {
    const begun: Gate[] = [];
    const context = realContext();
    const probe = async (): Promise<void> => {
      const door = gate();
      begun.push(door);
      await door.opened;
    };
    const driver = new SharedDriver({ ...context, mounts: { ...context.mounts, probe } }, configFor(folder.path));
    const first = driver.inspect(contractVolume({ options: {} }));
    const others = Array.from({ length: 20 }, () => driver.inspect(contractVolume({ options: {} })));
    expect(begun).to.have.length(1);
    begun[0]?.open();
    await first;
    await waitFor(() => begun.length === 2, { what: 'the look for the others' });
    begun[1]?.open();
    await Promise.all(others);
    expect(begun).to.have.length(2);
  });

  it('keeps removed data as long as it is told, and purges what is older', async () => {
    const clock = new ManualClock(1_000_000);
    const driver = new SharedDriver(realContext({ clock }), configFor(folder.path, { trashKeepMs: 3_600_000 }));
    const trash = join(folder.path, '.trash');
    const one = contractVolume({ options: {} });
    await driver.create(one);
    await writeFile(join(await driver.mount(one, { mode: 'rw' }, CALM), 'file'), 'text');
    await driver.remove(one, CALM);
    expect((await driver.inspect(one)).existence).to.equal('absent');
    expect(await readdir(trash)).to.have.length(1);
    await driver.purge(1, CALM);
    expect(await readdir(trash)).to.have.length(1);
    await clock.advance(3_600_000);
    const two = contractVolume({ options: {} }, { uid: contractUid(2) });
    await driver.create(two);
    await driver.remove(two, CALM);
    const left = await readdir(trash);
    expect(left).to.have.length(1);
    expect(left[0]).to.contain(two.uid);
    await driver.purge(0, CALM);
    expect(await readdir(trash)).to.deep.equal([]);
  });

  it('lets a volume whose place is taken lose alone', async () => {
    const driver = new SharedDriver(realContext(), configFor(folder.path));
    await mkdir(join(folder.path, 'volume-3'));
    const volumes = Array.from({ length: 8 }, (_, index) =>
      contractVolume({ options: {} }, { name: `volume-${String(index)}` as VolumeName, uid: contractUid(index + 1) }),
    );
    const outcomes = await Promise.allSettled(volumes.map((volume) => driver.create(volume)));
    const lost = outcomes.flatMap((outcome, index) => (outcome.status === 'rejected' ? [index] : []));
    expect(lost).to.deep.equal([3]);
    expect(await readdir(join(folder.path, 'volume-3'))).to.deep.equal([]);
    const removed = await Promise.allSettled(volumes.map((volume) => driver.remove(volume, CALM)));
    expect(removed.map(({ status }) => status)).to.deep.equal(volumes.map(() => 'fulfilled'));
    expect((await readdir(folder.path)).sort()).to.deep.equal(['.staging', '.trash', 'volume-3']);
  });

  it('keeps what it has acknowledged and leaves no half volume when its process is killed in the middle', async () => {
    const program = fileURLToPath(new URL('creator-main.ts', import.meta.url));
    const child = spawn(process.execPath, [...process.execArgv, program, folder.path], { stdio: ['ignore', 'pipe', 'inherit'] });
    const told: string[] = [];
    const lines = createInterface(child.stdout);
    lines.on('line', (line) => {
      told.push(line);
      if (told.length === 500) child.kill('SIGKILL');
    });
    await Promise.all([once(child, 'exit'), once(lines, 'close')]);
    const driver = new SharedDriver(realContext(), configFor(folder.path));
    const there = (await readdir(folder.path)).filter((name) => !name.startsWith('.'));
    const whole = await driver.list(10_000);
    expect(whole.map(({ name }) => name as string).sort()).to.deep.equal(there.sort());
    for (const name of there) expect((await readdir(join(folder.path, name))).sort()).to.deep.equal(['_data', 'volume.json']);
    const created = new Set(told.filter((line) => line.startsWith('+')).map((line) => Number(line.slice(1))));
    const removed = new Set(told.filter((line) => line.startsWith('-')).map((line) => Number(line.slice(1))));
    for (const index of created) {
      // A remove of it may have been under way.
      if (index % 3 !== 0) expect(there).to.contain(`volume-${String(index)}`);
      if (removed.has(index)) expect(there).not.to.contain(`volume-${String(index)}`);
    }
    const staged = await readdir(join(folder.path, '.staging'));
    const uids = [...whole.map(({ uid, name }) => ({ uid, name })), ...staged.map((entry) => ({ uid: entry.split('-')[0], name: 'left' }))];
    for (const { uid, name } of uids) {
      // One after the other: volumes that were cut short share a name.
      const volume = contractVolume({ options: {} }, { name: name as VolumeName, ...(uid === undefined ? {} : { uid: uid as VolumeUid }) });
      await driver.remove(volume, CALM);
    }
    expect(await readdir(join(folder.path, '.staging'))).to.deep.equal([]);
    expect((await readdir(folder.path)).sort()).to.deep.equal(['.staging', '.trash']);
  });
});
