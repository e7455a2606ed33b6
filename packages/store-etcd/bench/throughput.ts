import { systemClock } from '@volplane/base';
import type { KvTransaction } from '@volplane/ports';
import { startEtcd } from '@volplane/testkit';
import { EtcdKv } from '../src/index.js';

/**
 * Throughput of the store on a fresh local etcd: `npx tsx --conditions=@volplane/source packages/store-etcd/bench/throughput.ts`.
 *
 * Numbers of one run say something only beside other numbers of the same run: whatever else the machine does shows in them.
 */
const RUN_MS = 4_000;

const etcd = await startEtcd();
const kv = await EtcdKv.open({ endpoints: etcd.endpoints });
let created = 0;
let delivered = 0;
const watch = kv.watch(
  { prefix: '/bench/', fromRevision: (await kv.currentRevision()) + 1 },
  {
    onEvents: (events) => {
      delivered += events.length;
    },
    onProgress: () => undefined,
    onEnd: (error) => {
      throw error;
    },
  },
);

try {
  for (const callers of [1, 64]) {
    await measure(`create-if-absent of 2 keys, one per proposal, ${String(callers)} callers`, callers, () => commit(1));
  }
  for (const callers of [1, 4, 8]) {
    await measure(`the same, 32 per proposal, ${String(callers)} proposals in flight`, callers, () => commit(32));
  }
  for (const callers of [1, 64]) {
    await measure(`get, ${String(callers)} callers`, callers, () => kv.get('/bench/00000001').then(() => 1));
    await measure(`currentRevision, ${String(callers)} callers`, callers, () => kv.currentRevision().then(() => 1));
  }
  const { lease } = await kv.grantLease(600_000);
  for (const callers of [1, 64])
    await measure(`keepAliveLease, ${String(callers)} callers`, callers, () => kv.keepAliveLease(lease).then(() => 1));
  await measure('pages of 1,000 keys', 1, async () => (await kv.range({ prefix: '/bench/', limit: 1_000 })).entries.length);
  console.log(`${String(created * 2)} keys written, ${String(delivered)} events delivered meanwhile`);
} finally {
  watch.close();
  await kv.close();
  await etcd.stop();
}

/** Creates `size` volumes' worth of keys in one proposal. @returns the transactions made */
async function commit(size: number): Promise<number> {
  const batch = Array.from({ length: size }, (): KvTransaction => {
    created += 1;
    const key = `/bench/${String(created).padStart(8, '0')}`;
    return {
      compares: [{ type: 'revision', key, modRevision: 0 }],
      writes: [
        { type: 'put', key, value: JSON.stringify({ schema: 1, name: key, phase: 'ready', holders: [] }) },
        { type: 'put', key: `${key}/index`, value: '1' },
      ],
    };
  });
  return (await kv.transact(batch)).filter(({ succeeded }) => succeeded).length;
}

async function measure(what: string, callers: number, work: () => Promise<number>): Promise<void> {
  const startMs = systemClock.monotonicMs();
  let done = 0;
  const caller = async (): Promise<void> => {
    // One call after the other; there are several callers.
    while (systemClock.monotonicMs() - startMs < RUN_MS) {
      const more = await work();
      done += more;
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  const perSecond = Math.round((done * 1_000) / (systemClock.monotonicMs() - startMs));
  console.log(`${String(perSecond).padStart(8)}/s  ${what}`);
}
