import { spawn, type ChildProcess } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock, systemRandom } from '@volplane/base';
import type { VolumeView } from '@volplane/domain';
import type { CallContext } from '@volplane/engine';
import { createClient, type VolplaneClient } from '@volplane/rpc';
import { startEtcd, startNatsServer, waitFor } from '@volplane/testkit';
import { TestEngine, type EngineOptions } from './test-engine.js';
import { endProcess } from './processes.js';
import { TestHost } from './test-host.js';

/** A host with an agent and an engine. */
export interface TestNode {
  readonly name: string;
  readonly host: TestHost;
  readonly engine: TestEngine;
  readonly client: VolplaneClient;
  /** Settings of the agent beyond those that every one has. */
  readonly flags: readonly string[];
  agent: ChildProcess;
}

export interface TestClusterOptions {
  readonly nodes: readonly string[];
  /** More entries for each node's drivers.json, beside `shared` and `disk`. */
  readonly drivers?: (host: TestHost, storage: string) => readonly object[];
  readonly engine?: (node: string) => EngineOptions;
  readonly agentFlags?: (host: TestHost) => readonly string[];
}

/** etcd, NATS, one manager, and nodes with an agent and an engine each: real processes, the storage a folder that all nodes see. */
export class TestCluster {
  readonly nodes: TestNode[] = [];
  readonly manager: VolplaneClient;
  readonly #folder: string;
  /** What ends the parts, in the order in which they were started. */
  readonly #ends: (() => Promise<unknown>)[] = [];

  private constructor(folder: string) {
    this.#folder = folder;
    this.manager = createClient({ addresses: [this.#managerAddress], clock: systemClock, random: systemRandom });
  }

  /** Starts everything, or leaves nothing running. */
  static async start(options: TestClusterOptions): Promise<TestCluster> {
    const cluster = new TestCluster(await mkdtemp(join(tmpdir(), 'volplane-cluster-')));
    try {
      await cluster.#start(options);
    } catch (error) {
      await cluster.end();
      throw error;
    }
    return cluster;
  }

  /** Where the data of global volumes lies. */
  get storage(): string {
    return join(this.#folder, 'storage');
  }

  get #managerAddress(): string {
    return `unix:${join(this.#folder, 'manager.sock')}`;
  }

  async #start(options: TestClusterOptions): Promise<void> {
    await mkdir(join(this.storage, 'images'), { recursive: true });
    const etcd = await startEtcd();
    this.#ends.push(() => etcd.stop());
    const nats = await startNatsServer();
    this.#ends.push(() => nats.stop());
    const args = ['--id=m1', `--listen=${this.#managerAddress}`, `--etcd=${etcd.endpoints.join()}`, `--nats=${nats.url}`];
    const more = [`--session-ttl-ms=${String(SESSION_TTL_MS)}`, '--brake-share=100'];
    const managerProcess = spawn(process.execPath, [mainOf('manager'), ...args, ...more], { stdio: ['ignore', 'pipe', 'pipe'] });
    logged(managerProcess, join(this.#folder, 'manager.log'));
    this.#ends.push(() => endProcess(managerProcess, 'SIGKILL'));
    for (const name of options.nodes) {
      // One after the other: the machine is small.
      const host = await TestHost.start(name);
      this.#ends.push(() => host.end());
      this.nodes.push(await startNode(host, { ...options, nats: nats.url, storage: this.storage }));
    }
    await waitFor(() => this.areConnected(options.nodes), { what: 'every node is connected' });
  }

  node(name: string): TestNode {
    const found = this.nodes.find((node) => node.name === name);
    if (found === undefined) throw new Error(`there is no node ${name}`);
    return found;
  }

  async areConnected(names: readonly string[]): Promise<boolean> {
    const { nodes } = await this.manager.listNodes({}, context());
    return names.every((name) => nodes.some((node) => node.name === name && node.state === 'connected'));
  }

  /** As a manager shows it. */
  volume(name: string): Promise<VolumeView> {
    return this.manager.getVolume({ name }, context());
  }

  /** The nodes that have it attached. */
  async holders(name: string): Promise<readonly string[]> {
    return (await this.volume(name)).attachments.map(({ node }) => node).sort();
  }

  /** Every global volume's name. */
  async volumeNames(): Promise<readonly string[]> {
    const { volumes } = await this.manager.listVolumes({ pageSize: 1_000, filter: { scope: 'global' } }, context());
    return volumes.map(({ name }) => name);
  }

  /** Runs the installed command against the manager, on a node's host where one is named. */
  async volctl(
    args: readonly string[],
    on?: TestNode,
  ): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
    const child = (on?.host.spawn.bind(on.host) ?? spawn)(process.execPath, [mainOf('ctl'), `--address=${this.#managerAddress}`, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const texts = { stdout: '', stderr: '' };
    for (const key of ['stdout', 'stderr'] as const) child[key]?.setEncoding('utf8').on('data', (text: string) => (texts[key] += text));
    const [code] = (await once(child, 'close')) as [number];
    return { code, ...texts };
  }

  /** Copies the logs to where they outlive the run, and says where: for a test that failed. */
  async keepLogs(): Promise<void> {
    const kept = await mkdtemp(join(tmpdir(), 'volplane-failed-'));
    await cp(join(this.#folder, 'manager.log'), join(kept, 'manager.log'));
    for (const { name, host } of this.nodes) {
      for (const log of ['agent.log', 'dockerd.log']) await cp(join(host.folder, log), join(kept, `${name}-${log}`));
    }
    console.log(`        logs are kept in ${kept}`);
  }

  async killAgent(name: string): Promise<void> {
    await endProcess(this.node(name).agent, 'SIGKILL');
  }

  async restartAgent(name: string): Promise<void> {
    const node = this.node(name);
    node.agent = startAgent(node.host, node.flags);
    await waitFor(() => this.areConnected([name]), { what: `node ${name} is connected again` });
  }

  async end(): Promise<void> {
    for (const { client, engine } of this.nodes) {
      // One after the other: each ends many processes.
      await engine.end();
      await client.close();
    }
    await this.manager.close();
    for (const end of this.#ends.toReversed()) await end();
    await rm(this.#folder, { recursive: true });
  }
}

export function context(timeoutMs = 30_000): CallContext {
  return { signal: new AbortController().signal, timeoutMs };
}

/** The shortest that the manager takes and a loaded machine keeps. */
const SESSION_TTL_MS = 5_000;

async function startNode(
  host: TestHost,
  options: TestClusterOptions & { readonly nats: string; readonly storage: string },
): Promise<TestNode> {
  const { nats, storage } = options;
  const { name } = host;
  const drivers = [
    { name: 'shared', kind: 'shared', root: storage, unguarded: true },
    {
      name: 'disk',
      kind: 'image',
      root: join(storage, 'images'),
      scope: 'global',
      unguarded: true,
      mountRoot: join(host.folder, 'disk'),
      defaultSize: '32m',
    },
    ...(options.drivers?.(host, storage) ?? []),
  ];
  await writeFile(join(host.folder, 'drivers.json'), JSON.stringify(drivers));
  const flags = [
    `--node=${name}`,
    `--data-dir=${join(host.folder, 'agent')}`,
    `--listen=unix:${join(host.folder, 'agent.sock')}`,
    `--nats=${nats}`,
    `--drivers=${join(host.folder, 'drivers.json')}`,
    '--docker-plugins=/run/docker/plugins',
    '--docker-driver=shared',
    `--docker-engines=${join(host.folder, 'docker.sock')}`,
    '--docker-grace-ms=2000',
    '--log-level=debug',
    ...(options.agentFlags?.(host) ?? []),
  ];
  const agent = startAgent(host, flags);
  const socket = join(host.pluginFolder, 'volplane.sock');
  await waitFor(async () => agent.exitCode !== null || (await readFile(join(host.folder, 'agent.log'), 'utf8')).includes('agent serves'), {
    what: `the agent of ${name} serves ${socket}`,
  });
  if (agent.exitCode !== null) throw new Error(`the agent ended:\n${await readFile(join(host.folder, 'agent.log'), 'utf8')}`);
  const engine = await TestEngine.start(host, options.engine?.(name));
  const client = createClient({ addresses: [`unix:${join(host.folder, 'agent.sock')}`], clock: systemClock, random: systemRandom });
  return { name, host, engine, client, flags, agent };
}

function startAgent(host: TestHost, flags: readonly string[]): ChildProcess {
  return logged(
    host.spawn(process.execPath, [mainOf('agent'), ...flags], { stdio: ['ignore', 'pipe', 'pipe'] }),
    join(host.folder, 'agent.log'),
  );
}

function logged(child: ChildProcess, file: string): ChildProcess {
  const log = createWriteStream(file, { flags: 'a' });
  child.stdout?.pipe(log, { end: false });
  child.stderr?.pipe(log, { end: false });
  return child;
}

/** As it is installed; `npm run test:docker` builds first. */
function mainOf(service: 'agent' | 'manager' | 'ctl'): string {
  return fileURLToPath(new URL(`../../../services/${service}/dist/main.js`, import.meta.url));
}
