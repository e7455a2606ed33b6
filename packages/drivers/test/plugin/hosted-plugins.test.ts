import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeTestFolder, type TestFolder } from '@volplane/testkit';
import { expect } from 'chai';
import { HostedPlugins, type HostedPluginsOptions } from '../../src/plugin/hosted-plugins.js';
import { discoverPlugins, parsePluginUrl } from '../../src/plugin/plugin-discovery.js';
import { realContext } from '../support/context.js';
import { FakePlugin } from './fake-plugin.js';

const CALM = new AbortController().signal;

describe('hosted plugins', () => {
  let folder: TestFolder;
  let plugin: FakePlugin;
  let offered: string[];

  const host = (options: Partial<HostedPluginsOptions> = {}): HostedPlugins => {
    const onDriver: HostedPluginsOptions['onDriver'] = ({ info }) => offered.push(`${info.name} ${info.capabilities.scope}`);
    const folders = { socketFolder: folder.path, specFolders: [] };
    return new HostedPlugins({
      context: realContext({ mayMount: false }),
      root: join(folder.path, 'mounts'),
      folders,
      configured: [],
      exclude: [],
      onDriver,
      ...options,
    });
  };
  const states = (hosted: HostedPlugins): readonly string[] => hosted.list().map(({ name, state }) => `${name} ${state}`);

  beforeEach(async () => {
    folder = await makeTestFolder();
    plugin = await FakePlugin.start(folder.path);
    offered = [];
  });

  afterEach(async () => {
    await plugin.stop();
    await folder.remove();
  });

  it('makes a driver of a plugin that it finds, with the scope it declares, once', async () => {
    const hosted = host();
    await hosted.look(CALM);
    await hosted.look(CALM);
    expect(offered).to.deep.equal(['fake global']);
    expect(states(hosted)).to.deep.equal(['fake serving']);
  });

  it('never adopts an agent, whatever its name, nor an excluded name', async () => {
    plugin.extra = { Volplane: true };
    const hosted = host();
    await hosted.look(CALM);
    expect(offered).to.deep.equal([]);
    expect(states(hosted)).to.deep.equal(['fake refused']);
    const excluding = host({ exclude: ['fake'] });
    await excluding.look(CALM);
    expect(excluding.list()).to.deep.equal([]);
  });

  it('refuses what is no volume plugin', async () => {
    plugin.implements = ['NetworkDriver'];
    const hosted = host();
    await hosted.look(CALM);
    expect(hosted.list()[0]).to.include({ state: 'refused' }).and.to.have.property('fault').that.contains('NetworkDriver');
  });

  it('waits for one that is late, keeps one that is away, and shows both', async () => {
    const configured = [{ name: 'late', address: { kind: 'unix', path: plugin.socket } as const }];
    await plugin.stop();
    const hosted = host({ configured, folders: { socketFolder: join(folder.path, 'none'), specFolders: [] } });
    await hosted.look(CALM);
    expect(states(hosted)).to.deep.equal(['late waiting']);
    await plugin.restart();
    await hosted.look(CALM);
    expect(states(hosted)).to.deep.equal(['late serving']);
    await plugin.stop();
    await hosted.look(CALM);
    expect(states(hosted)).to.deep.equal(['late unreachable']);
    expect(offered).to.deep.equal(['late global']);
  });

  it('has the driver of a configured scope before the plugin answers', async () => {
    await plugin.stop();
    const hosted = host({ configured: [{ name: 'fake', address: { kind: 'unix', path: plugin.socket }, scope: 'local' }] });
    await hosted.look(CALM);
    expect(offered).to.deep.equal(['fake local']);
  });

  it('says so when a plugin comes back with another scope', async () => {
    const hosted = host();
    await hosted.look(CALM);
    plugin.scope = 'local';
    await hosted.look(CALM);
    expect(hosted.list()[0]?.fault).to.contain('declares scope local now');
  });
});

describe('plugin discovery', () => {
  let folder: TestFolder;

  beforeEach(async () => {
    folder = await makeTestFolder();
  });

  afterEach(async () => {
    await folder.remove();
  });

  it('finds sockets, then spec and json files, flat or in a folder, and names what it cannot use', async () => {
    const at = (...parts: string[]): string => join(folder.path, ...parts);
    await mkdir(at('run'));
    const plugin = await FakePlugin.start(at('run'));
    await mkdir(at('etc', 'deep'), { recursive: true });
    await writeFile(at('run', 'file.sock'), '');
    await writeFile(at('etc', 'fake.spec'), 'tcp://127.0.0.1:1');
    await writeFile(at('etc', 'plain.spec'), 'tcp://127.0.0.1:7000\n');
    await writeFile(at('etc', 'bad.spec'), 'ftp://x');
    await writeFile(
      at('etc', 'deep', 'deep.json'),
      JSON.stringify({ Name: 'other', Addr: 'https://host:7001', TLSConfig: { InsecureSkipVerify: false } }),
    );
    await writeFile(at('etc', 'broken.json'), '{');
    await symlink('/etc/passwd', at('etc', 'link.spec'));
    const { plugins, faults } = await discoverPlugins({ socketFolder: at('run'), specFolders: [at('etc'), at('missing')] });
    await plugin.stop();
    expect(plugins).to.deep.equal([
      { name: 'fake', address: { kind: 'unix', path: at('run', 'fake.sock') } },
      { name: 'plain', address: { kind: 'tcp', host: '127.0.0.1', port: 7000 } },
      { name: 'deep', address: { kind: 'tcp', host: 'host', port: 7001, tls: { insecure: true } } },
    ]);
    expect(faults.map((fault) => fault.replace(`${folder.path}/`, '').split(':')[0])).to.have.members([
      'run/file.sock',
      'etc/bad.spec',
      'etc/broken.json',
      'etc/link.spec',
    ]);
  });

  it('reads plugin addresses', () => {
    expect(parsePluginUrl('unix:///run/x.sock')).to.deep.equal({ kind: 'unix', path: '/run/x.sock' });
    expect(parsePluginUrl('http://[::1]:9')).to.deep.equal({ kind: 'tcp', host: '::1', port: 9 });
    expect(parsePluginUrl('https://host')).to.deep.equal({ kind: 'tcp', host: 'host', port: 443, tls: {} });
    for (const text of ['', 'host:9', '/run/x.sock', 'unix://']) expect(() => parsePluginUrl(text)).to.throw('no plugin address');
  });
});
