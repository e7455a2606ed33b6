import { link, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { FakePlugin } from '../../packages/drivers/test/plugin/fake-plugin.js';
import { dockerSuite } from './support/docker-suite.js';
import { context, TestCluster, type TestNode } from './support/test-cluster.js';

/** `volctl import` on a host with an engine that had volumes before. */
dockerSuite('volctl import from a real engine', () => {
  let cluster: TestCluster;
  let plugin: FakePlugin;
  let beside: FakePlugin;
  const n1 = (): TestNode => cluster.node('n1');

  before(async function () {
    this.timeout(120_000);
    cluster = await TestCluster.start({
      nodes: ['n1', 'n2'],
      drivers: (host) => [{ name: 'other', kind: 'plugin', address: `unix://${join(host.folder, 'fake.sock')}`, scope: 'global' }],
    });
    plugin = await FakePlugin.start(n1().host.folder);
    beside = await FakePlugin.start(cluster.node('n2').host.folder, plugin);
    // The engine knows it by another name, as a legacy plugin of its own.
    await link(plugin.socket, join(n1().host.pluginFolder, 'legacy.sock'));
  });

  afterEach(async function () {
    if (this.currentTest?.state === 'failed') await cluster.keepLogs();
  });

  after(async function () {
    this.timeout(120_000);
    await Promise.all([plugin.stop(), beside.stop()]);
    await cluster.end();
  });

  const runImport = (...args: readonly string[]): ReturnType<TestCluster['volctl']> =>
    cluster.volctl(['import', ...args, '--node', 'n1', '--engine', n1().engine.socket], n1());
  const inContainer = async (volume: string, script: string, driver?: string): Promise<string> => {
    const plan = { name: 'once', volumes: { '/data': volume }, script, ...(driver !== undefined && { driver }) };
    const { status, text } = await n1().engine.run(plan);
    expect(status, text).to.equal(204);
    expect(await n1().engine.wait('once')).to.equal(0);
    const logs = await n1().engine.logs('once');
    await n1().engine.remove('once');
    return logs;
  };

  it("adopts volumes of the engine's local driver with the data where it is, after a plan that changes nothing", async () => {
    expect((await n1().engine.createVolume('old', 'local')).status).to.equal(201);
    await inContainer('old', 'echo precious > /data/file');
    const folder = ((await n1().engine.call('GET', '/volumes/old')).body as { Mountpoint: string }).Mountpoint;

    const planned = await runImport('local', '--prefix', 'kept-');
    expect(planned, planned.stderr).to.include({ code: 0 });
    expect(planned.stdout).to.match(/^old +kept-old +adopt +binds the folder /m);
    expect(planned.stderr).to.contain('nothing was changed');
    expect((await n1().client.listVolumes({ filter: { scope: 'local', node: 'n1' } }, context())).volumes).to.deep.equal([]);

    const applied = await runImport('local', '--prefix', 'kept-', '--apply');
    expect(applied, applied.stderr).to.include({ code: 0 });
    expect(await inContainer('kept-old', 'cat /data/file; echo more >> /data/file', 'volplane-local')).to.contain('precious');
    expect(await readFile(join(folder, 'file'), 'utf8')).to.equal('precious\nmore\n');

    const again = await runImport('local', '--prefix', 'kept-', '--apply');
    expect(again).to.include({ code: 0 });
    expect(again.stdout).to.match(/^old +kept-old +done +the cluster has it already$/m);
  });

  it('removes nothing of the engine when the adopted volume is removed', async () => {
    const folder = ((await n1().engine.call('GET', '/volumes/old')).body as { Mountpoint: string }).Mountpoint;
    expect((await n1().engine.call('DELETE', '/volumes/kept-old')).status).to.equal(204);
    expect(await readFile(join(folder, 'file'), 'utf8')).to.equal('precious\nmore\n');
    expect(await inContainer('old', 'cat /data/file')).to.contain('precious');
  });

  it('refuses what a container is using, and a name that another volume has', async () => {
    await n1().engine.createVolume('busy', 'local');
    await n1().engine.run({ name: 'user', volumes: { '/data': 'busy' }, script: 'sleep 100000 & wait' });
    await n1().engine.createVolume('taken', 'local');
    await n1().client.createVolume({ name: 'taken', driver: 'local', node: 'n1' }, context());
    const applied = await runImport('local', '--only', 'busy', '--only', 'taken', '--apply');
    expect(applied).to.include({ code: 1 });
    expect(applied.stdout)
      .to.match(/^busy +busy +refused +running containers use it: [0-9a-f]{12}; stop them first$/m)
      .and.match(/^taken +taken +refused +the cluster has another volume taken, of driver local; use a prefix$/m);
    await n1().engine.remove('user');
  });

  it('adopts volumes of a plugin of others for the whole cluster, under the names that the plugin has', async () => {
    const { status, text } = await n1().engine.createVolume('pool', 'legacy', { color: 'red' });
    expect(status, text).to.equal(201);
    await inContainer('pool', 'echo from the plugin > /data/file');
    const asked = plugin.countOf('Create') + beside.countOf('Create');
    const args = ['legacy', '--driver', 'other', '--prefix', 'old-'];
    expect((await runImport(...args)).stdout).to.match(/^pool +old-pool +adopt/m);
    expect((await runImport(...args, '--apply')).code).to.equal(0);
    expect(plugin.countOf('Create') + beside.countOf('Create')).to.equal(asked);
    expect(await cluster.volumeNames()).to.include('old-pool');
    expect(await inContainer('old-pool', 'cat /data/file', 'volplane-other')).to.contain('from the plugin');
    // A volume that the cluster made in the plugin is the cluster's already.
    expect((await n1().engine.createVolume('fresh', 'volplane-other')).status).to.equal(201);
    const again = await runImport(...args, '--apply');
    expect(again).to.include({ code: 0 });
    expect(again.stdout)
      .to.match(/^fresh\.\w+ +fresh +done/m)
      .and.match(/^pool +old-pool +done/m);
  });
});
