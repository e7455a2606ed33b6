import { errorText, hasReason, silentLogger, type Logger } from '@volplane/base';
import { KvCompacted, type KvEvent } from '@volplane/ports';
import { recordWatch, rejection, startEtcd, startTcpProxy, waitFor, type EtcdServer, type TcpProxy } from '@volplane/testkit';
import { expect } from 'chai';
import { EtcdKv } from '../src/index.js';
import { create, portOf, put } from './writes.js';

/**
 * etcd is killed, stopped, cut off and started again for real. What is checked is the truth of each answer against what
 * etcd holds afterwards; how long things take is never checked.
 */
describe('EtcdKv when etcd fails', () => {
  let etcd: EtcdServer;
  let kv: EtcdKv;
  const opened: EtcdKv[] = [];
  const unhandled: unknown[] = [];
  const onUnhandled = (error: unknown): void => {
    unhandled.push(error);
  };

  before(async () => {
    process.on('unhandledRejection', onUnhandled);
    etcd = await startEtcd();
  });

  after(async () => {
    await etcd.stop();
    process.off('unhandledRejection', onUnhandled);
    expect(unhandled).to.deep.equal([]);
  });

  beforeEach(async () => {
    kv = await open({});
  });

  afterEach(async () => {
    await Promise.all(opened.splice(0).map((one) => one.close()));
  });

  async function open(options: Partial<Parameters<typeof EtcdKv.open>[0]>): Promise<EtcdKv> {
    const one = await EtcdKv.open({ endpoints: etcd.endpoints, ...options });
    opened.push(one);
    return one;
  }

  it('says STORE_UNAVAILABLE to every call while etcd is down, and works when it is back', async () => {
    const { lease } = await kv.grantLease(600_000);
    await etcd.kill();
    const calls = [
      kv.transact([put('/down/a', 'x')]),
      kv.get('/down/a'),
      kv.range({ prefix: '/down/', limit: 10 }),
      kv.currentRevision(),
      kv.grantLease(1_000),
      kv.keepAliveLease(lease),
      kv.revokeLease('1234'),
    ];
    // The first calls may meet the connection as it breaks; what is asked after that cannot have been sent.
    await Promise.allSettled(calls);
    const later = [
      kv.transact([put('/down/b', 'x')]),
      kv.get('/down/a'),
      kv.grantLease(1_000),
      kv.keepAliveLease(lease),
      kv.revokeLease(lease),
    ];
    for (const call of later) expect((await rejection(call)).reason).to.equal('STORE_UNAVAILABLE');
    await etcd.restart();
    await waitFor(() => kv.currentRevision(), { what: 'etcd answers again' });
    expect((await kv.get('/down/b')).entry).to.equal(undefined);
    expect(await kv.keepAliveLease(lease)).to.equal(true);
  });

  it('tells the truth about every transaction in flight when etcd is killed', async () => {
    const told = new Map<string, 'made' | 'not made' | 'unknown'>();
    let made = 0;
    let killed = false;
    const writer = async (id: number): Promise<void> => {
      for (let index = 0; !killed && index < 10_000; index += 1) {
        const key = `/truth/${String(id)}/${String(index)}`;
        try {
          // A writer is one after the other; there are many of them.
          const outcomes = await kv.transact([create(key, 'x'), create(`${key}/more`, 'x')]);
          // A transaction sent twice would lose against itself.
          told.set(key, outcomes.every(({ succeeded }) => succeeded) ? 'made' : 'not made');
          made += 1;
        } catch (error) {
          told.set(key, hasReason(error, 'STORE_UNAVAILABLE') ? 'not made' : 'unknown');
          if (!hasReason(error, 'STORE_UNAVAILABLE', 'UNKNOWN_OUTCOME')) throw error;
        }
      }
    };
    const writers = Promise.all(Array.from({ length: 64 }, (_, id) => writer(id)));
    await waitFor(() => made >= 200, { what: 'the writers are at work' });
    await etcd.kill();
    killed = true;
    await writers;
    await etcd.restart();
    const fresh = await open({});
    await waitFor(() => fresh.currentRevision(), { what: 'etcd answers again' });
    const counts = { made: 0, 'not made': 0, unknown: 0 };
    for (const [key, word] of told) {
      counts[word] += 1;
      const present = (await fresh.get(key)).entry !== undefined;
      if (word === 'made') expect(present).to.equal(true, `${key} was said to be made`);
      if (word === 'not made') expect(present).to.equal(false, `${key} was said not to be made`);
    }
    expect(counts.unknown).to.be.greaterThan(0);
  });

  it('never says that a transaction failed or was made while etcd is stopped', async () => {
    // Its time is for what is never answered: on a busy machine an answer may take longer.
    const hasty = await open({ callTimeoutMs: 300 });
    const { lease } = await waitFor(() => hasty.grantLease(600_000), { what: 'etcd answers in time' });
    etcd.pause();
    try {
      const calls = [
        hasty.transact([put('/paused', 'x')]),
        hasty.grantLease(1_000),
        hasty.keepAliveLease(lease),
        hasty.revokeLease('1234'),
      ];
      for (const error of await Promise.all(calls.map(rejection))) expect(error.reason).to.equal('UNKNOWN_OUTCOME');
      expect((await rejection(hasty.get('/paused'))).reason).to.equal('STORE_UNAVAILABLE');
    } finally {
      etcd.resume();
    }
    await waitFor(() => hasty.keepAliveLease(lease), { what: 'etcd answers again, and still has the lease' });
  });

  it('says UNKNOWN_OUTCOME when etcd is out of space, for etcd says so of batches that it applied as well', async () => {
    const small = await startEtcd({ args: ['--quota-backend-bytes=1000000'] });
    try {
      const filling = await open({ endpoints: small.endpoints, callTimeoutMs: 60_000 });
      const value = 'x'.repeat(200_000);
      const refusals: unknown[] = [];
      for (let wave = 0; wave < 20 && refusals.length === 0; wave += 1) {
        const writes = Array.from({ length: 8 }, (_, index) => filling.transact([put(`/fill/${String(wave)}/${String(index)}`, value)]));
        // Wave after wave, until the quota is crossed.
        for (const result of await Promise.allSettled(writes)) if (result.status === 'rejected') refusals.push(result.reason);
      }
      expect(refusals).to.not.deep.equal([]);
      for (const refusal of refusals) {
        expect(refusal).to.have.property('reason', 'UNKNOWN_OUTCOME');
        expect(errorText(refusal)).to.contain('database space exceeded');
      }
    } finally {
      await small.stop();
    }
  });

  it('resumes a watch across kill and restart, with concurrent writers, without a gap and without a double', async () => {
    const from = (await kv.currentRevision()) + 1;
    const record = recordWatch(kv, { prefix: '/resume/', fromRevision: from });
    const written = new Set<string>();
    let stop = false;
    const writer = async (id: number): Promise<void> => {
      for (let index = 0; !stop; index += 1) {
        const key = `/resume/${String(id)}/${String(index)}`;
        try {
          // A writer is one after the other.
          await kv.transact([create(key, 'x')]);
          written.add(key);
        } catch (error) {
          if (!hasReason(error, 'STORE_UNAVAILABLE', 'UNKNOWN_OUTCOME')) throw error;
          await waitFor(async () => stop || (await kv.currentRevision()) > 0, { what: 'etcd answers again' });
        }
      }
    };
    const writers = Promise.all([0, 1, 2, 3].map(writer));
    for (let round = 1; round <= 2; round += 1) {
      const goal = written.size + 100;
      await waitFor(() => written.size >= goal && record.events.length > 0, { what: 'the writers are at work' });
      await etcd.kill();
      await etcd.restart();
    }
    const goal = written.size + 100;
    await waitFor(() => written.size >= goal, { what: 'the writers are at work again' });
    stop = true;
    await writers;
    await delivers(record.events, await allKeys('/resume/'));
    expect(record.ended).to.equal(undefined);
    expect(record.breaches).to.deep.equal([]);
    for (const key of written) expect(record.events.some((event) => event.type === 'put' && event.entry.key === key)).to.equal(true, key);
    record.watch.close();
  });

  it('ends a watch that cannot resume for its time, once, and is silent then', async () => {
    const hasty = await open({ watchResumeMs: 300 });
    const record = recordWatch(hasty, { prefix: '/end/', fromRevision: await hasty.currentRevision() });
    await hasty.transact([put('/end/a', 'x')]);
    await waitFor(() => record.events.length === 1, { what: 'the watch is live' });
    await etcd.kill();
    try {
      await waitFor(() => record.ended !== undefined, { what: 'the watch ended' });
      expect(record.ended).to.have.property('reason', 'STORE_UNAVAILABLE');
    } finally {
      await etcd.restart();
    }
    await waitFor(() => hasty.transact([put('/end/a', 'y')]), { what: 'etcd takes writes again' });
    expect(record.events.length).to.equal(1);
    expect(record.breaches).to.deep.equal([]);
  });

  describe('behind a connection that breaks', () => {
    let proxy: TcpProxy;
    let proxied: EtcdKv;

    beforeEach(async () => {
      await waitFor(() => kv.currentRevision(), { what: 'etcd answers' });
      proxy = await startTcpProxy(portOf(etcd));
      proxied = await open({ endpoints: [`http://127.0.0.1:${String(proxy.port)}`], callTimeoutMs: 500 });
    });

    afterEach(async () => {
      await proxy.stop();
    });

    it('does not send a transaction again when its answer was lost', async () => {
      const patient = await open({ endpoints: [`http://127.0.0.1:${String(proxy.port)}`], callTimeoutMs: 20_000 });
      await patient.currentRevision();
      proxy.freeze('answers');
      const lost = rejection(patient.transact([create('/lost/a', 'x')]));
      await waitFor(async () => (await kv.get('/lost/a')).entry, { what: 'the transaction was applied' });
      await proxy.cut();
      proxy.thaw();
      await proxy.mend();
      expect((await lost).reason).to.equal('UNKNOWN_OUTCOME');
      expect((await patient.get('/lost/a')).entry?.value).to.equal('x');
    });

    it('resumes from the last event that it delivered, also when many came while it was cut off', async () => {
      const from = (await kv.currentRevision()) + 1;
      const record = recordWatch(proxied, { prefix: '/cut/', fromRevision: from });
      await kv.transact([put('/cut/first', 'x')]);
      await waitFor(() => record.events.length === 1, { what: 'the watch is live' });
      await proxy.cut();
      for (let index = 0; index < 50; index += 1) {
        await kv.transact(Array.from({ length: 32 }, (_, offset) => put(`/cut/${String(index)}-${String(offset)}`, 'x')));
      }
      await proxy.mend();
      await delivers(record.events, await allKeys('/cut/'));
      expect(record.breaches).to.deep.equal([]);
      record.watch.close();
    });

    it('loses nothing when it is cut again and again while it catches up', async () => {
      const from = (await kv.currentRevision()) + 1;
      for (let index = 0; index < 40; index += 1) {
        await kv.transact([0, 1, 2].map((offset) => put(`/again/${String(index)}-${String(offset)}`, 'x'.repeat(100_000))));
      }
      const record = recordWatch(proxied, { prefix: '/again/', fromRevision: from });
      for (let cuts = 0; cuts < 4; cuts += 1) {
        const seen = record.events.length;
        await waitFor(() => proxy.connections > 0 || record.events.length > seen, { what: 'the watch connects' });
        await proxy.cut();
        await proxy.mend();
      }
      await delivers(record.events, await allKeys('/again/'));
      expect(record.breaches).to.deep.equal([]);
      record.watch.close();
    });

    it('ends with KvCompacted when history was compacted while it was cut off', async () => {
      const { revision } = await kv.get('/none');
      const record = recordWatch(proxied, { prefix: '/gone/', fromRevision: revision + 1 });
      await kv.transact([put('/gone/a', '1')]);
      await waitFor(() => record.events.length === 1, { what: 'the watch is live' });
      await proxy.cut();
      await kv.transact([put('/gone/a', '2')]);
      const [last] = await kv.transact([put('/gone/a', '3')]);
      await compact(last?.revision ?? 0);
      await proxy.mend();
      await waitFor(() => record.ended !== undefined, { what: 'the watch ended' });
      expect(record.ended).to.be.instanceOf(KvCompacted);
      expect(record.events.length).to.equal(1);
      expect(record.breaches).to.deep.equal([]);
    });

    it('finds out that a frozen connection is dead, and goes on through another one', async () => {
      const from = (await kv.currentRevision()) + 1;
      const second = await startTcpProxy(portOf(etcd));
      try {
        const endpoints = [proxy, second].map(({ port }) => `http://127.0.0.1:${String(port)}`);
        let moves = 0;
        const log: Logger = { ...silentLogger, info: (message) => (moves += message === 'etcd endpoint left' ? 1 : 0) };
        const two = await open({ endpoints, callTimeoutMs: 500, log, random: { float: () => 0, hex: () => '' } });
        const record = recordWatch(two, { prefix: '/frozen/', fromRevision: from });
        // On a busy machine it may have moved already, because an answer came late.
        await waitFor(() => two.transact([put('/frozen/a', '1')]), { what: 'etcd answers in time' });
        await waitFor(() => record.events.length >= 1, { what: 'the watch is live' });
        const used = moves % 2 === 0 ? proxy : second;
        used.freeze();
        expect((await rejection(two.transact([put('/frozen/b', '1')]))).reason).to.equal('UNKNOWN_OUTCOME');
        await waitFor(() => two.transact([put('/frozen/c', '1')]), { what: 'the other connection is used' });
        await waitFor(() => record.events.some((event) => event.type === 'put' && event.entry.key === '/frozen/c'), {
          what: 'the watch moved on',
          timeoutMs: MOVE_MS,
        });
        await waitFor(async () => await two.keepAliveLease((await two.grantLease(600_000)).lease), { what: 'leases are refreshed' });
        expect(record.breaches).to.deep.equal([]);
        used.thaw();
      } finally {
        await second.stop();
      }
    });

    it('goes to the next endpoint at once when one refuses connections', async () => {
      const endpoints = [`http://127.0.0.1:${String(proxy.port)}`, ...etcd.endpoints];
      const two = await open({ endpoints, random: { float: () => 0, hex: () => '' } });
      await proxy.cut();
      expect((await two.transact([put('/next/a', '1')]))[0]?.succeeded).to.equal(true);
      expect((await two.get('/next/a')).entry?.value).to.equal('1');
      const record = recordWatch(two, { prefix: '/next/', fromRevision: (await two.currentRevision()) + 1 });
      await two.transact([put('/next/b', '1')]);
      await waitFor(() => record.events.length === 1, { what: 'the watch is live' });
    });
  });

  it('closes twice, ends its watches without a word and refuses calls', async () => {
    const record = recordWatch(kv, { prefix: '/close/', fromRevision: await kv.currentRevision() });
    await kv.transact([put('/close/a', 'x')]);
    await waitFor(() => record.events.length === 1, { what: 'the watch is live' });
    const { lease } = await kv.grantLease(600_000);
    expect(await kv.keepAliveLease(lease)).to.equal(true);
    const last = kv.transact([put('/close/b', 'x')]);
    await Promise.all([kv.close(), kv.close()]);
    expect((await last)[0]?.succeeded).to.equal(true);
    for (const call of [kv.get('/close/a'), kv.transact([put('/close/c', 'x')]), kv.keepAliveLease(lease)]) {
      expect((await rejection(call)).reason).to.equal('STORE_UNAVAILABLE');
    }
    expect(record.ended).to.equal(undefined);
    expect(record.breaches).to.deep.equal([]);
  });

  async function compact(revision: number): Promise<void> {
    const response = await fetch(`${etcd.endpoints[0] ?? ''}/v3/kv/compaction`, { method: 'POST', body: JSON.stringify({ revision }) });
    expect(response.status).to.equal(200);
  }

  async function allKeys(prefix: string): Promise<readonly string[]> {
    const fresh = await open({});
    await waitFor(() => fresh.currentRevision(), { what: 'etcd answers' });
    const keys: string[] = [];
    for (let more = true; more;) {
      // A page begins where the last one ended.
      const page = await fresh.range({ prefix, limit: 1_000, ...(keys.length === 0 ? {} : { after: keys.at(-1) ?? '' }) });
      keys.push(...page.entries.map(({ key }) => key));
      more = page.more;
    }
    return keys;
  }
});

/** Below the time in which gRPC's own pings would find the dead connection (10 s and more). */
const MOVE_MS = 9_000;

/** Waits until the watch told of every key, and checks that it told of each once. */
async function delivers(events: readonly KvEvent[], keys: readonly string[]): Promise<void> {
  await waitFor(() => events.length >= keys.length, { what: `the watch told of ${String(keys.length)} keys` });
  expect(events.map((event) => (event.type === 'put' ? event.entry.key : event.key)).sort()).to.deep.equal([...keys].sort());
}
