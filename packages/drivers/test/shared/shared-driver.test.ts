import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { seededRandom } from '@volplane/base';
import { contractUid, contractVolume, driverContract, makeTestFolder, ManualClock, rejection, type TestFolder } from '@volplane/testkit';
import { expect } from 'chai';
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
    const volumes = Array.from({ length: 16 }, (_, index) => contractVolume({ options: {} }, { uid: contractUid(index + 1) }));
    const outcomes = await Promise.allSettled(
      volumes.map((volume, index) => {
        const random = seededRandom(index);
        return new SharedDriver(realContext({ random }), configFor(folder.path)).create(volume);
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
});
