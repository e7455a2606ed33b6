import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { systemClock } from '@volplane/base';
import { waitFor } from '@volplane/testkit';
import { expect } from 'chai';
import { FakePlugin } from '../../packages/drivers/test/plugin/fake-plugin.js';
import { dockerSuite } from './support/docker-suite.js';
import { context, TestCluster, type TestNode } from './support/test-cluster.js';

const run = promisify(execFile);
const FOREVER = 'sleep 100000 & wait';

/** Three hosts, each with an engine and an agent, one manager, etcd and NATS: what users of plain Docker see of a cluster. */
dockerSuite('volumes of a cluster under real engines', () => {
  let cluster: TestCluster;
  const plugins: FakePlugin[] = [];
  const n1 = (): TestNode => cluster.node('n1');
  const n2 = (): TestNode => cluster.node('n2');
  const n3 = (): TestNode => cluster.node('n3');

  before(async function () {
    this.timeout(120_000);
    cluster = await TestCluster.start({
      nodes: ['n1', 'n2', 'n3'],
      drivers: (host) => [{ name: 'other', kind: 'plugin', address: `unix://${join(host.folder, 'fake.sock')}`, scope: 'global' }],
      agentFlags: (host) => (host.name === 'n1' ? ['--docker-guard=volplane-guard'] : []),
      engine: (name) =>
        name === 'n1' ? { flags: ['--authorization-plugin=volplane-guard'] } : name === 'n2' ? { flags: ['--live-restore'] } : {},
    });
    for (const { host } of cluster.nodes) plugins.push(await FakePlugin.start(host.folder, plugins[0]));
  });

  afterEach(async function () {
    if (this.currentTest?.state === 'failed') await cluster.keepLogs();
  });

  after(async function () {
    this.timeout(120_000);
    await Promise.all(plugins.map((plugin) => plugin.stop()));
    await cluster.end();
  });

  const create = async (name: string, options: Record<string, string> = {}, plugin = 'volplane'): Promise<void> => {
    const { status, text } = await n1().engine.createVolume(name, plugin, options);
    expect(status, text).to.equal(201);
  };
  const start = async (node: TestNode, name: string, volume: string, script = FOREVER): Promise<void> => {
    const { status, text } = await node.engine.run({ name, volumes: { '/data': volume }, script });
    expect(status, text).to.equal(204);
  };

  describe('one volume, many engines', () => {
    it('is created on one engine, used on the others, and listed once by the cluster', async () => {
      await create('everywhere');
      for (const node of [n2(), n3()]) {
        await start(node, 'use', 'everywhere', `echo ${node.name} >> /data/log`);
        expect(await node.engine.wait('use')).to.equal(0);
        expect(await node.engine.volumeNames()).to.include('everywhere');
        await node.engine.remove('use');
      }
      const listed = await cluster.volctl(['ls', '--quiet']);
      expect(listed.stdout.split('\n').filter((name) => name === 'everywhere')).to.have.length(1);
      const { options } = await cluster.volume('everywhere');
      expect(options).to.deep.equal({});
      await start(n1(), 'read', 'everywhere', 'cat /data/log');
      await n1().engine.wait('read');
      expect((await n1().engine.logs('read')).match(/n[0-9]/g)).to.deep.equal(['n2', 'n3']);
    });

    it("cannot be removed under another engine's container, and the refusal names the holder", async () => {
      await create('kept');
      await start(n1(), 'keeper', 'kept');
      const { status, text } = await n2().engine.call('DELETE', '/volumes/kept');
      expect(status).to.equal(500);
      expect(text).to.contain('n1').and.to.contain('VOLUME_ATTACHED');
      await n1().engine.remove('keeper');
      await waitFor(async () => (await n2().engine.call('DELETE', '/volumes/kept')).status === 204, { what: 'the volume can be removed' });
      expect(await n1().engine.volumeNames()).not.to.include('kept');
    });

    it('can be made again after it was removed on another engine', async () => {
      await create('again');
      expect(await n2().engine.volumeNames()).to.include('again');
      expect((await n2().engine.call('DELETE', '/volumes/again')).status).to.equal(204);
      await create('again');
      expect(await n3().engine.volumeNames()).to.include('again');
    });

    it('refuses other options with the difference', async () => {
      await create('strict', { 'access-mode': 'single-node-writer', 'label.team': 'a' });
      const refused = await n1().engine.createVolume('strict', 'volplane', { 'access-mode': 'multi-node-multi-writer' });
      expect(refused.status).to.equal(403);
      expect(refused.text).to.contain('access-mode is single-node-writer, the request says multi-node-multi-writer');
      expect((await cluster.volume('strict')).labels).to.deep.equal({ team: 'a' });
    });

    it('is not touched by a prune of an engine that does not use it', async () => {
      await create('pruned');
      await start(n1(), 'pruned', 'pruned');
      expect((await n3().engine.call('POST', '/volumes/prune')).status).to.equal(200);
      expect(await n3().engine.volumeNames()).to.include('pruned');
      expect(await cluster.holders('pruned')).to.deep.equal(['n1']);
      await n1().engine.remove('pruned');
    });

    it('keeps its hard size, also when it is made again under the same name', async () => {
      for (const turn of ['first', 'second']) {
        await create('sized', { size: '32m' }, 'volplane-disk');
        await start(n1(), 'fills', 'sized', 'dd if=/dev/zero of=/data/file bs=1M count=64');
        expect(await n1().engine.wait('fills'), turn).to.equal(1);
        expect(await n1().engine.logs('fills')).to.contain('No space left on device');
        await n1().engine.remove('fills');
        await waitFor(async () => (await n1().engine.call('DELETE', '/volumes/sized')).status === 204, { what: 'the volume is removed' });
      }
    });

    it('keeps local and global volumes of one name apart', async () => {
      await create('twin');
      // The engine refuses two volumes of one name, so the local one is made behind its back.
      await n2().client.createVolume({ name: 'twin', driver: 'local', node: 'n2' }, context());
      await start(n1(), 'twin', 'twin', 'echo global > /data/file');
      await n1().engine.wait('twin');
      const plan = { name: 'twin', volumes: { '/data': 'twin' }, driver: 'volplane', script: 'cat /data/file' };
      expect((await n2().engine.run(plan)).status).to.equal(204);
      expect(await n2().engine.wait('twin')).to.equal(0);
      expect(await n2().engine.logs('twin')).to.contain('global');
      await n2().engine.remove('twin');
      await n1().engine.remove('twin');
      expect((await n2().engine.call('DELETE', '/volumes/twin')).status).to.equal(204);
      expect(await cluster.volumeNames()).not.to.include('twin');
      expect((await n2().client.getVolume({ name: 'twin', node: 'n2' }, context())).scope).to.equal('local');
    });

    it('shows a local volume on its own engine only', async () => {
      expect((await n2().engine.createVolume('only-here', 'volplane-local')).status).to.equal(201);
      expect((await n2().engine.call('GET', '/volumes/only-here')).body).to.include({ Driver: 'volplane-local', Scope: 'local' });
      expect(await n1().engine.volumeNames()).not.to.include('only-here');
    });
  });

  describe('exclusive volumes', () => {
    it('refuse the second engine with holder and reason', async () => {
      await create('single', { 'access-mode': 'single-node-writer' });
      await start(n1(), 'first', 'single');
      const { status, text } = await n2().engine.run({ name: 'second', volumes: { '/data': 'single' }, script: FOREVER });
      expect(status).to.equal(500);
      expect(text).to.contain('n1').and.to.contain('VOLUME_HELD');
      await n1().engine.remove('first');
      await waitFor(async () => (await n2().engine.call('POST', '/containers/second/start')).status === 204, {
        what: 'the second container starts',
      });
      await n2().engine.remove('second');
    });
  });

  describe('agents and engines that die', () => {
    it('let a running container write on, keep its references, and release when it ends', async () => {
      await create('survivor');
      await start(n2(), 'writer', 'survivor', 'while true; do date +%s%N > /data/now; sleep 0.05; done');
      await cluster.killAgent('n2');
      const now = (): Promise<string> => readFile(join(cluster.storage, 'survivor', '_data', 'now'), 'utf8');
      const before = await now();
      await waitFor(async () => (await now()) !== before && (await now()) !== '', { what: 'the container writes on' });
      await cluster.restartAgent('n2');
      expect((await n3().engine.call('DELETE', '/volumes/survivor')).text).to.contain('n2');
      expect(await n2().engine.isRunning('writer')).to.equal(true);
      await n2().engine.remove('writer');
      await waitFor(async () => (await cluster.holders('survivor')).length === 0, { what: 'the volume is released' });
    });

    it('do not leave a use behind when the container ended while the agent was away', async () => {
      await create('ended');
      await start(n2(), 'short', 'ended');
      await cluster.killAgent('n2');
      await n2().engine.remove('short');
      await cluster.restartAgent('n2');
      expect(await cluster.holders('ended')).to.deep.equal(['n2']);
      await waitFor(async () => (await cluster.holders('ended')).length === 0, {
        what: 'the use without a container is dropped',
        timeoutMs: 40_000,
      });
    });

    it('both, with live restore: the container writes on, stays a user on every engine, and is released when it ends', async () => {
      await create('restored');
      await start(n2(), 'restored', 'restored', 'while true; do date +%s%N > /data/now; sleep 0.05; done');
      const now = (): Promise<string> => readFile(join(cluster.storage, 'restored', '_data', 'now'), 'utf8');
      await n2().engine.kill();
      await cluster.killAgent('n2');
      await Promise.all([cluster.restartAgent('n2'), n2().engine.restart()]);
      const before = await now();
      await waitFor(async () => (await now()) !== before && (await now()) !== '', { what: 'the container writes on' });
      expect(await n2().engine.isRunning('restored')).to.equal(true);
      expect(await cluster.holders('restored')).to.deep.equal(['n2']);
      expect((await n2().engine.call('DELETE', '/volumes/restored')).status).to.equal(409);
      expect((await n3().engine.call('DELETE', '/volumes/restored')).text)
        .to.contain('n2')
        .and.to.contain('VOLUME_ATTACHED');
      await n2().engine.remove('restored');
      await waitFor(async () => (await n3().engine.call('DELETE', '/volumes/restored')).status === 204, {
        what: 'the volume can be removed',
        timeoutMs: 40_000,
      });
    });

    it("leave no socket behind: the engine's own volumes are created at once", async () => {
      await cluster.killAgent('n3');
      await waitFor(async () => (await run('ls', [n3().host.pluginFolder])).stdout === '', { what: 'the sockets are gone' });
      const startMs = systemClock.monotonicMs();
      expect((await n3().engine.createVolume('own-after-kill', 'local')).status).to.equal(201);
      expect(systemClock.monotonicMs() - startMs).to.be.below(1_000);
      await cluster.restartAgent('n3');
      await create('after-kill');
      expect(await n3().engine.volumeNames()).to.include('after-kill');
    });
  });

  describe('plugins of others, hosted', () => {
    before(async () => {
      await create('beside');
    });

    const isAskedToMount = (name: string): Promise<unknown> =>
      waitFor(() => plugins[0]?.calls.some(({ method, body }) => method === 'Mount' && body.includes(name)) === true, {
        what: 'the plugin is asked to mount',
      });
    const answersForOthers = async (name: string): Promise<void> => {
      const startMs = systemClock.monotonicMs();
      expect((await n1().engine.call('GET', '/volumes/beside')).status).to.equal(200);
      expect(await n1().engine.volumeNames()).to.include('beside');
      expect((await n1().engine.createVolume(`beside-${name}`, 'local')).status).to.equal(201);
      expect(systemClock.monotonicMs() - startMs).to.be.below(1_000);
    };

    it('work for the whole cluster, guarded as any driver', async () => {
      await create('foreign', { color: 'red' }, 'volplane-other');
      const [plugin] = plugins;
      expect([...(plugin?.volumes.values() ?? [])].map(({ options }) => options)).to.deep.include({ color: 'red' });
      await start(n1(), 'guest', 'foreign', 'echo hello > /data/file; ' + FOREVER);
      expect((await n2().engine.call('DELETE', '/volumes/foreign')).text).to.contain('n1');
      await n1().engine.remove('guest');
      expect((await n1().engine.call('DELETE', '/volumes/foreign')).status).to.equal(204);
      expect(plugin?.volumes.size).to.equal(0);
    });

    for (const [what, fault] of [
      ['hang', { kind: 'hang' }],
      ['crash', { kind: 'crash' }],
      ['answer garbage', { kind: 'raw', text: 'no JSON at all' }],
      ['answer with a huge body', { kind: 'raw', text: 'x'.repeat(20 * 1024 * 1024) }],
    ] as const) {
      it(`may ${what}, and every other volume answers within a second`, async () => {
        const name = `bad-${fault.kind}-${String(what.length)}`;
        await create(name, {}, 'volplane-other');
        const [plugin] = plugins;
        plugin?.faults.set('Mount', fault);
        const stuck = n1().engine.run({ name, volumes: { '/data': name }, script: 'true' });
        await isAskedToMount(name);
        await answersForOthers(name);
        plugin?.faults.clear();
        await plugin?.stop();
        await plugin?.restart();
        const { status } = await stuck;
        expect(status).to.be.oneOf([204, 500]);
        await n1().engine.remove(name);
      });
    }

    it('may answer late, and every other volume answers within a second; the container starts when the answer comes', async () => {
      await create('late', {}, 'volplane-other');
      const [plugin] = plugins;
      let answer: () => void = () => undefined;
      const until = new Promise<void>((resolve) => {
        answer = resolve;
      });
      plugin?.faults.set('Mount', { kind: 'late', until });
      const started = n1().engine.run({ name: 'late', volumes: { '/data': 'late' }, script: FOREVER });
      await isAskedToMount('late');
      await answersForOthers('late');
      plugin?.faults.clear();
      answer();
      expect((await started).status).to.equal(204);
      expect(await cluster.holders('late')).to.deep.equal(['n1']);
      await n1().engine.remove('late');
    });
  });

  describe('a host that dies', () => {
    const createHeld = async (name: string, takeover: string): Promise<void> => {
      await create(name, { 'access-mode': 'single-node-writer', takeover }, 'volplane-disk');
      await start(n1(), name, name, 'while true; do date > /data/now; sleep 0.1; done');
    };
    const isTakenOver = (name: string): Promise<unknown> =>
      waitFor(
        async () =>
          (await n3().engine.run({ name: 'heir', volumes: { '/data': name }, script: FOREVER })).status === 204 ||
          (await n3().engine.remove('heir'), false),
        { what: `volume ${name} is taken over`, timeoutMs: 60_000 },
      );

    it('loses an exclusive volume with lease to whoever asks next, when engine, containers and agent are killed', async function () {
      this.timeout(120_000);
      await createHeld('leased', 'lease');
      await createHeld('manual', 'manual');
      const { epoch } = await cluster.volume('leased');
      await Promise.all([n1().engine.killAll(), cluster.killAgent('n1')]);
      await isTakenOver('leased');
      expect(await cluster.holders('leased')).to.deep.equal(['n3']);
      expect((await cluster.volume('leased')).epoch).to.be.above(epoch);
    });

    it('keeps one with manual until somebody says that the host is off', async () => {
      await n1().host.powerOff();
      const refused = await n3().engine.run({ name: 'waits', volumes: { '/data': 'manual' }, script: FOREVER });
      expect(refused.status).to.equal(500);
      expect(refused.text).to.contain('n1').and.to.contain('VOLUME_HELD');
      expect((await cluster.volctl(['release', 'manual', 'n1', '--note', 'the host is off'])).code).to.equal(0);
      expect((await n3().engine.call('POST', '/containers/waits/start')).status).to.equal(204);
    });
  });

  it("costs little beside the engine's own driver", async function () {
    this.timeout(120_000);
    const timed = async (count: number, work: (index: number) => Promise<unknown>): Promise<number> => {
      const startMs = systemClock.monotonicMs();
      // One after the other, as a person or a script does.
      for (let index = 0; index < count; index += 1) await work(index);
      return (systemClock.monotonicMs() - startMs) / count;
    };
    const drivers = ['local', 'volplane-local', 'volplane'] as const;
    const times = new Map(drivers.map((driver) => [driver, { createMs: [] as number[], runMs: [] as number[] }]));
    // In turns, so that whatever else the machine does meets all of them; the first turn warms up.
    for (let turn = 0; turn < 6; turn += 1) {
      for (const driver of drivers) {
        const name = (index: number): string => `time-${driver}-${String(turn)}-${String(index)}`;
        const createMs = await timed(10, (index) => n2().engine.createVolume(name(index), driver));
        const runMs = await timed(2, async (index) => {
          await n2().engine.run({ name: name(index), volumes: { '/data': name(index) }, driver, script: 'true' });
          await n2().engine.wait(name(index));
        });
        for (let index = 0; index < 2; index += 1) await n2().engine.remove(name(index));
        if (turn === 0) continue;
        times.get(driver)?.createMs.push(createMs);
        times.get(driver)?.runMs.push(runMs);
      }
    }
    const lines = [...times].map(([driver, { createMs, runMs }]) => {
      expect(middle(createMs), driver).to.be.below(1_000);
      return `${driver}: create ${middle(createMs).toFixed(1)} ms, run with a volume ${middle(runMs).toFixed(0)} ms`;
    });
    console.log(lines.map((line) => `        ${line}`).join('\n'));
  });
});

function middle(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? NaN;
}
