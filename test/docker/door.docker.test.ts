import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@volplane/base';
import { DockerPluginServer } from '@volplane/docker-plugin';
import { parseDriverName } from '@volplane/domain';
import { waitFor } from '@volplane/testkit';
import { expect } from 'chai';
import { TestAuthority } from '../../packages/docker-plugin/test/test-authority.js';
import { FakeCluster, serverOptions } from '../../packages/docker-plugin/test/fake-volumes.js';
import { dockerSuite } from './support/docker-suite.js';
import { TestEngine } from './support/test-engine.js';
import { TestHost } from './support/test-host.js';

/**
 * The door alone under real engines: three hosts with an engine and a door each, and behind the doors one cluster in memory, so that
 * each test can look at the mount ids and switch faults on. What needs real agents is in cluster.docker.test.ts.
 */
dockerSuite('docker door under real engines', () => {
  let cluster: FakeCluster;
  let storage: string;
  const hosts: TestHost[] = [];
  const engines: TestEngine[] = [];
  const doors: DockerPluginServer[] = [];

  before(async () => {
    storage = await mkdtemp(join(tmpdir(), 'volplane-storage-'));
    cluster = new FakeCluster();
    cluster.root = storage;
    for (const name of ['n1', 'n2', 'n3']) {
      const host = await TestHost.start(name);
      hosts.push(host);
      doors.push(await DockerPluginServer.open(doorOptions(host)));
      engines.push(await TestEngine.start(host, name === 'n1' ? { flags: ['--authorization-plugin=volplane-guard'] } : {}));
    }
  });

  after(async () => {
    await Promise.all(engines.map((engine) => engine.end()));
    await Promise.all(doors.map((door) => door.close()));
    await Promise.all(hosts.map((host) => host.end()));
    await rm(storage, { recursive: true });
  });

  afterEach(async () => {
    cluster.hanging.clear();
    cluster.faults.clear();
  });

  const doorOptions = (host: TestHost): Parameters<typeof DockerPluginServer.open>[0] => ({
    ...serverOptions(cluster, host.pluginFolder, host.name),
    guardName: 'volplane-guard',
    engines: { sockets: [join(host.folder, 'docker.sock')], graceMs: 0, intervalMs: 300 },
  });
  const engine = (number: 1 | 2 | 3): TestEngine => {
    const found = engines[number - 1];
    if (found === undefined) throw new Error('the engine did not start');
    return found;
  };
  const createVolume = async (name: string, options: Record<string, string> = {}): Promise<void> => {
    await mkdir(join(storage, name));
    const { status, text } = await engine(1).createVolume(name, 'volplane', options);
    expect(status, text).to.equal(201);
  };
  const heldBy = (node: string, volume: string): number => cluster.mountIds(node, volume).length;

  it('shows a volume on every engine, and runs containers on it everywhere', async () => {
    await createVolume('shared');
    for (const number of [1, 2, 3] as const) {
      expect(await engine(number).volumeNames()).to.include('shared');
      const { status, text } = await engine(number).run({
        name: 'use',
        volumes: { '/data': 'shared' },
        driver: 'volplane',
        script: `echo ${String(number)} >> /data/log; cat /data/log`,
      });
      expect(status, text).to.equal(204);
      expect(await engine(number).wait('use')).to.equal(0);
    }
    expect(
      (await engine(3).logs('use'))
        .replace(/[^0-9\n]/g, '')
        .split('\n')
        .filter(Boolean),
    ).to.deep.equal(['1', '2', '3']);
    await waitFor(() => ['n1', 'n2', 'n3'].every((node) => heldBy(node, 'shared') === 0), { what: 'no node holds the volume' });
  });

  it("refuses to remove under another engine's container, and names the node", async () => {
    await createVolume('busy');
    await engine(1).run({ name: 'busy', volumes: { '/data': 'busy' }, script: 'sleep 1000 & wait' });
    const { status, text } = await engine(2).call('DELETE', '/volumes/busy');
    expect(status).to.be.oneOf([409, 500]);
    expect(text).to.contain('attached to node n1');
    await engine(1).remove('busy');
    expect((await engine(2).call('DELETE', '/volumes/busy')).status).to.equal(204);
    expect(cluster.volumes.has('busy')).to.equal(false);
  });

  it('refuses the second engine an exclusive volume, naming holder and reason', async () => {
    await createVolume('single', { 'access-mode': 'single-node-writer' });
    await engine(1).run({ name: 'first', volumes: { '/data': 'single' }, script: 'sleep 1000 & wait' });
    const refused = await engine(2).run({ name: 'second', volumes: { '/data': 'single' }, script: 'true' });
    expect(refused.status).to.equal(500);
    expect(refused.text).to.match(/held by node n1 .*VOLUME_HELD/);
    expect(heldBy('n2', 'single')).to.equal(0);
    await engine(1).remove('first');
    expect((await engine(2).call('POST', '/containers/second/start')).status).to.equal(204);
  });

  it('shows the difference when the options of an existing name differ: with the guard at once', async () => {
    await createVolume('options', { server: 'a' });
    expect((await engine(1).createVolume('options', 'volplane', { server: 'a' })).status).to.equal(201);
    const difference = 'server is \\"a\\", the request says \\"b\\"';
    const refused = await engine(1).createVolume('options', 'volplane', { server: 'b' });
    expect(refused.status).to.equal(403);
    expect(refused.text).to.contain(difference);
    const plan = { name: 'options', volumes: { '/data': 'options' }, driver: 'volplane', driverOptions: { server: 'b' }, script: 'true' };
    expect((await engine(1).create(plan)).text).to.contain(difference);
    // Without it an engine that finds the volume sends no options (moby#36167); the volume keeps its own, and says so.
    expect((await engine(2).createVolume('options', 'volplane', { server: 'b' })).status).to.equal(201);
    const { body } = await engine(2).call('GET', '/volumes/options');
    expect(body).to.have.nested.property('Status.options').that.deep.equals({ server: 'a' });
    expect(cluster.volumes.get('options')?.options).to.deep.equal({ server: 'a' });
  });

  it('keeps the mount of a running container through docker cp', async () => {
    await createVolume('copied');
    await engine(1).run({ name: 'copier', volumes: { '/data': 'copied' }, script: 'echo text > /data/file; sleep 1000 & wait' });
    const held = cluster.mountIds('n1', 'copied');
    await waitFor(async () => (await engine(1).call('GET', '/containers/copier/archive?path=/data/file')).status === 200, {
      what: 'the file is there',
    });
    // The engine did mount once more with the id of the running mount, which is what this is about.
    expect(cluster.mountRequests).to.include(`${held.join()}#2`);
    expect(cluster.calls).to.include('unmountVolume copied');
    expect(cluster.mountIds('n1', 'copied')).to.deep.equal(held);
    await engine(1).remove('copier');
    expect(heldBy('n1', 'copied')).to.equal(0);
  });

  it('answers for other volumes within a second while one hangs', async () => {
    await createVolume('stuck');
    await createVolume('free');
    cluster.hanging.add('mountVolume stuck');
    const stuck = engine(1).run({ name: 'stuck', volumes: { '/data': 'stuck' }, driver: 'volplane', script: 'true' });
    await waitFor(() => cluster.calls.at(-1) === 'mountVolume stuck', { what: 'the call hangs' });
    const startMs = systemClock.monotonicMs();
    expect(await engine(1).volumeNames()).to.include('free');
    expect((await engine(1).call('GET', '/volumes/free')).status).to.equal(200);
    expect((await engine(1).call('GET', '/containers/json?all=1')).status).to.equal(200);
    expect((await engine(1).createVolume('other', 'local')).status).to.equal(201);
    expect(systemClock.monotonicMs() - startMs).to.be.below(1_000);
    cluster.hanging.clear();
    await stuck;
  });

  it("shows the cluster's fault, keeps the volume in the list, and loses nothing", async () => {
    await createVolume('outage');
    for (const method of ['getVolume', 'listVolumes'] as const) cluster.faults.set(method, new Error('etcd is away'));
    expect((await engine(1).call('GET', '/volumes')).text).to.contain('outage');
    cluster.faults.clear();
    expect((await engine(1).call('GET', '/volumes/outage')).status).to.equal(200);
  });

  it('survives a crash of the engine: the use of a dead container ends, and that of a restarted one does not', async () => {
    await createVolume('crash');
    await engine(3).run({ name: 'crash', volumes: { '/data': 'crash' }, script: 'sleep 1000 & wait' });
    await engine(3).killAll();
    expect(heldBy('n3', 'crash')).to.equal(1);
    await engine(3).restart();
    await waitFor(() => heldBy('n3', 'crash') === 0, { what: 'the use that died with the engine is dropped' });
    expect((await engine(3).call('POST', '/containers/crash/start')).status).to.equal(204);
    expect(heldBy('n3', 'crash')).to.equal(1);
    await engine(3).remove('crash');
    await waitFor(() => heldBy('n3', 'crash') === 0, { what: 'the restarted container has let go' });
  });

  it('is found by its discovery file and served over TLS, and the file vanishes with the door', async () => {
    const [host] = hosts;
    if (host === undefined) throw new Error('the host did not start');
    const authority = await TestAuthority.create();
    try {
      const files = { caFile: authority.path('ca.pem'), certFile: authority.path('client.pem'), keyFile: authority.path('client.key') };
      const secure = await DockerPluginServer.open({
        ...serverOptions(cluster, join(host.folder, 'unseen'), host.name),
        sockets: [{ socketName: 'secure', driver: parseDriverName('shared'), scope: 'global' }],
        tcp: { specFolder: host.specFolder, host: '127.0.0.1', port: 0, tls: { server: await authority.server(), client: files } },
      });
      await mkdir(join(storage, 'remote'));
      const { status, text } = await engine(1).createVolume('remote', 'secure');
      expect(status, text).to.equal(201);
      expect(await readdir(host.specFolder)).to.deep.equal(['secure.json']);
      const plan = { name: 'remote', volumes: { '/data': 'remote' }, driver: 'secure', script: 'echo text > /data/file' };
      expect((await engine(1).run(plan)).status).to.equal(204);
      expect(await engine(1).wait('remote')).to.equal(0);
      expect(await readFile(join(storage, 'remote', 'file'), 'utf8')).to.equal('text\n');
      await engine(1).remove('remote');
      await secure.close();
      expect(await readdir(host.specFolder)).to.deep.equal([]);
    } finally {
      await authority.remove();
    }
  });

  it('lets no container lose its mount while the door restarts', async () => {
    await createVolume('restart');
    await engine(2).run({ name: 'restart', volumes: { '/data': 'restart' }, script: 'while true; do date > /data/now; sleep 0.1; done' });
    await doors[1]?.close();
    const [, host] = hosts;
    if (host === undefined) throw new Error('the host did not start');
    doors[1] = await DockerPluginServer.open(doorOptions(host));
    expect(heldBy('n2', 'restart')).to.equal(1);
    expect((await engine(1).call('DELETE', '/volumes/restart')).text).to.contain('attached to node n2');
    expect(await engine(2).isRunning('restart')).to.equal(true);
    await engine(2).remove('restart');
    expect(heldBy('n2', 'restart')).to.equal(0);
  });
});
