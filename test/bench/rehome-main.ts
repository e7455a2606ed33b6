import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { errorText, silentLogger, sleep, systemClock, systemRandom } from '@volplane/base';
import { NatsBus } from '@volplane/bus-nats';
import { EtcdKv } from '@volplane/store-etcd';
import { startEtcd, startNatsServer, waitFor } from '@volplane/testkit';
import { MANAGERS_SUBJECT, openAnswer, parseVolumeDocument, registered } from '@volplane/wire';

/**
 * `npm run bench:rehome`: 10,000 volumes of a node that dies find owners among the living. Two managers as real processes, on real etcd and
 * NATS; the clock runs from the moment at which the dead node's session leaves etcd to the last volume's new owner there.
 */
const VOLUMES = 10_000;
const PER_BATCH = 25;
const LIVING = 3;
const SESSION_TTL_MS = 5_000;
const BEAT_MS = 1_000;
const SERVICE = fileURLToPath(new URL('../../services/manager/dist/main.js', import.meta.url));

const [etcd, nats] = await Promise.all([startEtcd(), startNatsServer()]);
const bus = await NatsBus.open({ servers: [nats.url], name: 'bench', clock: systemClock, random: systemRandom, log: silentLogger });
const kv = await EtcdKv.open({ endpoints: etcd.endpoints, log: silentLogger });
const managers: ChildProcess[] = [];
const ended = new AbortController();
const beating: Promise<void>[] = [];
try {
  managers.push(...(await Promise.all([startManager(), startManager()])));
  const dies = new AbortController();
  await joinCluster('dead', AbortSignal.any([dies.signal, ended.signal]));
  for (let index = 0; index < LIVING; index += 1) await joinCluster(`live-${String(index)}`, ended.signal);
  await writeVolumes();
  const done = follow();
  dies.abort();
  const { goneMs, firstMs, lastMs, byOwner } = await done;
  process.stdout.write(
    `${String(VOLUMES)} volumes of a dead node re-homed in ${((lastMs - goneMs) / 1000).toFixed(2)} s; the first after ${((firstMs - goneMs) / 1000).toFixed(2)} s; by new owner: ${[...byOwner].map(([owner, count]) => `${owner} ${String(count)}`).join(', ')}\n`,
  );
} finally {
  ended.abort();
  await Promise.all(beating);
  for (const manager of managers) {
    manager.kill('SIGTERM');
    // One after the other: there are two.
    if (manager.exitCode === null) await once(manager, 'exit');
  }
  await bus.close();
  await kv.close();
  await Promise.all([etcd.stop(), nats.stop()]);
}

async function startManager(): Promise<ChildProcess> {
  const args = [
    '--listen=127.0.0.1:0',
    `--etcd=${etcd.endpoints.join(',')}`,
    `--nats=${nats.url}`,
    `--session-ttl-ms=${String(SESSION_TTL_MS)}`,
  ];
  const child = spawn(process.execPath, [SERVICE, ...args, `--id=m${systemRandom.hex(8)}`], { stdio: ['ignore', 'ignore', 'pipe'] });
  let isReady = false;
  createInterface({ input: child.stderr }).on('line', (line) => {
    isReady ||= line.includes('records are in memory');
  });
  await waitFor(() => isReady || child.exitCode !== null, { what: 'a manager to be ready', timeoutMs: 60_000 });
  return child;
}

/** A node that is in touch until `signal`, and does nothing else: re-homing needs no agent. */
async function joinCluster(node: string, signal: AbortSignal): Promise<void> {
  const nodeUid = uidOf(node);
  const incarnation = nodeUid.slice(0, 16);
  const ask = (message: object): Promise<unknown> => bus.request(MANAGERS_SUBJECT, message, { timeoutMs: 5_000 });
  const capabilities = {
    scope: 'global',
    accessModes: ['multi-node-multi-writer'],
    takeover: ['manual'],
    abort: false,
    fence: false,
    size: false,
    expand: false,
    snapshot: false,
    clone: false,
    block: false,
  };
  const drivers = [{ name: 'shared', capabilities, options: {} }];
  const { session } = openAnswer(
    await ask({ type: 'register', node, nodeUid, incarnation, startNumber: 1, drivers, labels: {}, version: 'bench' }),
    registered,
  );
  const beat = async (): Promise<void> => {
    for (let count = 1; !signal.aborted; count += 1) {
      // Beat after beat.
      await ask({ type: 'heartbeat', node, nodeUid, session, incarnation, beat: count, digest: '' }).catch((error: unknown) => {
        process.stderr.write(`heartbeat of ${node}: ${errorText(error)}\n`);
      });
      await sleep(systemClock, BEAT_MS, signal).catch(() => undefined);
    }
  };
  beating.push(beat());
}

/** Through the store's own adapter; each document is one that managers would write. */
async function writeVolumes(): Promise<void> {
  for (let from = 0; from < VOLUMES; from += PER_BATCH) {
    const writes = Array.from({ length: PER_BATCH }, (_, index) => volumeJson(`volume-${String(from + index)}`));
    // Batches follow each other, so that etcd is not overrun.
    await kv.transact(writes.map(({ key, value }) => ({ compares: [], writes: [{ type: 'put' as const, key, value }] })));
  }
}

function volumeJson(name: string): { readonly key: string; readonly value: string } {
  const spec = { driver: 'shared', options: {}, labels: {}, accessMode: 'multi-node-multi-writer', takeover: 'manual' };
  const life = { createdAt: '2026-01-01T00:00:00.000Z', phase: 'ready', owner: 'dead', ownerUid: uidOf('dead'), epoch: 1 };
  const value = JSON.stringify({ schema: 1, name, uid: uidOf(name), spec, ...life, attachments: {}, formerOwners: [], evidence: [] });
  return { key: `/volplane/volumes/${name}`, value };
}

interface Outcome {
  readonly goneMs: number;
  readonly firstMs: number;
  readonly lastMs: number;
  readonly byOwner: ReadonlyMap<string, number>;
}

/** Watches etcd until no volume is the dead node's any more. */
async function follow(): Promise<Outcome> {
  const { revision } = await kv.get('/volplane/sessions/dead');
  let goneMs: number | undefined;
  let firstMs: number | undefined;
  const moved = new Map<string, string>();
  const watch = kv.watch(
    { prefix: '/volplane/', fromRevision: revision + 1 },
    {
      onEvents: (events) => {
        for (const event of events) {
          if (event.type === 'delete') {
            if (event.key === '/volplane/sessions/dead') goneMs = systemClock.monotonicMs();
          } else if (event.entry.key.startsWith('/volplane/volumes/')) {
            const { name, owner } = parseVolumeDocument(event.entry.key, event.entry.value);
            if (owner === 'dead') continue;
            firstMs ??= systemClock.monotonicMs();
            moved.set(name, owner);
          }
        }
      },
      onProgress: () => undefined,
      onEnd: (error) => {
        process.stderr.write(`the watch ended: ${errorText(error)}\n`);
      },
    },
  );
  try {
    await waitFor(() => goneMs !== undefined && moved.size === VOLUMES, {
      what: 'every volume to have a living owner',
      timeoutMs: 120_000,
    });
    const lastMs = systemClock.monotonicMs();
    const byOwner = new Map<string, number>();
    for (const owner of moved.values()) byOwner.set(owner, (byOwner.get(owner) ?? 0) + 1);
    return { goneMs: goneMs ?? 0, firstMs: firstMs ?? 0, lastMs, byOwner };
  } finally {
    watch.close();
  }
}

function uidOf(name: string): string {
  return Buffer.from(name).toString('hex').padEnd(32, '0').slice(0, 32);
}
