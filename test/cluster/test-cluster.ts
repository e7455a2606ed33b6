import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { AppError } from '@volplane/base';
import type { CallContext } from '@volplane/engine';
import { createClient, type VolplaneClient } from '@volplane/rpc';
import { makeTestFolder, startEtcd, startNatsServer, waitFor, type EtcdServer, type NatsServer, type TestFolder } from '@volplane/testkit';
import { killAllOn } from './power.js';

const SERVICES = fileURLToPath(new URL('../../services', import.meta.url));
/** On a busy machine the loader of TypeScript alone takes long. */
const START_MS = 90_000;

/** One manager or agent as a real process; it can be killed and started again with the same settings. */
export class ServiceProcess {
  readonly name: string;
  readonly #main: string;
  readonly #args: readonly string[];
  readonly #via: readonly string[];
  /** Every line that it has logged, over all its lives. */
  readonly lines: string[] = [];
  #child: ChildProcess | undefined;
  #addresses: readonly string[] = [];

  /** @param via - a program and its arguments that become this process, such as nsenter(1) */
  constructor(name: string, service: 'manager' | 'agent', args: readonly string[], via: readonly string[] = []) {
    this.name = name;
    this.#main = join(SERVICES, service, 'src/main.ts');
    this.#args = args;
    this.#via = via;
  }

  /** The TCP address of its gRPC door. */
  get address(): string {
    const address = this.#addresses.find((each) => !each.startsWith('unix:'));
    if (address === undefined) throw new Error(`${this.name} does not serve`);
    return address;
  }

  /** Starts it and waits until it serves. */
  async start(): Promise<void> {
    this.#addresses = [];
    const main = ['--import=tsx', '--conditions=@volplane/source', this.#main, ...this.#args, '--log-level=debug'];
    const [command = process.execPath, ...args] = [...this.#via, process.execPath, ...main];
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#child = child;
    createInterface({ input: child.stderr }).on('line', (line) => {
      this.lines.push(line);
      const match = /"addresses":(\[[^\]]*\])/.exec(line);
      if (match?.[1] !== undefined && line.includes(' serves"')) this.#addresses = JSON.parse(match[1]) as string[]; // written by our own log
    });
    await waitFor(() => this.#addresses.length > 0 || child.exitCode !== null, { what: `${this.name} to serve`, timeoutMs: START_MS });
    if (child.exitCode !== null) throw new Error(`${this.name} ended: ${this.lines.slice(-5).join('\n')}`);
  }

  /** Ends it and waits until it is gone. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    await waitFor(() => child.exitCode !== null || child.signalCode !== null, { what: `${this.name} to end` });
  }

  /** Of its last life; null while it lives, or when a signal ended it. */
  get exitCode(): number | null {
    return this.#child?.exitCode ?? null;
  }

  get alive(): boolean {
    return this.#child?.exitCode === null && this.#child.signalCode === null;
  }
}

/** Real etcd, NATS, managers and agents on free loopback ports, with one shared folder as their storage. */
export class TestCluster {
  readonly etcd: EtcdServer;
  readonly nats: NatsServer;
  readonly folder: string;
  readonly #testFolder: TestFolder;
  readonly managers: ServiceProcess[] = [];
  readonly agents: ServiceProcess[] = [];
  readonly #clients: VolplaneClient[] = [];

  private constructor(etcd: EtcdServer, nats: NatsServer, folder: TestFolder) {
    this.etcd = etcd;
    this.nats = nats;
    this.#testFolder = folder;
    this.folder = folder.path;
  }

  /** Session TTL unless told: 10 s. `drivers` gives further entries of a node's driver file; `folder` is that of the cluster; `via` is for agents. */
  static async start(size: {
    readonly managers: number;
    readonly agents: number;
    readonly sessionTtlMs?: number;
    readonly drivers?: (folder: string, node: string) => Promise<readonly object[]>;
    readonly via?: readonly string[];
  }): Promise<TestCluster> {
    const folder = await makeTestFolder();
    const [etcd, nats] = await Promise.all([startEtcd({}), startNatsServer({})]);
    const cluster = new TestCluster(etcd, nats, folder);
    try {
      await mkdir(join(folder.path, 'shared'));
      for (let index = 1; index <= size.managers; index += 1) {
        cluster.managers.push(
          new ServiceProcess(`manager-${String(index)}`, 'manager', [
            '--listen=127.0.0.1:0',
            `--etcd=${etcd.endpoints.join(',')}`,
            `--nats=${nats.url}`,
            `--session-ttl-ms=${String(size.sessionTtlMs ?? 10_000)}`,
          ]),
        );
      }
      for (let index = 1; index <= size.agents; index += 1) {
        const node = `node-${String(index)}`;
        cluster.agents.push(await cluster.#makeAgent(node, (await size.drivers?.(folder.path, node)) ?? [], size.via ?? []));
      }
      await Promise.all([...cluster.managers, ...cluster.agents].map((service) => service.start()));
      await cluster.settled();
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  /** Every node is connected, at every living manager. */
  async settled(): Promise<void> {
    for (const manager of this.managers.filter((each) => each.alive)) {
      const client = this.client(manager);
      await waitFor(
        async () =>
          (await client.listNodes({}, context())).nodes.filter((node) => node.state === 'connected').length === this.agents.length,
        {
          what: `every node to be connected at ${manager.name}`,
          timeoutMs: 60_000,
        },
      );
    }
  }

  /** A client of these services, the first one first. */
  client(...services: readonly ServiceProcess[]): VolplaneClient {
    const client = createClient({ addresses: services.map((service) => service.address) });
    this.#clients.push(client);
    return client;
  }

  dataDir(agent: ServiceProcess): string {
    return join(this.folder, agent.name);
  }

  get sharedRoot(): string {
    return join(this.folder, 'shared');
  }

  async stop(): Promise<void> {
    await Promise.allSettled(this.#clients.map((client) => client.close()));
    await Promise.allSettled([...this.agents, ...this.managers].map((service) => service.kill('SIGKILL')));
    await Promise.allSettled([this.etcd.stop(), this.nats.stop()]);
    // Guardians outlive their agents, which is what they are for.
    await killAllOn(this.folder);
    await this.#testFolder.remove();
  }

  async #makeAgent(node: string, more: readonly object[], via: readonly string[]): Promise<ServiceProcess> {
    const dataDir = join(this.folder, node);
    await mkdir(dataDir);
    const drivers = join(dataDir, 'drivers.json');
    await writeFile(drivers, JSON.stringify([{ name: 'shared', kind: 'shared', root: this.sharedRoot, unguarded: true }, ...more]));
    const args = [`--node=${node}`, `--data-dir=${dataDir}`, '--listen=127.0.0.1:0', `--nats=${this.nats.url}`, `--drivers=${drivers}`];
    return new ServiceProcess(node, 'agent', args, via);
  }
}

/** A caller that does its one duty: while the answer is unavailable or unknown, the same call again. */
export async function persist<T>(call: () => Promise<T>): Promise<T> {
  let outcome: { readonly value: T } | undefined;
  await waitFor(
    async () => {
      try {
        outcome = { value: await call() };
      } catch (error) {
        if (!(error instanceof AppError) || (error.kind !== 'unavailable' && error.kind !== 'deadline')) {
          return { refused: error };
        }
        throw error;
      }
      return outcome;
    },
    { what: 'a call to be answered', timeoutMs: 120_000 },
  ).then((end) => {
    if ('refused' in end) throw end.refused as Error;
  });
  if (outcome === undefined) throw new Error('the call was answered, and its answer is missing');
  return outcome.value;
}

export function context(timeoutMs = 30_000): CallContext {
  // Nobody fires it: the client's own deadline ends a call.
  return { signal: new AbortController().signal, timeoutMs };
}
