import { systemClock, systemRandom } from '@volplane/base';
import { makeTestFolder, rejection, waitFor, type TestFolder } from '@volplane/testkit';
import { expect } from 'chai';
import { PluginClient, type PluginClientOptions } from '../../src/plugin/plugin-client.js';
import { FakePlugin } from './fake-plugin.js';

function optionsOf(plugin: FakePlugin): PluginClientOptions {
  return { name: 'fake', address: { kind: 'unix', path: plugin.socket }, clock: systemClock, random: systemRandom };
}

describe('plugin client', () => {
  let folder: TestFolder;
  let plugin: FakePlugin;
  let client: PluginClient;

  beforeEach(async () => {
    folder = await makeTestFolder();
    plugin = await FakePlugin.start(folder.path);
    client = new PluginClient(optionsOf(plugin));
  });

  afterEach(async () => {
    await plugin.stop();
    await folder.remove();
  });

  it('repeats a read whose connection broke, with the whole body', async () => {
    plugin.volumes.set('data', { options: {}, mounts: 0 });
    plugin.faults.set('Get', { kind: 'crash' });
    expect((await rejection(client.call('VolumeDriver.Get', { Name: 'data' }))).reason).to.equal('UNKNOWN_OUTCOME');
    expect(plugin.calls.map(({ body }) => body)).to.deep.equal(Array(3).fill('{"Name":"data"}'));
  });

  it('does not repeat a change that may have happened', async () => {
    plugin.faults.set('Create', { kind: 'crash' });
    expect((await rejection(client.call('VolumeDriver.Create', { Name: 'data' }))).reason).to.equal('UNKNOWN_OUTCOME');
    expect(plugin.countOf('Create')).to.equal(1);
  });

  it('repeats a change that was never sent', async () => {
    await plugin.stop();
    const call = client.call('VolumeDriver.Create', { Name: 'data' });
    await plugin.restart();
    await call;
    expect(plugin.volumes.has('data')).to.equal(true);
  });

  it('says unavailable when it could not be sent', async () => {
    await plugin.stop();
    expect((await rejection(client.call('VolumeDriver.Create', { Name: 'data' }))).reason).to.equal('DRIVER_UNAVAILABLE');
  });

  it('reads an error with status 200 and one without JSON', async () => {
    plugin.faults.set('Mount', { kind: 'raw', text: '{"ERR":"in use"}' });
    expect((await rejection(client.call('VolumeDriver.Mount', {}))).message).to.equal('plugin fake refused VolumeDriver.Mount: in use');
    plugin.faults.set('Mount', { kind: 'raw', text: 'boom', status: 502 });
    expect((await rejection(client.call('VolumeDriver.Mount', {}))).message).to.equal('plugin fake refused VolumeDriver.Mount: boom');
  });

  it('matches keys without regard to case, but not those of a status', async () => {
    plugin.faults.set('Get', { kind: 'raw', text: '{"VOLUME":{"name":"data","MountPoint":"/x","Status":{"Key":{"Deep":1}}},"New":1}' });
    const { volume } = await client.call('VolumeDriver.Get', { Name: 'data' });
    expect(volume).to.deep.equal({ name: 'data', mountpoint: '/x', status: { Key: { Deep: 1 } } });
  });

  it('lets a hung call wait alone, and not too many of them', async () => {
    plugin.faults.set('Mount', { kind: 'hang' });
    const stop = new AbortController();
    const hung = Array.from({ length: 64 }, () => rejection(client.call('VolumeDriver.Mount', {}, stop.signal)));
    await waitFor(() => plugin.countOf('Mount') === 64, { what: 'the calls hang' });
    expect((await rejection(client.call('VolumeDriver.List', {}))).reason).to.equal('OVERLOADED');
    stop.abort();
    expect((await Promise.all(hung)).map(({ reason }) => reason)).to.deep.equal(Array(64).fill('CANCELLED'));
    expect((await client.call('VolumeDriver.List', {})).volumes).to.deep.equal([]);
  });

  it('repeats no read that was not answered in time, and cuts its connection', async () => {
    const hasty = new PluginClient({ ...optionsOf(plugin), timeoutsMs: { 'VolumeDriver.Get': 100 } });
    plugin.faults.set('Get', { kind: 'hang' });
    expect((await rejection(hasty.call('VolumeDriver.Get', { Name: 'data' }))).reason).to.equal('UNKNOWN_OUTCOME');
    await waitFor(async () => (await plugin.connections()) === 0, { what: 'the connection is cut' });
    expect(plugin.countOf('Get')).to.be.at.most(1);
  });

  it('reads no answer without end, and cuts its connection', async () => {
    plugin.faults.set('List', { kind: 'raw', text: `{"Volumes":[],"Text":"${'x'.repeat(9 * 1024 * 1024)}"}` });
    const refusal = await rejection(client.call('VolumeDriver.List', {}));
    expect(refusal.reason).to.equal('UNKNOWN_OUTCOME');
    expect(refusal.message).to.contain('it is larger than');
    await waitFor(async () => (await plugin.connections()) === 0, { what: 'the connection is cut' });
  });

  it('passes on a bounded part of what a plugin says', async () => {
    for (const [text, status] of [
      [JSON.stringify({ Err: 'x'.repeat(10_000) }), 500],
      ['x'.repeat(10_000), 200],
    ] as const) {
      plugin.faults.set('Mount', { kind: 'raw', text, status });
      expect((await rejection(client.call('VolumeDriver.Mount', {}))).message).to.have.length.below(600);
    }
  });

  for (const [declared, scope] of [
    ['GLOBAL', 'global'],
    ['global', 'global'],
    ['Local', 'local'],
    ['cluster', 'local'],
    ['', 'local'],
    [7, 'local'],
    [null, 'local'],
  ] as const) {
    it(`takes scope ${JSON.stringify(declared)} for ${scope}`, async () => {
      plugin.scope = declared;
      expect(await client.scope()).to.equal(scope);
    });
  }

  it('takes a plugin without the call for local, and one that cannot be asked for neither', async () => {
    plugin.faults.set('Capabilities', { kind: 'raw', text: 'not found', status: 404 });
    expect(await client.scope()).to.equal('local');
    plugin.faults.set('Capabilities', { kind: 'crash' });
    expect((await rejection(client.scope())).reason).to.equal('UNKNOWN_OUTCOME');
  });
});
