import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { silentLogger } from '@volplane/base';
import { EtcdKv } from '@volplane/store-etcd';
import { startEtcd, startNatsServer, waitFor } from '@volplane/testkit';
import { volumeKey } from '../../packages/engine/src/store/keys.js';
import { parseVolumeDocument } from '../../packages/wire/src/document.js';

/**
 * `npm run measure:memory`: resident memory of built services as real processes: a manager before and after 10,000 mounted volumes are in etcd,
 * and an agent that has nothing to do.
 */
const VOLUMES = 10_000;
const PER_BATCH = 25;
const SERVICES = fileURLToPath(new URL('../../services', import.meta.url));

const folder = await mkdtemp(join(tmpdir(), 'volplane-memory-'));
const [etcd, nats] = await Promise.all([startEtcd({}), startNatsServer({})]);
const children: ChildProcess[] = [];
try {
  const managerArgs = ['--listen=127.0.0.1:0', `--etcd=${etcd.endpoints.join(',')}`, `--nats=${nats.url}`];
  const empty = await start('manager', managerArgs, 'records are in memory');
  tell('manager, no volumes', await residentMib(empty));
  await writeVolumes();
  const full = await start('manager', managerArgs, 'records are in memory');
  tell(`manager, started with ${String(VOLUMES)} volumes`, await residentMib(full));
  const agentArgs = ['--node=node-1', `--data-dir=${join(folder, 'agent')}`, '--listen=127.0.0.1:0', `--nats=${nats.url}`];
  tell('agent, idle', await residentMib(await start('agent', agentArgs, 'agent serves')));
} finally {
  for (const child of children) {
    child.kill('SIGTERM');
    // One after the other: there are three.
    await once(child, 'exit');
  }
  await Promise.all([etcd.stop(), nats.stop()]);
  await rm(folder, { recursive: true, force: true });
}

async function start(service: 'manager' | 'agent', args: readonly string[], ready: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [join(SERVICES, service, 'dist/main.js'), ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  children.push(child);
  let isReady = false;
  createInterface({ input: child.stderr }).on('line', (line) => {
    isReady ||= line.includes(ready);
  });
  await waitFor(() => isReady || child.exitCode !== null, { what: `${service} to be ready`, timeoutMs: 60_000 });
  if (!isReady) throw new Error(`${service} ended before it was ready; is it built?`);
  return child;
}

/** Through the store's own adapter; each document is one that managers would write. */
async function writeVolumes(): Promise<void> {
  const kv = await EtcdKv.open({ endpoints: etcd.endpoints, log: silentLogger });
  try {
    for (let from = 0; from < VOLUMES; from += PER_BATCH) {
      const documents = Array.from({ length: PER_BATCH }, (_, index) => volumeJson(from + index));
      // Batches follow each other, so that etcd is not overrun.
      await kv.transact(documents.map(({ key, value }) => ({ compares: [], writes: [{ type: 'put' as const, key, value }] })));
    }
  } finally {
    await kv.close();
  }
}

function volumeJson(index: number): { readonly key: string; readonly value: string } {
  const hex = index.toString(16).padStart(32, '0');
  const since = '2026-01-01T00:00:00.000Z';
  const attachment = { nodeUid: hex, session: '2333605683863600145', seq: 1, epoch: 2, mode: 'rw', since, claimedFor: `container-${hex}` };
  const value = JSON.stringify({
    schema: 1,
    name: `volume-${String(index)}`,
    uid: hex,
    spec: { driver: 'shared', options: {}, labels: { app: 'shop' }, accessMode: 'single-node-writer', takeover: 'manual' },
    createdAt: since,
    phase: 'ready',
    owner: 'node-1',
    ownerUid: hex,
    epoch: 2,
    attachments: { 'node-1': attachment },
    formerOwners: [],
    evidence: [],
  });
  const name = `volume-${String(index)}`;
  return { key: volumeKey(parseVolumeDocument(name, value).name), value };
}

async function residentMib(child: ChildProcess): Promise<number> {
  const status = await readFile(`/proc/${String(child.pid)}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
}

function tell(what: string, mib: number): void {
  process.stdout.write(`${what.padEnd(45)} ${mib.toFixed(0).padStart(5)} MiB\n`);
}
