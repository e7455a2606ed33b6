import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { waitFor } from '@volplane/testkit';
import { expect } from 'chai';
import { IMAGE } from './support/busybox-image.js';
import { dockerSuite } from './support/docker-suite.js';
import { TestCluster, type TestNode } from './support/test-cluster.js';
import { TestNetwork } from './support/test-network.js';

/** Three engines as one swarm: what its services find when they are moved. The swarm's manager is the engine of n1. */
dockerSuite('volumes of swarm services', () => {
  let cluster: TestCluster;
  let network: TestNetwork;
  const addresses = new Map([
    ['n1', '10.77.0.1'],
    ['n2', '10.77.0.2'],
    ['n3', '10.77.0.3'],
  ]);
  const nodeIds = new Map<string, string>();
  const n1 = (): TestNode => cluster.node('n1');

  before(async function () {
    this.timeout(180_000);
    network = await TestNetwork.start([...addresses.values()]);
    cluster = await TestCluster.start({ nodes: [...addresses.keys()], engine: () => ({ network }) });
    // A swarm places tasks only where an engine has told it of the plugin, and an engine tells of those that it has asked once.
    for (const node of cluster.nodes) await ok(node, 'GET', '/volumes');
    const manager = addressOf('n1');
    await ok(n1(), 'POST', '/swarm/init', { ListenAddr: `${manager}:2377`, AdvertiseAddr: manager });
    const { JoinTokens } = (await ok(n1(), 'GET', '/swarm')) as { JoinTokens: { Worker: string } };
    for (const name of ['n2', 'n3']) {
      // One after the other: the machine is small.
      const [own, RemoteAddrs] = [addressOf(name), [`${manager}:2377`]];
      await ok(cluster.node(name), 'POST', '/swarm/join', {
        ListenAddr: `${own}:2377`,
        AdvertiseAddr: own,
        RemoteAddrs,
        JoinToken: JoinTokens.Worker,
      });
    }
    for (const node of cluster.nodes) {
      const { Swarm } = (await ok(node, 'GET', '/info')) as { Swarm: { NodeID: string } };
      nodeIds.set(node.name, Swarm.NodeID);
    }
  });

  afterEach(async function () {
    if (this.currentTest?.state !== 'failed') return;
    await cluster.keepLogs();
    console.log((await n1().engine.call('GET', '/tasks')).text);
  });

  after(async function () {
    this.timeout(120_000);
    await cluster.end();
    await network.end();
  });

  const addressOf = (name: string): string => addresses.get(name) ?? '';
  const ok = async (node: TestNode, method: string, path: string, body?: object): Promise<unknown> => {
    const reply = await node.engine.call(method, path, body);
    expect(reply.status, reply.text).to.be.within(200, 299);
    return reply.body;
  };
  const start = async (service: string, volume: string, script: string): Promise<void> => {
    await ok(n1(), 'POST', '/services/create', {
      Name: service,
      TaskTemplate: {
        ContainerSpec: {
          Image: IMAGE,
          Command: ['sh', '-c', `trap 'exit 0' TERM; ${script}`],
          Mounts: [{ Type: 'volume', Source: volume, Target: '/data', VolumeOptions: { DriverConfig: { Name: 'volplane' } } }],
        },
        Networks: [{ Target: 'host' }],
        RestartPolicy: { Delay: 500_000_000 },
      },
      Mode: { Replicated: { Replicas: 1 } },
    });
  };
  const setAvailability = async (names: readonly string[], Availability: 'active' | 'pause' | 'drain'): Promise<void> => {
    for (const name of names) {
      const id = nodeIds.get(name) ?? '';
      const { Version, Spec } = (await ok(n1(), 'GET', `/nodes/${id}`)) as { Version: { Index: number }; Spec: object };
      await ok(n1(), 'POST', `/nodes/${id}/update?version=${String(Version.Index)}`, { ...Spec, Availability });
    }
  };
  interface Task {
    readonly NodeID: string;
    readonly Status: { readonly State: string; readonly Err?: string };
  }
  const tasks = async (service: string): Promise<readonly Task[]> => {
    const filters = encodeURIComponent(JSON.stringify({ service: { [service]: true } }));
    return (await ok(n1(), 'GET', `/tasks?filters=${filters}`)) as readonly Task[];
  };
  const runsOn = (service: string, name: string): Promise<unknown> =>
    waitFor(async () => (await tasks(service)).some(({ NodeID, Status }) => NodeID === nodeIds.get(name) && Status.State === 'running'), {
      what: `service ${service} runs on ${name}`,
      timeoutMs: 90_000,
    });
  const file = (volume: string): string => join(cluster.storage, volume, '_data', 'log');

  it('a service that is moved to another engine finds its global volume and what it wrote', async function () {
    this.timeout(180_000);
    await setAvailability(['n1', 'n3'], 'pause');
    // The swarm makes the volume where the first task runs.
    await start('moving', 'moving', 'echo run >> /data/log; cat /data/log > /data/seen; sleep 100000 & wait');
    await runsOn('moving', 'n2');
    expect(await cluster.holders('moving')).to.deep.equal(['n2']);
    await setAvailability(['n3'], 'active');
    await setAvailability(['n2'], 'drain');
    await runsOn('moving', 'n3');
    await waitFor(async () => (await readFile(file('moving'), 'utf8')) === 'run\nrun\n', { what: 'the second run found the first' });
    await waitFor(async () => (await cluster.holders('moving')).join() === 'n3', { what: 'only the new engine has it' });
    expect((await cluster.volctl(['ls', '--quiet'])).stdout.split('\n').filter((name) => name === 'moving')).to.have.length(1);
  });

  it('a service that is gone leaves the volume and its data, and no use of it', async function () {
    this.timeout(120_000);
    await ok(n1(), 'DELETE', '/services/moving');
    await waitFor(async () => (await cluster.holders('moving')).length === 0, { what: 'nobody uses it', timeoutMs: 60_000 });
    expect(await readFile(file('moving'), 'utf8')).to.equal('run\nrun\n');
    const remove = async (): Promise<boolean> => (await n1().engine.call('DELETE', '/volumes/moving')).status === 204;
    await waitFor(remove, { what: 'it can be removed', timeoutMs: 60_000 });
  });

  it('an exclusive volume waits for evidence: a task elsewhere fails with the reason until the first host has let go', async function () {
    this.timeout(180_000);
    const options = { 'access-mode': 'single-node-writer', takeover: 'manual' };
    expect((await n1().engine.createVolume('exclusive', 'volplane', options)).status).to.equal(201);
    await setAvailability(['n2'], 'active');
    const held = { name: 'holder', volumes: { '/data': 'exclusive' }, script: 'sleep 100000 & wait' };
    expect((await cluster.node('n2').engine.run(held)).status).to.equal(204);
    await setAvailability(['n1', 'n2'], 'pause');
    await start('exclusive', 'exclusive', 'echo run >> /data/log; sleep 100000 & wait');
    const refusal = async (): Promise<string | undefined> =>
      (await tasks('exclusive')).map(({ Status }) => Status.Err ?? '').find((text) => text.includes('VOLUME_HELD'));
    await waitFor(async () => (await refusal()) !== undefined, { what: 'a task was refused', timeoutMs: 60_000 });
    expect(await refusal()).to.contain('n2');
    expect(await cluster.holders('exclusive')).to.deep.equal(['n2']);
    await rm(file('exclusive')).then(
      () => expect.fail('a second writer wrote'),
      () => undefined,
    );
    await cluster.node('n2').engine.remove('holder');
    await runsOn('exclusive', 'n3');
    expect(await cluster.holders('exclusive')).to.deep.equal(['n3']);
    await ok(n1(), 'DELETE', '/services/exclusive');
  });
});
