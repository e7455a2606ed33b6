import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { silentLogger, systemClock, systemRandom } from '@volplane/base';
import { makeTestFolder, rejection } from '@volplane/testkit';
import { expect } from 'chai';
import { parseDriverEntries, toMountConfig, type MountEntry } from '../src/driver-config.js';
import { openDrivers } from '../src/open-drivers.js';

const SHARED = { name: 'a', kind: 'shared', root: '/a', unguarded: true };

const faultsOf = async (entries: unknown): Promise<string> =>
  (await rejection(Promise.resolve().then(() => parseDriverEntries(JSON.stringify(entries), 'drivers.json')))).message;

describe('configuration of drivers', () => {
  const refusals: readonly (readonly [string, object, RegExp])[] = [
    ['an unknown kind', { name: 'a', kind: 'nothing' }, /driver "a": kind/],
    ['a field that the kind does not have', { name: 'a', kind: 'local', root: '/a', rooot: '/b' }, /driver "a": .*rooot/],
    ['a relative root', { name: 'a', kind: 'local', root: 'a' }, /driver "a": root is not an absolute path/],
    ['a driver name with capitals', { name: 'A', kind: 'local', root: '/a' }, /driver "A": name is not a driver name/],
    ['a shared root without a guard', { name: 'a', kind: 'shared', root: '/a' }, /driver "a": .*mountPoint or rootId/],
    ['a global image without a guard', { name: 'a', kind: 'image', root: '/a', scope: 'global' }, /driver "a": .*mountPoint or rootId/],
    ['a size that is none', { name: 'a', kind: 'image', root: '/a', defaultSize: 'big' }, /driver "a": defaultSize is not a size/],
    ['an export that cannot be', { name: 'a', kind: 'nfs', host: 'h', path: '/p', layout: 'whole' }, /driver "a": .*placeholder/],
    ['a share without credentials', { name: 'a', kind: 'cifs', host: 'h', share: 's' }, /driver "a": credentialsFile/],
    ['another driver under the name of the local one', { name: 'local', kind: 'image', root: '/a' }, /driver "local": the name belongs/],
    [
      'a fence that is no absolute path',
      { ...SHARED, fence: ['fence', '{epoch}'] },
      /driver "a": fence does not begin with the absolute path/,
    ],
    [
      'a fence that is not told the epoch',
      { ...SHARED, fence: ['/f', '{uid}'] },
      /driver "a": fence does not tell its program the {epoch}/,
    ],
    [
      'a word in braces that a fence does not know',
      { ...SHARED, fence: ['/f', '{epoch}', '{mode}'] },
      /driver "a": {mode} is no placeholder of fence/,
    ],
    ['an admission without a fence', { ...SHARED, admit: ['/a', '{epoch}'] }, /driver "a": admit needs fence/],
    [
      'a fence for local volumes',
      { name: 'a', kind: 'image', root: '/a', fence: ['/f', '{epoch}'] },
      /driver "a": fence is for drivers of global scope/,
    ],
    ['an entry without a name by its place', { kind: 'local', root: '/a' }, /entry 1: name/],
  ];
  for (const [what, entry, text] of refusals) {
    it(`refuses ${what}`, async () => {
      expect(await faultsOf([entry])).to.match(text);
    });
  }

  it('names every entry with a fault at once, and names that are used twice', async () => {
    const text = await faultsOf([
      { name: 'one', kind: 'x' },
      { name: 'two', kind: 'local', root: '/a' },
      { name: 'two', kind: 'local', root: '/b' },
      7,
    ]);
    expect(text).to.contain('driver "one"').and.to.contain('driver "two": the name is used twice').and.to.contain('entry 4');
  });

  it('refuses what is not a list', async () => {
    expect(await faultsOf({})).to.contain('not a JSON list');
    expect((await rejection(Promise.resolve().then(() => parseDriverEntries('[', 'drivers.json')))).message).to.contain('drivers.json');
  });

  it('puts the words of the presets together', () => {
    const [nfs, cifs, disk] = parseDriverEntries(
      JSON.stringify([
        { name: 'files', kind: 'nfs', host: 'server', path: '/srv', options: ['hard'] },
        { name: 'share', kind: 'cifs', host: 'server', share: 'team', credentialsFile: '/etc/cifs' },
        { name: 'disks', kind: 'mount', type: 'ext4', source: '/dev/disk/by-label/{name}', layout: 'whole' },
      ]),
      'drivers.json',
    ) as readonly [MountEntry, MountEntry, MountEntry];
    expect(toMountConfig(nfs, '/m')).to.deep.include({
      type: 'nfs',
      source: 'server:/srv',
      options: ['vers=4.2', 'hard'],
      mountRoot: '/m',
    });
    expect(toMountConfig(nfs, '/m').accessModes[0]).to.equal('multi-node-multi-writer');
    expect(toMountConfig(cifs, '/m')).to.deep.include({ type: 'cifs', source: '//server/team', credentialsFile: '/etc/cifs' });
    expect(toMountConfig(disk, '/m').accessModes).to.deep.equal(['single-node-writer', 'single-node-reader-only']);
  });
});

describe('drivers of a node', () => {
  it('are only the local one without a file, and those of the file beside it', async () => {
    const folder = await makeTestFolder();
    const programs = { record: () => Promise.reject(new Error('nothing is run here')) };
    const node = { node: 'n1', dataDir: folder.path, clock: systemClock, random: systemRandom, log: silentLogger, programs };
    try {
      const open = async (file: string): Promise<readonly string[]> =>
        (await openDrivers({ file, ...node })).map(({ info }) => `${info.name} ${info.capabilities.scope}`);
      expect(await open('')).to.deep.equal(['local local']);
      const file = join(folder.path, 'drivers.json');
      const entries = [
        { name: 'files', kind: 'shared', root: '/srv', rootId: 'x' },
        { name: 'disks', kind: 'image', root: '/var/images', fs: 'xfs', defaultSize: '1g' },
        { name: 'exports', kind: 'nfs', host: 'server', path: '/srv', fence: ['/sbin/fence', '{epoch}'] },
      ];
      await writeFile(file, JSON.stringify(entries));
      expect(await open(file)).to.deep.equal(['local local', 'files global', 'disks local', 'exports global']);
      const fencing = await openDrivers({ file, ...node });
      expect(fencing.filter((driver) => driver.fence !== undefined).map(({ info }) => info.name)).to.deep.equal(['exports']);
      await writeFile(file, JSON.stringify([{ name: 'local', kind: 'local', root: '/srv' }]));
      expect(await open(file)).to.deep.equal(['local local']);
    } finally {
      await folder.remove();
    }
  });
});
