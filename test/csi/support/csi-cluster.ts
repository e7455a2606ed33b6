import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { SpecLevel } from '@volplane/csi';
import { createClient, type VolplaneClient } from '@volplane/rpc';
import { makeTestFolder, startEtcd, startNatsServer, waitFor, type TestFolder, type TestServer } from '@volplane/testkit';
import { ChildProcesses, type Child } from '../../../deploy/dev/swarm/child-processes.js';
import { CsiClient } from '../../../packages/csi/test/support/csi-client.js';

export interface CsiClusterOptions {
  readonly level?: SpecLevel;
  /** Names of the nodes; default one, `n1`. */
  readonly nodes?: readonly string[];
  /** Entries of the nodes' driver files; `FOLDER` stands for a folder that all nodes see. */
  readonly drivers?: readonly object[];
  /** The driver of volumes whose parameters name none. */
  readonly driver?: string;
  /** How much managers and agents log; default `debug`. */
  readonly logLevel?: 'debug' | 'warn';
  /** Settings of the managers beyond the usual. */
  readonly managerArgs?: readonly string[];
  /** Settings of the agents beyond the usual; `NODE` stands for the node's name, `FOLDER` as above. */
  readonly agentArgs?: readonly string[];
}

/** Volumes of real storage that every node sees, used by one node at a time. */
export const IMAGES = { kind: 'image', name: 'image', root: 'FOLDER', scope: 'global', unguarded: true };

/** etcd, NATS, a manager and agents as processes of their own, each with its CSI socket. */
export class CsiCluster {
  readonly folder: string;
  readonly #testFolder: TestFolder;
  readonly #servers: TestServer[] = [];
  readonly #processes: ChildProcesses;
  readonly #options: CsiClusterOptions;
  readonly #clients: { close(): unknown }[] = [];
  readonly children = new Map<string, Child>();
  #addresses: { etcd: string; nats: string } = { etcd: '', nats: '' };

  private constructor(folder: TestFolder, options: CsiClusterOptions) {
    this.#testFolder = folder;
    this.folder = folder.path;
    this.#options = options;
    this.#processes = new ChildProcesses(folder.path);
  }

  /** @throws Error with the end of the log of what did not start; nothing is left running */
  static async start(options: CsiClusterOptions = {}): Promise<CsiCluster> {
    const cluster = new CsiCluster(await makeTestFolder(), options);
    try {
      await cluster.#startAll();
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  get controllerEndpoint(): string {
    return `unix://${join(this.folder, 'controller.sock')}`;
  }

  nodeEndpoint(node: string): string {
    return `unix://${join(this.folder, node, 'csi.sock')}`;
  }

  /** Where `volctl` finds the manager. */
  get managerAddress(): string {
    return `unix:${join(this.folder, 'manager.sock')}`;
  }

  /** Where `volctl` finds a node's agent. */
  agentAddress(node: string): string {
    return `unix:${join(this.folder, node, 'agent.sock')}`;
  }

  controller(): CsiClient {
    return this.#owned(new CsiClient(join(this.folder, 'controller.sock')));
  }

  node(name: string): CsiClient {
    return this.#owned(new CsiClient(join(this.folder, name, 'csi.sock')));
  }

  /** The gRPC door of a node's agent. */
  agent(node: string): VolplaneClient {
    return this.#owned(createClient({ addresses: [this.agentAddress(node)] }));
  }

  async startManager(): Promise<void> {
    const { etcd, nats } = this.#addresses;
    await this.#startService('manager', 'manager', join(this.folder, 'controller.sock'), [
      ...['--id=manager', `--listen=${this.managerAddress}`, `--etcd=${etcd}`, `--nats=${nats}`, '--session-ttl-ms=5000'],
      ...(this.#options.managerArgs ?? []),
    ]);
  }

  async startAgent(node: string): Promise<void> {
    const data = join(this.folder, node);
    await mkdir(data, { recursive: true });
    const drivers = this.#filled(JSON.stringify(this.#options.drivers ?? []), node);
    await writeFile(join(data, 'drivers.json'), drivers);
    await this.#startService('agent', node, join(data, 'csi.sock'), [
      ...[`--node=${node}`, `--data-dir=${data}`, `--listen=${this.agentAddress(node)}`, `--nats=${this.#addresses.nats}`],
      ...[`--drivers=${join(data, 'drivers.json')}`, ...(this.#options.agentArgs ?? []).map((arg) => this.#filled(arg, node))],
    ]);
  }

  /** Ends a process as a crash does. */
  async kill(name: string): Promise<void> {
    const child = this.children.get(name);
    if (child === undefined) throw new Error(`nothing named ${name} runs`);
    process.kill(child.pid, 'SIGKILL');
    await child.ended;
    this.children.delete(name);
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) await client.close();
    await this.#processes.stop();
    await Promise.all(this.#servers.map((server) => server.stop()));
    for (const node of this.#options.nodes ?? ['n1']) await endGuardian(join(this.folder, node, 'guardian'));
    await this.#testFolder.remove();
  }

  async #startAll(): Promise<void> {
    await mkdir(join(this.folder, 'shared'));
    const [etcd, nats] = await Promise.all([startEtcd(), startNatsServer()]);
    this.#servers.push(etcd, nats);
    this.#addresses = { etcd: etcd.endpoints.join(','), nats: nats.url };
    await this.startManager();
    for (const node of this.#options.nodes ?? ['n1']) await this.startAgent(node);
    const { driver = 'local' } = this.#options;
    const controller = this.controller();
    await waitFor(async () => (await controller.call('Probe', {})).ready?.value, { what: 'the CSI controller is ready' });
    await Promise.all(
      (this.#options.nodes ?? ['n1']).map((node) =>
        waitFor(
          async () =>
            (await this.agent(node).listDrivers({}, CALL)).find(({ info, nodes }) => info.name === driver && nodes.includes(node as never)),
          {
            what: `node ${node} offers driver ${driver} to the managers`,
          },
        ),
      ),
    );
  }

  async #startService(service: 'manager' | 'agent', name: string, socket: string, args: readonly string[]): Promise<void> {
    const main = fileURLToPath(new URL(`../../../services/${service}/src/main.ts`, import.meta.url));
    const { level = '1.12', driver = 'local', logLevel = 'debug' } = this.#options;
    const csi = [`--csi-spec=${level}`, `--csi-driver=${driver}`, `--log-level=${logLevel}`, '--log-format=text'];
    // As orchestrators set it: Kubernetes and Nomad as a URL, Swarm as a plain path.
    const env = { ...process.env, CSI_ENDPOINT: service === 'manager' ? `unix://${socket}` : socket };
    const client = new CsiClient(socket);
    try {
      const isReady = async (): Promise<boolean> => (await client.call('GetPluginInfo', {}, { timeoutMs: 1_000 })).name !== '';
      const command = {
        name,
        command: process.execPath,
        env,
        args: ['--import=tsx', '--conditions=@volplane/source', main, ...args, ...csi],
      };
      this.children.set(name, await this.#processes.start(command, isReady));
    } finally {
      client.close();
    }
  }

  #filled(text: string, node: string): string {
    return text.replaceAll('FOLDER', join(this.folder, 'shared')).replaceAll('NODE', node);
  }

  #owned<T extends { close(): unknown }>(client: T): T {
    this.#clients.push(client);
    return client;
  }
}

/** Guardians outlive their agents by a minute; each says in its log who it is. */
async function endGuardian(folder: string): Promise<void> {
  const log = await readFile(join(folder, 'guardian.log'), 'utf8').catch(() => '');
  for (const [, pid = ''] of log.matchAll(/"pid":(\d+)/g)) {
    const commandFile = `/proc/${pid}/cmdline`;
    const isOurs = async (): Promise<boolean> => (await readFile(commandFile, 'utf8').catch(() => '')).includes(folder);
    if (!(await isOurs())) continue;
    process.kill(Number(pid), 'SIGTERM');
    await waitFor(async () => !(await isOurs()), { what: `guardian ${pid} has ended` });
  }
}

const CALL = { signal: new AbortController().signal, timeoutMs: 10_000 };
