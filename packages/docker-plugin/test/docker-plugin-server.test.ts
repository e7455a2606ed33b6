import { mkdtemp, readdir, readFile, rename, rm, stat, unlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AppError, systemClock, type Clock } from '@volplane/base';
import { waitFor } from '@volplane/testkit';
import { expect } from 'chai';
import { DockerPluginServer } from '../src/index.js';
import { METHOD_TIMEOUT_MS } from '../src/protocol.js';
import { FakeCluster, GLOBAL, LOCAL, serverOptions } from './fake-volumes.js';
import { callPlugin, preparePluginCall, type PluginReply } from './plugin-client.js';

const ID = 'a'.repeat(64);
const CONTEXT = { signal: new AbortController().signal, timeoutMs: 10_000 };

/** The door over real unix sockets, called as an engine calls it; behind it a cluster in memory. */
describe('docker plugin server', () => {
  let folder: string;
  let cluster: FakeCluster;
  let server: DockerPluginServer;
  let socket: string;

  const open = async (overrides: Partial<Parameters<typeof DockerPluginServer.open>[0]> = {}): Promise<void> => {
    server = await DockerPluginServer.open({ ...serverOptions(cluster, folder), ...overrides });
  };
  const call = (method: string, body: unknown = {}): Promise<PluginReply> => callPlugin(socket, `VolumeDriver.${method}`, body);
  const create = (name: string, opts: Record<string, string> = {}): Promise<PluginReply> => call('Create', { Name: name, Opts: opts });
  const mount = (name: string, id = ID): Promise<PluginReply> => call('Mount', { Name: name, ID: id });
  const unmount = (name: string, id = ID): Promise<PluginReply> => call('Unmount', { Name: name, ID: id });

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'volplane-door-'));
    cluster = new FakeCluster();
    socket = join(folder, 'volplane.sock');
    await open();
  });

  afterEach(async () => {
    cluster.hanging.clear();
    await server.close();
    await rm(folder, { recursive: true });
  });

  describe('protocol', () => {
    it('serves one plugin for each driver, each with its scope', async () => {
      expect((await readdir(folder)).sort()).to.deep.equal(['volplane-local.sock', 'volplane.sock']);
      expect((await callPlugin(socket, 'Plugin.Activate', '')).body).to.include({ Err: '', Volplane: true });
      expect((await callPlugin(socket, 'Plugin.Activate', '')).body['Implements']).to.deep.equal(['VolumeDriver']);
      expect((await call('Capabilities')).body['Capabilities']).to.deep.equal({ Scope: 'global' });
      const local = await callPlugin(join(folder, 'volplane-local.sock'), 'VolumeDriver.Capabilities');
      expect(local.body['Capabilities']).to.deep.equal({ Scope: 'local' });
    });

    it('lets only root call', async () => {
      expect((await stat(socket)).mode & 0o777).to.equal(0o600);
    });

    it('goes through the life of a volume', async () => {
      expect(await create('data', { server: 'a', 'label.team': 'x', size: '1g' })).to.deep.equal({ status: 200, body: { Err: '' } });
      expect(cluster.volumes.get('data')).to.deep.include({
        driver: 'shared',
        options: { server: 'a' },
        labels: { team: 'x' },
        sizeBytes: 1024 ** 3,
      });
      expect((await call('Path', { Name: 'data' })).body).to.deep.equal({ Mountpoint: '', Err: '' });
      expect((await mount('data')).body).to.deep.equal({ Mountpoint: '/mnt/data', Err: '' });
      expect((await call('Path', { Name: 'data' })).body).to.deep.equal({ Mountpoint: '/mnt/data', Err: '' });
      expect((await call('List')).body['Volumes']).to.deep.equal([{ Name: 'data', Mountpoint: '/mnt/data' }]);
      expect((await unmount('data')).body).to.deep.equal({ Err: '' });
      expect((await call('Remove', { Name: 'data' })).body).to.deep.equal({ Err: '' });
      expect(cluster.volumes.size).to.equal(0);
    });

    it('shows what the cluster knows of a volume', async () => {
      await create('data', { server: 'a' });
      await mount('data');
      const { body } = await call('Get', { Name: 'data' });
      const volume = body['Volume'] as { Status: Record<string, unknown> };
      expect(volume).to.include({ Name: 'data', Mountpoint: '/mnt/data', CreatedAt: '2026-01-02T03:04:05.000Z' });
      expect(volume.Status).to.deep.include({ driver: 'shared', owner: 'n1', options: { server: 'a' }, mountIds: [`docker:${ID}`] });
      expect(volume.Status['attachments']).to.deep.equal([{ node: 'n1', mode: 'rw', epoch: 1, since: '2026-01-02T03:04:05.000Z' }]);
    });

    it('hides the secrets among the options', async () => {
      await create('data', { o: 'username=u,password=hunter2', token: 'hunter3' });
      expect(cluster.volumes.get('data')?.options).to.deep.equal({ o: 'username=u,password=hunter2', token: 'hunter3' });
      const { body } = await call('Get', { Name: 'data' });
      expect(body['Volume']).to.have.nested.property('Status.options').that.deep.equals({ o: 'username=u,password=***', token: '***' });
      expect(JSON.stringify(body)).not.to.include('hunter');
    });

    it('matches keys without regard to case and ignores unknown ones', async () => {
      expect((await call('Create', { name: 'data', OPTS: { server: 'a' }, Surprise: [1] })).status).to.equal(200);
      expect((await call('Mount', { NAME: 'data', id: ID })).status).to.equal(200);
      expect(cluster.mountIds('n1', 'data')).to.deep.equal([`docker:${ID}`]);
    });

    it('takes options of null as none', async () => {
      expect((await call('Create', { Name: 'data', Opts: null })).status).to.equal(200);
    });

    for (const method of ['Create', 'Remove', 'Mount', 'Unmount', 'Path', 'Get']) {
      it(`refuses ${method} with an empty body`, async () => {
        await create('data');
        const reply = await call(method, '');
        expect(reply.status).to.equal(400);
        expect(reply.body['Err']).to.contain('moby#39331');
        expect(cluster.volumes.size).to.equal(1);
        expect(cluster.mountIds('n1', 'data')).to.deep.equal([]);
      });
    }

    it('refuses what is not a request', async () => {
      expect((await call('Create', 'not json')).status).to.equal(400);
      expect((await call('Create', '[]')).status).to.equal(400);
      expect((await call('Create', { Opts: {} })).status).to.equal(400);
      expect((await call('Create', { Name: 7 })).status).to.equal(400);
      expect((await call('Mount', { Name: 'data' })).status).to.equal(400);
      expect((await call('Destroy', { Name: 'data' })).status).to.equal(404);
      expect((await callPlugin({ socketPath: socket, method: 'GET' }, 'VolumeDriver.List', '')).status).to.equal(405);
      expect(cluster.calls).to.deep.equal([]);
    });

    it('refuses a body beyond its bound and says so', async () => {
      const reply = await call('Create', { Name: 'data', Opts: { big: 'x'.repeat(3 * 1024 * 1024) } });
      expect(reply.status).to.equal(413);
      expect(reply.body['Err']).to.contain('larger than');
      expect(cluster.volumes.size).to.equal(0);
    });

    it('answers refusals with 500 and a text that says what to do', async () => {
      await create('data');
      await callPlugin(socket, 'VolumeDriver.Mount', { Name: 'data', ID });
      const reply = await call('Remove', { Name: 'data' });
      expect(reply.status).to.equal(500);
      expect(reply.body['Err']).to.match(/attached to node n1.*\[VOLUME_ATTACHED\] Unmount it on the named nodes/);
    });
  });

  describe('existence', () => {
    it('says not found only when the cluster does', async () => {
      const reply = await call('Get', { Name: 'none' });
      expect(reply.status).to.equal(500);
      expect(reply.body['Err']).to.contain('does not exist').and.to.contain('VOLUME_NOT_FOUND');
      expect(reply.body).not.to.have.property('Volume');
    });

    it('answers Get and List with an error while nobody can be asked', async () => {
      await create('data');
      cluster.faults.set('getVolume', new AppError('NO_MANAGER', 'no manager answers'));
      cluster.faults.set('listVolumes', new AppError('NO_MANAGER', 'no manager answers'));
      for (const reply of [await call('Get', { Name: 'data' }), await call('List')]) {
        expect(reply.status).to.equal(500);
        expect(reply.body['Err']).to.contain('no manager answers').and.not.to.contain('not exist');
        expect(reply.body).not.to.have.any.keys('Volume', 'Volumes');
      }
    });

    it('answers for a volume that is in use here also while nobody can be asked', async () => {
      await create('data');
      await mount('data');
      cluster.faults.set('getVolume', new AppError('NO_MANAGER', 'no manager answers'));
      const { status, body } = await call('Get', { Name: 'data' });
      expect(status).to.equal(200);
      expect(body['Volume']).to.have.nested.property('Status.note').that.contains('as last seen');
    });

    it('does not show a volume before it is made or while it is removed', async () => {
      await create('data');
      const view = cluster.volumes.get('data');
      if (view === undefined) throw new Error('the volume is missing');
      for (const phase of ['creating', 'removing'] as const) {
        cluster.volumes.set('data', { ...view, phase });
        expect((await call('Get', { Name: 'data' })).status).to.equal(500);
        expect((await call('List')).body['Volumes']).to.deep.equal([]);
      }
    });

    it('lists every page', async () => {
      const api = cluster.api('n1');
      const names = Array.from({ length: 1100 }, (_, number) => `v-${String(number)}`);
      await Promise.all(names.map((name) => api.createVolume({ name, driver: 'shared' }, CONTEXT)));
      expect((await call('List')).body['Volumes']).to.have.length(1100);
    });

    it('does not reach a volume of another driver under the same name', async () => {
      await callPlugin(join(folder, 'volplane-local.sock'), 'VolumeDriver.Create', { Name: 'data' });
      for (const reply of [
        await call('Get', { Name: 'data' }),
        await call('Remove', { Name: 'data' }),
        await mount('data'),
        await create('data'),
      ]) {
        expect(reply.status).to.equal(500);
        expect(reply.body['Err']).to.contain('VOLUME_CONFLICT');
      }
      expect((await call('List')).body['Volumes']).to.deep.equal([]);
      expect(cluster.volumes.size).to.equal(1);
      expect(cluster.mountIds('n1', 'data')).to.deep.equal([]);
    });

    it('shows the difference when the options of an existing name differ', async () => {
      await create('data', { server: 'a' });
      expect((await create('data', { server: 'a' })).status).to.equal(200);
      const reply = await create('data', { server: 'b' });
      expect(reply.status).to.equal(500);
      expect(reply.body['Err']).to.contain('{"server":"a"} instead of {"server":"b"}');
    });

    it('removes what is gone already', async () => {
      expect((await call('Remove', { Name: 'none' })).status).to.equal(200);
    });
  });

  describe('uses', () => {
    beforeEach(async () => {
      await create('data');
    });

    it('keeps the mount until each Mount of one id has its Unmount, as start and docker cp need', async () => {
      await mount('data');
      await mount('data');
      await unmount('data');
      expect(cluster.mountIds('n1', 'data')).to.deep.equal([`docker:${ID}`]);
      await unmount('data');
      expect(cluster.mountIds('n1', 'data')).to.deep.equal([]);
      expect((await unmount('data')).status).to.equal(200);
    });

    it('keeps the count over a restart of the agent', async () => {
      await mount('data');
      await mount('data');
      await server.close();
      await open();
      await unmount('data');
      expect(cluster.mountIds('n1', 'data')).to.deep.equal([`docker:${ID}`]);
      await mount('data');
      await unmount('data');
      await unmount('data');
      expect(cluster.mountIds('n1', 'data')).to.deep.equal([]);
    });

    it('leaves mount ids of other doors alone', async () => {
      await cluster.api('n1').mountVolume({ name: 'data', mountId: ID }, CONTEXT);
      await mount('data');
      await unmount('data');
      await unmount('data');
      expect(cluster.mountIds('n1', 'data')).to.deep.equal([ID]);
    });

    it('unmounts after a restart also while nobody can be asked', async () => {
      await mount('data');
      await server.close();
      await open();
      cluster.faults.set('getVolume', new AppError('NO_MANAGER', 'no manager answers'));
      expect((await unmount('data')).status).to.equal(200);
      expect(cluster.mountIds('n1', 'data')).to.deep.equal([]);
    });

    it('takes its entry out again when the caller is gone before the answer', async () => {
      await mount('data', 'other');
      cluster.hanging.add('data');
      const lost = preparePluginCall(socket, 'VolumeDriver.Mount');
      lost.send({ Name: 'data', ID });
      await waitFor(() => cluster.calls.filter((line) => line === 'mountVolume data').length === 2, { what: 'the mount is under way' });
      lost.destroy();
      await lost.promise.catch(() => undefined);
      cluster.hanging.clear();
      await waitFor(() => cluster.calls.includes('unmountVolume data'), { what: 'the entry is taken out' });
      expect(cluster.mountIds('n1', 'data')).to.deep.equal(['docker:other']);
      expect((await mount('data')).status).to.equal(200);
    });

    it('takes its entry out again when the mount ends unknown', async () => {
      cluster.lateFaults.set('mountVolume', new AppError('UNKNOWN_OUTCOME', 'no answer came'));
      expect((await mount('data')).status).to.equal(500);
      await waitFor(() => cluster.mountIds('n1', 'data').length === 0, { what: 'the entry is taken out' });
    });

    it('leaves no entry after a refused mount', async () => {
      cluster.faults.set('mountVolume', new AppError('VOLUME_HELD', 'held by node n2'));
      expect((await mount('data')).body['Err']).to.contain('held by node n2');
      cluster.faults.clear();
      await mount('data');
      expect(cluster.mountIds('n1', 'data')).to.deep.equal([`docker:${ID}`]);
    });

    it('refuses an exclusive volume on the second node and names the holder', async () => {
      await create('single', { 'access-mode': 'single-node-writer' });
      await mount('single');
      const otherFolder = join(folder, 'n2');
      const other = await DockerPluginServer.open(serverOptions(cluster, otherFolder, 'n2'));
      const reply = await callPlugin(join(otherFolder, 'volplane.sock'), 'VolumeDriver.Mount', { Name: 'single', ID });
      await other.close();
      expect(reply.body['Err']).to.match(/held by node n1 .*VOLUME_HELD/);
    });
  });

  describe('bounds', () => {
    const timeoutsMs = { ...METHOD_TIMEOUT_MS, mount: 200, get: 200 };

    it('answers for other volumes while one hangs', async () => {
      await create('stuck');
      await create('data');
      cluster.hanging.add('stuck');
      const stuck = preparePluginCall(socket, 'VolumeDriver.Mount');
      stuck.send({ Name: 'stuck', ID });
      expect((await mount('data')).status).to.equal(200);
      expect((await call('List')).status).to.equal(200);
      stuck.destroy();
      await stuck.promise.catch(() => undefined);
    });

    it('answers a hung call within its time', async () => {
      await server.close();
      await open({ timeoutsMs });
      await create('data');
      cluster.hanging.add('data');
      const reply = await call('Get', { Name: 'data' });
      expect(reply.status).to.equal(500);
      expect(reply.body['Err']).to.contain('not answered within 0.2 s').and.to.contain('DEADLINE_EXCEEDED');
    });

    it('takes the entry of a mount out that was made after its time', async () => {
      await server.close();
      const api = cluster.api('n1');
      // A mount that does not listen to its signal, as one in the kernel.
      await open({
        timeoutsMs,
        api: { ...api, mountVolume: (request, context) => api.mountVolume(request, { ...context, signal: CONTEXT.signal }) },
      });
      await create('data');
      await mount('data', 'first');
      cluster.hanging.add('data');
      expect((await mount('data')).body['Err']).to.contain('DEADLINE_EXCEEDED');
      cluster.hanging.clear();
      await waitFor(() => cluster.calls.includes('unmountVolume data'), { what: 'the entry is taken out' });
      expect(cluster.mountIds('n1', 'data')).to.deep.equal(['docker:first']);
    });

    it('stays below the limits of the engine', () => {
      for (const [method, timeoutMs] of Object.entries(METHOD_TIMEOUT_MS))
        expect(timeoutMs).to.be.below(method === 'create' || method === 'mount' ? 120_000 : 60_000);
    });
  });

  describe('files', () => {
    it('leaves nothing behind', async () => {
      await server.close();
      expect(await readdir(folder)).to.deep.equal([]);
    });

    it('replaces the socket of a process that is gone', async () => {
      await server.close();
      const dead = createServer().listen(join(folder, 'kept.sock'));
      await once(dead, 'listening');
      await rename(join(folder, 'kept.sock'), socket);
      dead.close();
      await once(dead, 'close');
      await open();
      expect((await call('List')).status).to.equal(200);
    });

    it('leaves alone what lives or is no socket, and then serves nothing', async () => {
      const second = DockerPluginServer.open(serverOptions(cluster, folder));
      expect(await second.catch((error: unknown) => error))
        .to.be.instanceOf(AppError)
        .with.property('reason', 'FOREIGN_DATA');
      expect((await call('List')).status).to.equal(200);
      await server.close();
      await writeFile(join(folder, 'volplane-local.sock'), 'precious');
      const third = DockerPluginServer.open(serverOptions(cluster, folder));
      expect(await third.catch((error: unknown) => error)).to.have.property('reason', 'FOREIGN_DATA');
      expect(await readdir(folder)).to.deep.equal(['volplane-local.sock']);
    });

    it('puts a socket back that something removed', async () => {
      await server.close();
      const hurried: Clock = { ...systemClock, after: (delayMs, callback) => systemClock.after(delayMs / 100, callback) };
      await open({ clock: hurried });
      await unlink(socket);
      await waitFor(() => call('List'), { what: 'the plugin answers again' });
      await server.close();
      expect(await readdir(folder)).to.deep.equal([]);
    });

    it('refuses names that no engine takes, and two plugins for one driver', async () => {
      for (const sockets of [[{ ...GLOBAL, socketName: '../x' }], [GLOBAL, GLOBAL], [GLOBAL, { ...LOCAL, driver: GLOBAL.driver }]]) {
        const error: unknown = await DockerPluginServer.open({ ...serverOptions(cluster, folder), sockets }).catch(
          (thrown: unknown) => thrown,
        );
        expect(error).to.have.property('reason', 'INVALID_ARGUMENT');
      }
    });

    it('serves over TCP with a discovery file', async () => {
      await server.close();
      const specFolder = join(folder, 'spec');
      await open({ tcp: { specFolder, host: '127.0.0.1', port: 0 } });
      const address = new URL((await readFile(join(specFolder, 'volplane.spec'), 'utf8')).trim());
      expect(address.protocol).to.equal('tcp:');
      const { body } = await callPlugin({ host: address.hostname, port: Number(address.port) }, 'VolumeDriver.Capabilities');
      expect(body['Capabilities']).to.deep.equal({ Scope: 'global' });
      await server.close();
      expect(await readdir(specFolder)).to.deep.equal([]);
    });
  });
});
