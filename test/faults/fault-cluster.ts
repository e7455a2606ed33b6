import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { CallContext } from '@volplane/engine';
import { createClient, type VolplaneClient } from '@volplane/rpc';
import {
  freePorts,
  makeTestFolder,
  startEtcd,
  startNatsServer,
  startTcpProxy,
  waitFor,
  type EtcdServer,
  type NatsServer,
  type TcpProxy,
  type TestFolder,
} from '@volplane/testkit';
import { ClusterNode, type NodeOptions } from './cluster-node.js';
import { ClusterProcess } from './cluster-process.js';

export interface ClusterManager {
  readonly name: string;
  readonly process: ClusterProcess;
  readonly client: VolplaneClient;
  /** Its ways to etcd and to NATS. */
  readonly etcd: TcpProxy;
  readonly nats: TcpProxy;
}

export interface ClusterSize {
  readonly managers: number;
  readonly nodes: number;
  readonly ttlMs: number;
  readonly logFolder: string;
  /** See {@link NodeOptions}. */
  readonly drivers?: NodeOptions['drivers'];
}

/** Real etcd and NATS, managers and nodes as processes, every link through a proxy of its own, one folder as the shared storage. */
export class FaultCluster {
  readonly managers: ClusterManager[] = [];
  readonly nodes: ClusterNode[] = [];
  readonly etcd: EtcdServer;
  readonly nats: NatsServer;
  readonly #folder: TestFolder;

  private constructor(etcd: EtcdServer, nats: NatsServer, folder: TestFolder) {
    this.etcd = etcd;
    this.nats = nats;
    this.#folder = folder;
  }

  static async start(size: ClusterSize, signal = NEVER): Promise<FaultCluster> {
    const folder = await makeTestFolder();
    const [etcd, nats] = await Promise.all([startEtcd({}), startNatsServer({})]);
    const cluster = new FaultCluster(etcd, nats, folder);
    try {
      for (const part of ['images', 'folders']) await mkdir(join(cluster.storage, part), { recursive: true });
      const ports = await freePorts(size.managers + size.nodes);
      for (const [index, port] of ports.entries()) {
        // One after the other: they are few.
        if (index < size.managers) await cluster.#addManager(index + 1, port, size);
        else await cluster.#addNode(index + 1 - size.managers, port, size);
      }
      cluster.startAll();
      await cluster.settled(signal);
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  /** The shared storage as the storage sees it. */
  get storage(): string {
    return join(this.#folder.path, 'storage');
  }

  /** A place for mounts of the checker's own. */
  get scratch(): string {
    return join(this.#folder.path, 'scratch');
  }

  startAll(): void {
    for (const { process } of this.managers) process.start();
    for (const { agent } of this.nodes) agent.start();
  }

  /** Every manager answers and sees every node connected; or the signal fires. */
  async settled(signal = NEVER): Promise<void> {
    await Promise.all(
      this.managers.map(({ name, client }) =>
        waitFor(
          async () => {
            if (signal.aborted) return true;
            const { nodes } = await client.listNodes({}, callContext());
            return nodes.filter((node) => node.state === 'connected').length === this.nodes.length;
          },
          { what: `every node to be connected at ${name}`, timeoutMs: SETTLE_MS_MAX },
        ),
      ),
    );
  }

  /** Ends the processes, and leaves the storage. */
  async stopProcesses(): Promise<void> {
    await Promise.allSettled(this.managers.map(({ client }) => client.close()));
    await Promise.allSettled(this.nodes.map((node) => node.close()));
    await Promise.allSettled(this.managers.flatMap(({ process, etcd, nats }) => [process.close(), etcd.stop(), nats.stop()]));
    await Promise.allSettled([this.etcd.stop(), this.nats.stop()]);
  }

  /** Ends everything: processes, mounts, loop devices, files. Safe to call again. */
  async stop(): Promise<void> {
    await this.stopProcesses();
    await this.#folder.remove();
  }

  async #addManager(number: number, port: number, size: ClusterSize): Promise<void> {
    const name = `manager-${String(number)}`;
    const etcd = await startTcpProxy(portOf(this.etcd.endpoints[0]));
    const nats = await startTcpProxy(portOf(this.nats.url));
    const process = new ClusterProcess('manager', {
      name,
      port,
      logFile: join(size.logFolder, `${name}.log`),
      args: [
        `--id=${name}`,
        `--etcd=http://127.0.0.1:${String(etcd.port)}`,
        `--nats=nats://127.0.0.1:${String(nats.port)}`,
        `--session-ttl-ms=${String(size.ttlMs)}`,
        `--brake-share=${String(BRAKE_SHARE)}`,
        '--log-level=debug',
      ],
    });
    this.managers.push({ name, process, etcd, nats, client: createClient({ addresses: [process.address] }) });
  }

  async #addNode(number: number, port: number, { logFolder, drivers }: ClusterSize): Promise<void> {
    const nats = await startTcpProxy(portOf(this.nats.url));
    const name = `node-${String(number)}`;
    const folders = { folder: this.#folder.path, sharedFolder: this.storage, logFolder };
    this.nodes.push(await ClusterNode.make({ name, ...folders, port, nats, ...(drivers === undefined ? {} : { drivers }) }));
  }
}

/** For a call that may take this long; the client's own deadline ends it. */
export function callContext(timeoutMs = CALL_MS_MAX): CallContext {
  return { signal: NEVER, timeoutMs };
}

function portOf(url: string | undefined): number {
  return Number(new URL(url ?? '').port);
}

const NEVER = new AbortController().signal;
const CALL_MS_MAX = 10_000;
/** Two nodes of four may be lost at once before the brake holds takeovers back: the run is about them. */
const BRAKE_SHARE = 50;
/** A busy machine needs its time to start all of it. */
const SETTLE_MS_MAX = 120_000;
