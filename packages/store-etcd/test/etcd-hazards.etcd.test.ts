import { hasReason } from '@volplane/base';
import { KvCompacted, type KvTransaction } from '@volplane/ports';
import { recordWatch, startEtcd, startTcpProxy, waitFor, type EtcdServer, type TcpProxy } from '@volplane/testkit';
import { expect } from 'chai';
import { EtcdKv } from '../src/index.js';
import { portOf, put } from './writes.js';

/**
 * Traps of etcd and of the etcd3 library that a store must keep its users out of: a lost lease that is told late, two
 * leaders at once, a compacted watch that says nothing useful, a watch that resumes behind what it has not delivered.
 */
describe('hazards of etcd that EtcdKv covers', () => {
  let etcd: EtcdServer;
  let proxy: TcpProxy;
  /** A process that can be cut off. */
  let distant: EtcdKv;
  /** A process that cannot. */
  let near: EtcdKv;

  before(async () => {
    etcd = await startEtcd();
  });

  after(async () => {
    await etcd.stop();
  });

  beforeEach(async () => {
    proxy = await startTcpProxy(portOf(etcd));
    distant = await EtcdKv.open({ endpoints: [`http://127.0.0.1:${String(proxy.port)}`], callTimeoutMs: 500 });
    near = await EtcdKv.open({ endpoints: etcd.endpoints });
  });

  afterEach(async () => {
    await Promise.all([distant.close(), near.close()]);
    await proxy.stop();
  });

  /** The distant process has a lease, short and alive, with this key. A busy machine may need several tries: its calls are short, too. */
  async function bindToLease(key: string): Promise<string> {
    return await waitFor(
      async () => {
        const { lease } = await distant.grantLease(1_000);
        const [outcome] = await distant.transact([put(key, 'distant', lease)]);
        return outcome?.succeeded === true && (await distant.keepAliveLease(lease)) && lease;
      },
      { what: `the distant process holds ${key}` },
    );
  }

  it('never calls a lease alive without an answer to that very refresh, and gone with the first answer after its end', async () => {
    const lease = await bindToLease('/h1/session');
    proxy.freeze();
    const answers: unknown[] = [];
    await waitFor(
      async () => {
        answers.push(await distant.keepAliveLease(lease).catch((error: unknown) => error));
        return (await near.get('/h1/session')).entry === undefined;
      },
      { what: 'the lease expired in etcd' },
    );
    for (const answer of answers) expect(hasReason(answer, 'UNKNOWN_OUTCOME', 'STORE_UNAVAILABLE')).to.equal(true);
    proxy.thaw();
    const first = await waitFor(
      async () => {
        const alive = await distant.keepAliveLease(lease);
        return { alive };
      },
      { what: 'a refresh is answered' },
    );
    expect(first.alive).to.equal(false);
  });

  it('refuses what a leader writes that has lost its lease, however late it hears of that', async () => {
    const old = await bindToLease('/h2/leader');
    proxy.freeze();
    const next = await near.grantLease(600_000);
    const takeover: KvTransaction = {
      compares: [{ type: 'revision', key: '/h2/leader', modRevision: 0 }],
      writes: [{ type: 'put', key: '/h2/leader', value: 'near', lease: next.lease }],
    };
    await waitFor(async () => (await near.transact([takeover]))[0]?.succeeded, { what: 'the other one leads' });
    // The old leader has heard nothing: it sends its write, which arrives when the network is back.
    const late = distant.transact([fenced('/h2/leader', old, 'distant')]).catch((error: unknown) => error);
    expect((await near.transact([fenced('/h2/leader', next.lease, 'near')]))[0]?.succeeded).to.equal(true);
    proxy.thaw();
    await late;
    const again = await waitFor(() => distant.transact([fenced('/h2/leader', old, 'distant')]), {
      what: 'etcd answers the old leader',
    });
    expect(again[0]?.succeeded).to.equal(false);
    expect((await near.get('/h2/data')).entry?.value).to.equal('near');
  });

  it('says that a watch begins in compacted history, and works from a new list on', async () => {
    await near.transact([put('/h4/a', '1')]);
    const [second] = await near.transact([put('/h4/a', '2')]);
    const [third] = await near.transact([put('/h4/b', '3')]);
    const response = await fetch(`${etcd.endpoints[0] ?? ''}/v3/kv/compaction`, {
      method: 'POST',
      body: JSON.stringify({ revision: third?.revision ?? 0 }),
    });
    expect(response.status).to.equal(200);
    const stale = recordWatch(near, { prefix: '/h4/', fromRevision: second?.revision ?? 0 });
    await waitFor(() => stale.ended !== undefined, { what: 'the watch ended' });
    expect(stale.ended).to.be.instanceOf(KvCompacted);
    expect(stale.events).to.deep.equal([]);
    const list = await near.range({ prefix: '/h4/', limit: 10 });
    expect(list.entries.map(({ value }) => value)).to.deep.equal(['2', '3']);
    const record = recordWatch(near, { prefix: '/h4/', fromRevision: list.revision + 1 });
    await near.transact([put('/h4/a', '4')]);
    await waitFor(() => record.events.length === 1, { what: 'the next watch goes on' });
    record.watch.close();
    expect([...stale.breaches, ...record.breaches]).to.deep.equal([]);
  });

  it('resumes behind the last event that it delivered, not behind the revision that etcd names on connecting', async () => {
    const { revision } = await near.get('/h5/');
    const record = recordWatch(distant, { prefix: '/h5/', fromRevision: revision + 1 });
    await near.transact([put('/h5/first', 'x')]);
    await waitFor(() => record.events.length === 1, { what: 'the watch is live' });
    await proxy.cut();
    for (let index = 0; index < 30; index += 1) await near.transact([put(`/h5/${String(index)}`, 'x'.repeat(200_000))]);
    // Each connection lasts just long enough for etcd to confirm the watch, not for all of its events.
    for (let round = 0; round < 5; round += 1) {
      await proxy.mend();
      const seen = record.events.length;
      await waitFor(() => proxy.connections > 0 || record.events.length > seen, { what: 'the watch connects' });
      await proxy.cut();
    }
    await proxy.mend();
    await waitFor(() => record.events.length >= 31, { what: 'every event came' });
    expect(record.events.length).to.equal(31);
    expect(record.breaches).to.deep.equal([]);
  });
});

/** A write of a leader: made only while its key is bound to its lease. */
function fenced(key: string, lease: string, value: string): KvTransaction {
  return { compares: [{ type: 'lease', key, lease }], writes: [{ type: 'put', key: '/h2/data', value }] };
}
