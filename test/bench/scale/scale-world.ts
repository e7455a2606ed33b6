import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { silentLogger, systemClock } from '@volplane/base';
import type { CallContext } from '@volplane/engine';
import { createClient, type VolplaneClient } from '@volplane/rpc';
import { EtcdKv } from '@volplane/store-etcd';
import { startEtcd, startNatsServer, waitFor, type EtcdServer, type NatsServer } from '@volplane/testkit';
import { PREFIXES } from '../../../packages/engine/src/store/keys.js';
import { cpuSeconds, ServiceProcess } from '../service-process.js';
import type { SwarmOrder } from './swarm-main.js';
import { writeVolumes } from './volume-writer.js';

/** etcd, NATS, one manager and a swarm of simulated agents, each a process of its own. */
export class ScaleWorld {
  readonly #folder: string;
  readonly #etcd: EtcdServer;
  readonly #nats: NatsServer;
  readonly #kv: EtcdKv;
  readonly #swarm: ChildProcess;
  #manager: ServiceProcess | undefined;
  #client: VolplaneClient | undefined;
  #starts = 0;
  #volumes = 0;
  #nodes = 0;

  private constructor(parts: {
    readonly folder: string;
    readonly etcd: EtcdServer;
    readonly nats: NatsServer;
    readonly kv: EtcdKv;
    readonly swarm: ChildProcess;
  }) {
    this.#folder = parts.folder;
    this.#etcd = parts.etcd;
    this.#nats = parts.nats;
    this.#kv = parts.kv;
    this.#swarm = parts.swarm;
  }

  static async start(): Promise<ScaleWorld> {
    const folder = await mkdtemp(join(tmpdir(), 'volplane-scale-'));
    const [etcd, nats] = await Promise.all([startEtcd({}), startNatsServer({})]);
    const kv = await EtcdKv.open({ endpoints: etcd.endpoints, log: silentLogger });
    const swarm = fork(fileURLToPath(new URL('swarm-main.ts', import.meta.url)), [nats.url], {
      execArgv: ['--import=tsx', '--conditions=@volplane/source'],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    return new ScaleWorld({ folder, etcd, nats, kv, swarm });
  }

  /** Starts the manager anew. @returns seconds until its health says SERVING: every record is in memory */
  async startManager(): Promise<number> {
    await this.#client?.close();
    await this.#manager?.stop('SIGKILL');
    this.#starts += 1;
    const beganMs = systemClock.monotonicMs();
    const manager = ServiceProcess.start({
      service: 'manager',
      label: `manager-${String(this.#starts)}`,
      folder: this.#folder,
      args: ['--listen=127.0.0.1:0', `--etcd=${this.#etcd.endpoints.join(',')}`, `--nats=${this.#nats.url}`],
    });
    this.#manager = manager;
    const client = createClient({ addresses: [await manager.address()] });
    this.#client = client;
    await waitFor(async () => (await client.checkHealth(CONTEXT)).serving, { what: 'the manager serves', timeoutMs: 120_000 });
    return (systemClock.monotonicMs() - beganMs) / 1_000;
  }

  async grow(volumes: number, nodes: number): Promise<void> {
    if (nodes > this.#nodes) await this.#order({ type: 'grow', nodes });
    this.#nodes = nodes;
    // All of them anew, so that the present nodes own an equal share each.
    await writeVolumes(this.#kv, volumes);
    this.#volumes = volumes;
  }

  /** Median milliseconds of pages of `pageSize`, all the way through, at most `pages` of them. */
  async listMs(pageSize: number, pages: number): Promise<number> {
    const times: number[] = [];
    let pageToken: string | undefined;
    for (let page = 0; page < pages; page += 1) {
      const beganMs = systemClock.monotonicMs();
      // One page after the other, as a caller reads them.
      const answer = await this.client.listVolumes({ pageSize, ...(pageToken === undefined ? {} : { pageToken }) }, CONTEXT);
      times.push(systemClock.monotonicMs() - beganMs);
      pageToken = answer.nextPageToken;
    }
    return times.sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0;
  }

  /** The share of one core that manager, etcd and NATS use for heartbeats alone. */
  async idleShare(seconds: number): Promise<{ readonly manager: number; readonly etcd: number; readonly nats: number }> {
    const read = (): Promise<number[]> => Promise.all([this.#pid, this.#etcd.pid, this.#nats.pid].map(cpuSeconds));
    const before = await read();
    const untilMs = systemClock.monotonicMs() + seconds * 1_000;
    await waitFor(() => systemClock.monotonicMs() >= untilMs, { what: 'the measurement to end', timeoutMs: seconds * 2_000 });
    const share = (await read()).map((used, index) => (used - (before[index] ?? 0)) / seconds);
    return { manager: share[0] ?? 0, etcd: share[1] ?? 0, nats: share[2] ?? 0 };
  }

  residentMib(): Promise<number> {
    return this.#manager?.residentMib() ?? Promise.resolve(0);
  }

  /** Size of etcd's database file, in MiB. */
  async etcdMib(): Promise<number> {
    return (await stat(join(this.#etcd.directory, 'data/member/snap/db'))).size / 2 ** 20;
  }

  /**
   * Kills the newest nodes, all at once, and waits until every volume that they owned has another owner.
   *
   * @returns seconds from the death to the end of the last session, and from there to the last new owner
   */
  async lose(nodes: number): Promise<{ readonly sessionsEndedS: number; readonly rehomedS: number; readonly volumes: number }> {
    const expected = Math.floor(this.#volumes / this.#nodes) * nodes;
    let [ended, moved, endedMs, movedMs] = [0, 0, 0, 0];
    const fromRevision = (await this.#kv.currentRevision()) + 1;
    const end = (error: Error): never => {
      throw error;
    };
    const quiet = { onProgress: () => undefined, onEnd: end };
    const sessions = this.#kv.watch(
      { prefix: PREFIXES.session, fromRevision },
      {
        ...quiet,
        onEvents: (events) =>
          ([ended, endedMs] = [ended + events.filter(({ type }) => type === 'delete').length, systemClock.monotonicMs()]),
      },
    );
    const volumes = this.#kv.watch(
      { prefix: PREFIXES.volume, fromRevision },
      { ...quiet, onEvents: (events) => ([moved, movedMs] = [moved + events.length, systemClock.monotonicMs()]) },
    );
    const beganMs = systemClock.monotonicMs();
    await this.#order({ type: 'lose', nodes });
    this.#nodes -= nodes;
    await waitFor(() => ended >= nodes && moved >= expected, { what: 'every volume has a living owner', timeoutMs: 240_000 });
    sessions.close();
    volumes.close();
    return { sessionsEndedS: (endedMs - beganMs) / 1_000, rehomedS: (movedMs - endedMs) / 1_000, volumes: moved };
  }

  async stop(): Promise<void> {
    await this.#client?.close();
    const ended = once(this.#swarm, 'exit');
    this.#swarm.disconnect();
    await ended;
    await this.#manager?.stop();
    await this.#kv.close();
    await Promise.all([this.#etcd.stop(), this.#nats.stop()]);
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }

  get client(): VolplaneClient {
    if (this.#client === undefined) throw new Error('the manager is not started');
    return this.#client;
  }

  get #pid(): number {
    return this.#manager?.pid ?? 0;
  }

  async #order(order: SwarmOrder): Promise<void> {
    const answered = once(this.#swarm, 'message') as Promise<[{ readonly fault?: string }]>;
    this.#swarm.send(order);
    const [{ fault }] = await answered;
    if (fault !== undefined) throw new Error(`the swarm could not ${order.type}: ${fault}`);
  }
}

const CONTEXT: CallContext = { signal: new AbortController().signal, timeoutMs: 30_000 };
