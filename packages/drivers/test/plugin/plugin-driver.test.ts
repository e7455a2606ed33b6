import { join } from 'node:path';
import { systemClock, systemRandom } from '@volplane/base';
import type { VolumeName, VolumeUid } from '@volplane/domain';
import type { DriverVolume } from '@volplane/ports';
import { driverContract, makeTestFolder, rejection, type TestFolder } from '@volplane/testkit';
import { expect } from 'chai';
import type { DriverContext } from '../../src/driver-context.js';
import { PluginClient } from '../../src/plugin/plugin-client.js';
import { PluginDriver } from '../../src/plugin/plugin-driver.js';
import { realContext } from '../support/context.js';
import { FakePlugin } from './fake-plugin.js';
import { pluginWorld } from './plugin-world.js';

driverContract('hosted plugin, without the right to mount', () => pluginWorld({ mayMount: false }));

const CALM = new AbortController().signal;
const VOLUME: DriverVolume = {
  name: 'data' as VolumeName,
  uid: '0123456789abcdef0123456789abcdef' as VolumeUid,
  options: { color: 'red' },
  epoch: 1,
};
const PLUGIN_NAME = 'data.456789abcdef';

/** What a plugin may do wrong, and what the agent is told then. */
describe('plugin driver', () => {
  let folder: TestFolder;
  let plugin: FakePlugin;
  let driver: PluginDriver;

  const makeDriver = (timeoutsMs: Readonly<Record<string, number>>, parts: Partial<DriverContext> = {}): PluginDriver => {
    const address = { kind: 'unix', path: plugin.socket } as const;
    const client = new PluginClient({ name: 'fake', address, clock: systemClock, random: systemRandom, timeoutsMs });
    return new PluginDriver(realContext({ mayMount: false, ...parts }), client, {
      name: 'fake',
      root: join(folder.path, 'mounts'),
      scope: 'global',
    });
  };

  beforeEach(async () => {
    folder = await makeTestFolder();
    plugin = await FakePlugin.start(folder.path);
    driver = makeDriver({});
  });

  afterEach(async () => {
    await plugin.stop();
    await folder.remove();
  });

  it('passes options on, without its own', async () => {
    await driver.create(VOLUME, CALM);
    expect(plugin.volumes.get(PLUGIN_NAME)?.options).to.deep.equal({ color: 'red' });
  });

  it('adopts a volume that the plugin has, and makes none', async () => {
    plugin.volumes.set('old', { options: {}, mounts: 0 });
    const adopted = { ...VOLUME, options: { adopt: 'old' } };
    await driver.create(adopted, CALM);
    expect(plugin.countOf('Create')).to.equal(0);
    expect((await driver.inspect(adopted, CALM)).status).to.include({ pluginVolume: 'old' });
    const missing = await rejection(driver.create({ ...VOLUME, options: { adopt: 'none' } }, CALM));
    expect(missing.reason).to.equal('DRIVER_FAILED');
    expect(missing.message).to.contain('no volume "none" to adopt');
  });

  it('says absent only when the list says so', async () => {
    expect((await driver.inspect(VOLUME, CALM)).existence).to.equal('absent');
    plugin.faults.set('List', { kind: 'raw', text: '{"Err":"database is down"}', status: 500 });
    const error = await rejection(driver.inspect(VOLUME, CALM));
    expect(error.reason).to.equal('DRIVER_UNAVAILABLE');
    expect(error.message).to.contain('cannot say whether it has volume');
  });

  it('takes a volume of null for nothing known, and asks the list', async () => {
    await driver.create(VOLUME, CALM);
    plugin.faults.set('Get', { kind: 'raw', text: '{"Volume":null,"Err":""}' });
    expect((await driver.inspect(VOLUME, CALM)).existence).to.equal('present');
  });

  it('promises that a refused create left nothing, and sees to it', async () => {
    plugin.faults.set('Create', { kind: 'raw', text: '{"Err":"quota exceeded"}', status: 500 });
    const clean = await rejection(driver.create(VOLUME, CALM));
    expect(clean.reason).to.equal('DRIVER_FAILED');
    expect(clean.message).to.contain('quota exceeded');
    // The plugin keeps half a volume and cannot remove it: nothing is promised.
    plugin.faultsAfter.set('Get', 1);
    plugin.faults.set('Get', { kind: 'raw', text: JSON.stringify({ Volume: { Name: PLUGIN_NAME } }) });
    plugin.faults.set('Remove', { kind: 'raw', text: '{"Err":"busy"}' });
    const half = await rejection(driver.create(VOLUME, CALM));
    expect(half.reason).to.equal('DRIVER_UNAVAILABLE');
    expect(half.message).to.contain('half a volume');
  });

  it('takes away what a refused create has left', async () => {
    plugin.leavesHalf = true;
    expect((await rejection(driver.create(VOLUME, CALM))).message).to.contain('quota exceeded');
    expect([...plugin.volumes]).to.deep.equal([]);
  });

  it('does not pass for removed what the plugin keeps', async () => {
    await driver.create(VOLUME, CALM);
    plugin.faults.set('Remove', { kind: 'raw', text: '{"Err":"busy"}', status: 500 });
    expect((await rejection(driver.remove(VOLUME, CALM))).message).to.contain('busy');
    plugin.faults.clear();
    await driver.remove(VOLUME, CALM);
    expect([...plugin.volumes]).to.deep.equal([]);
  });

  it('takes nothing away after a create whose outcome is unknown', async () => {
    plugin.faults.set('Create', { kind: 'crash' });
    expect((await rejection(driver.create(VOLUME, CALM))).reason).to.equal('DRIVER_UNAVAILABLE');
    expect(plugin.countOf('Remove')).to.equal(0);
  });

  it('asks no plugin to remove what is mounted here, whatever the plugin would say', async () => {
    await driver.create(VOLUME, CALM);
    const { mounts } = realContext();
    const [entry] = await mounts.table();
    if (entry === undefined) throw new Error('nothing is mounted at all');
    const target = join(folder.path, 'mounts', VOLUME.uid);
    const mounted = makeDriver({}, { mounts: { ...mounts, table: () => Promise.resolve([{ ...entry, target }]) } });
    expect((await rejection(mounted.remove(VOLUME, CALM))).reason).to.equal('DRIVER_FAILED');
    expect(plugin.countOf('Remove')).to.equal(0);
  });

  it('mounts once in the plugin what is mounted, without the right to mount too', async () => {
    await driver.create(VOLUME, CALM);
    const path = await driver.mount(VOLUME, { mode: 'rw' }, CALM);
    expect(await makeDriver({}).mount(VOLUME, { mode: 'rw' }, CALM)).to.equal(path);
    expect([plugin.countOf('Mount'), plugin.countOf('Unmount')]).to.deep.equal([1, 0]);
  });

  it('unmounts in the plugin what it may have mounted, until the plugin has answered, and nothing else', async () => {
    await driver.create(VOLUME, CALM);
    plugin.faults.set('Mount', { kind: 'raw', text: '{"Err":"in use"}', status: 500 });
    expect((await rejection(driver.mount(VOLUME, { mode: 'rw' }, CALM))).reason).to.equal('MOUNT_FAILED');
    await driver.unmount(VOLUME, CALM);
    expect(plugin.countOf('Unmount'), 'of what the plugin refused to mount').to.equal(0);
    plugin.faults.clear();
    await driver.mount(VOLUME, { mode: 'rw' }, CALM);
    plugin.faults.set('Unmount', { kind: 'crash' });
    expect((await rejection(driver.unmount(VOLUME, CALM))).reason).to.equal('DRIVER_UNAVAILABLE');
    plugin.faults.clear();
    for (let round = 0; round < 2; round += 1) await driver.unmount(VOLUME, CALM);
    expect(plugin.countOf('Unmount')).to.equal(2);
    expect(plugin.volumes.get(PLUGIN_NAME)?.mounts).to.equal(0);
  });

  for (const [what, fault] of [
    ['hangs', { kind: 'hang' }],
    ['crashes', { kind: 'crash' }],
    ['answers garbage', { kind: 'raw', text: 'volume created, have fun' }],
    ['answers with a huge body', { kind: 'raw', text: `{"Mountpoint":"${'x'.repeat(9 * 1024 * 1024)}"}` }],
  ] as const) {
    it(`leaves the outcome open when the plugin ${what} during a mount, and the call ends`, async () => {
      await driver.create(VOLUME, CALM);
      plugin.faults.set('Mount', fault);
      // One that waits so shortly would take a plugin on a busy machine for one that hangs.
      const hasty = makeDriver({ 'VolumeDriver.Mount': 200 });
      expect((await rejection(hasty.mount(VOLUME, { mode: 'rw' }, CALM))).reason).to.equal('DRIVER_UNAVAILABLE');
      plugin.faults.clear();
      expect(await driver.mount(VOLUME, { mode: 'rw' }, CALM)).to.contain(PLUGIN_NAME);
    });
  }

  for (const text of ['{}', '{"Mountpoint":""}', '{"Mountpoint":"relative/path"}', '{"Mountpoint":"/"}', '{"Mountpoint":"/a/.."}', '']) {
    it(`hands out no path that is none: ${text || 'empty body'}`, async () => {
      await driver.create(VOLUME, CALM);
      plugin.faults.set('Mount', { kind: 'raw', text });
      const error = await rejection(driver.mount(VOLUME, { mode: 'rw' }, CALM));
      expect(error.reason).to.equal('MOUNT_FAILED');
      expect(plugin.countOf('Unmount')).to.equal(1);
    });
  }

  it('fails while the plugin is gone and works when it is back', async () => {
    await driver.create(VOLUME, CALM);
    await plugin.stop();
    expect((await rejection(driver.inspect(VOLUME, CALM))).reason).to.equal('DRIVER_UNAVAILABLE');
    await plugin.restart();
    expect((await driver.inspect(VOLUME, CALM)).existence).to.equal('present');
  });

  it("shows a bounded part of the plugin's status", async () => {
    await driver.create(VOLUME, CALM);
    const { status } = await driver.inspect(VOLUME, CALM);
    expect(status['Depth']).to.equal('{"Of":1}');
    expect(status['note']).to.have.length(200);
  });
});
