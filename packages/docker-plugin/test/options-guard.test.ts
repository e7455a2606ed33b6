import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AppError } from '@volplane/base';
import { expect } from 'chai';
import { findWishes } from '../src/guard/guard-request.js';
import { DockerPluginServer } from '../src/index.js';
import { FakeCluster, serverOptions } from './fake-volumes.js';
import { callPlugin, type PluginReply } from './plugin-client.js';

const envelope = (uri: string, body: unknown, method = 'POST'): object => ({
  RequestMethod: method,
  RequestUri: uri,
  RequestBody: Buffer.from(JSON.stringify(body)).toString('base64'),
  RequestHeaders: { 'Content-Type': 'application/json' },
});

describe('guard of options', () => {
  let folder: string;
  let cluster: FakeCluster;
  let server: DockerPluginServer;

  const ask = (body: unknown): Promise<PluginReply> => callPlugin(join(folder, 'volplane-guard.sock'), 'AuthZPlugin.AuthZReq', body);
  const create = (options: Record<string, string>, driver = 'volplane', name = 'data'): Promise<PluginReply> =>
    ask(envelope('/v1.41/volumes/create', { Name: name, Driver: driver, DriverOpts: options }));

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'volplane-guard-'));
    cluster = new FakeCluster();
    server = await DockerPluginServer.open({ ...serverOptions(cluster, folder), guardName: 'volplane-guard' });
    const opts = { server: 'a', path: '/x', size: '1g' };
    await callPlugin(join(folder, 'volplane.sock'), 'VolumeDriver.Create', { Name: 'data', Opts: opts });
  });

  afterEach(async () => {
    await server.close();
    await rm(folder, { recursive: true });
  });

  it('is an authorization plugin', async () => {
    const { body } = await callPlugin(join(folder, 'volplane-guard.sock'), 'Plugin.Activate', '');
    expect(body['Implements']).to.deep.equal(['authz']);
  });

  it('refuses other options for a volume that exists, and shows the difference', async () => {
    const { status, body } = await create({ server: 'b', soft: '1', size: '2g' });
    expect(status).to.equal(200);
    expect(body['Allow']).to.equal(false);
    expect(body['Msg']).to.contain(
      'path is "/x", the request says nothing; server is "a", the request says "b"; soft is nothing, the request says "1"; size is 1073741824, the request says 2147483648',
    );
    expect(body['Msg']).to.contain('[VOLUME_CONFLICT]');
  });

  it('compares options of names that every object seems to have', async () => {
    const opts = { constructor: 'a' };
    await callPlugin(join(folder, 'volplane.sock'), 'VolumeDriver.Create', { Name: 'odd', Opts: opts });
    expect((await create(opts, 'volplane', 'odd')).body['Allow']).to.equal(true);
    const { body } = await create({ toString: 'b' }, 'volplane', 'odd');
    expect(body['Msg']).to.contain('constructor is "a", the request says nothing; toString is nothing, the request says "b"');
  });

  it('compares secrets, and shows none: engines log what is refused', async () => {
    const opts = { o: 'username=u,password=hunter2' };
    await callPlugin(join(folder, 'volplane.sock'), 'VolumeDriver.Create', { Name: 'secret', Opts: opts });
    expect((await create(opts, 'volplane', 'secret')).body['Allow']).to.equal(true);
    const { body } = await create({ o: 'username=u,password=hunter3', token: 'hunter4' }, 'volplane', 'secret');
    expect(body['Allow']).to.equal(false);
    expect(body['Msg']).to.include('o is "username=u,password=***", the request says "username=u,password=***"');
    expect(body['Msg']).not.to.include('hunter');
  });

  it('lets everything else go by', async () => {
    for (const reply of [
      await create({ server: 'a', path: '/x', size: '1g' }),
      await create({ server: 'a', path: '/x', 'label.x': 'y', takeover: 'manual' }),
      await create({}),
      await create({ server: 'b' }, 'local'),
      await create({ server: 'b' }, 'volplane', 'new'),
      await ask(envelope('/v1.41/images/create', { Name: 'data', Driver: 'volplane', DriverOpts: { server: 'b' } })),
      await ask({ RequestMethod: 'GET', RequestUri: '/_ping' }),
      await callPlugin(join(folder, 'volplane-guard.sock'), 'AuthZPlugin.AuthZRes', 'x'.repeat(6 * 1024 * 1024)),
    ]) {
      expect(reply.body['Allow'], JSON.stringify(reply)).to.equal(true);
    }
  });

  it('lets everything go by while the cluster cannot be asked', async () => {
    cluster.faults.set('getVolume', new AppError('NO_MANAGER', 'no manager answers'));
    expect((await create({ server: 'b' })).body['Allow']).to.equal(true);
  });

  it('finds the volumes of containers and services', () => {
    const mounts = [
      { Type: 'volume', Source: 'one', Target: '/1', VolumeOptions: { DriverConfig: { Name: 'volplane', Options: { a: 'b' } } } },
      { Type: 'bind', Source: '/x', Target: '/2' },
      { Type: 'volume', Source: 'two', Target: '/3', VolumeOptions: { DriverConfig: { Name: 'volplane', Options: null } } },
    ];
    const wish = [{ volume: 'one', plugin: 'volplane', options: { a: 'b' } }];
    expect(findWishes(JSON.stringify(envelope('/v1.41/containers/create?name=x', { HostConfig: { Mounts: mounts } })))).to.deep.equal(wish);
    const service = { TaskTemplate: { ContainerSpec: { Mounts: mounts } } };
    expect(findWishes(JSON.stringify(envelope('/services/create', service)))).to.deep.equal(wish);
    expect(findWishes(JSON.stringify(envelope('/v1.41/services/abc/update?version=1', service)))).to.deep.equal(wish);
    expect(findWishes(JSON.stringify(envelope('/v1.41/containers/create', 'garbage')))).to.deep.equal([]);
  });
});
