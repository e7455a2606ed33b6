import { createConnection, createServer } from 'node:net';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createClient, type VolplaneClient } from '@volplane/rpc';
import { ChildProcesses, type Child } from './child-processes.js';
import type { SwarmOptions } from './swarm-options.js';

export interface SwarmAddresses {
  readonly etcd: string;
  readonly nats: string;
  readonly managers: readonly string[];
  readonly agents: readonly { readonly node: string; readonly address: string; readonly socket: string }[];
}

/** etcd, NATS, managers and agents as separate processes on loopback, their data and logs in one folder. */
export class Swarm {
  readonly addresses: SwarmAddresses;
  readonly children: readonly Child[];
  readonly #processes: ChildProcesses;
  readonly #clients: VolplaneClient[] = [];

  private constructor(addresses: SwarmAddresses, children: readonly Child[], processes: ChildProcesses) {
    this.addresses = addresses;
    this.children = children;
    this.#processes = processes;
  }

  /** @throws Error naming the port in use, or the process that did not start with the end of its log; nothing is left running */
  static async start(options: SwarmOptions, say: (line: string) => void): Promise<Swarm> {
    const addresses = addressesOf(options);
    await checkPorts(options);
    await mkdir(join(options.folder, 'shared'), { recursive: true });
    const processes = new ChildProcesses(options.folder);
    try {
      const parts = { options, addresses, processes, say };
      // One kind after the other: each needs the ones before it.
      const children = [...(await startServers(parts)), ...(await startManagers(parts)), ...(await startAgents(parts))];
      return new Swarm(addresses, children, processes);
    } catch (error) {
      await processes.stop();
      throw error;
    }
  }

  managers(): VolplaneClient {
    return this.#client(this.addresses.managers);
  }

  agent(index: number): VolplaneClient {
    const agent = this.addresses.agents[index];
    if (agent === undefined) throw new Error(`the swarm has no agent ${String(index)}`);
    return this.#client([agent.address]);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
    await this.#processes.stop();
  }

  #client(addresses: readonly string[]): VolplaneClient {
    const client = createClient({ addresses: [...addresses] });
    this.#clients.push(client);
    return client;
  }
}

interface SwarmParts {
  readonly options: SwarmOptions;
  readonly addresses: SwarmAddresses;
  readonly processes: ChildProcesses;
  readonly say: (line: string) => void;
}

async function startServers({ options, addresses, processes, say }: SwarmParts): Promise<readonly Child[]> {
  const peers = `http://127.0.0.1:${String(options.etcdPort + 1)}`;
  say(`etcd on ${addresses.etcd}, NATS on ${addresses.nats}`);
  const etcd = {
    name: 'etcd',
    command: process.env['VOLPLANE_BIN_ETCD'] ?? 'etcd',
    args: [
      '--name=dev',
      `--data-dir=${join(options.folder, 'etcd')}`,
      `--listen-client-urls=${addresses.etcd}`,
      `--advertise-client-urls=${addresses.etcd}`,
      `--listen-peer-urls=${peers}`,
      `--initial-advertise-peer-urls=${peers}`,
      `--initial-cluster=dev=${peers}`,
      '--auto-compaction-retention=1h',
      '--logger=zap',
    ],
    env: { ...process.env, ETCD_UNSUPPORTED_ARCH: process.arch },
  };
  const nats = {
    name: 'nats',
    command: process.env['VOLPLANE_BIN_NATS_SERVER'] ?? 'nats-server',
    args: ['--addr', '127.0.0.1', '--port', String(options.natsPort)],
  };
  return [await processes.start(etcd, () => accepts(options.etcdPort)), await processes.start(nats, () => accepts(options.natsPort))];
}

async function startManagers({ options, addresses, processes, say }: SwarmParts): Promise<readonly Child[]> {
  const children: Child[] = [];
  for (const [index, address] of addresses.managers.entries()) {
    const name = `manager-${String(index + 1)}`;
    say(`manager ${String(index + 1)} on ${address}`);
    const args = [`--id=${name}`, `--listen=${address}`, `--etcd=${addresses.etcd}`, `--session-ttl-ms=${String(options.sessionTtlMs)}`];
    children.push(await startService(options, processes, 'manager', name, args, addresses.nats, address));
  }
  return children;
}

async function startAgents({ options, addresses, processes, say }: SwarmParts): Promise<readonly Child[]> {
  const children: Child[] = [];
  for (const [index, { node, address, socket }] of addresses.agents.entries()) {
    say(`agent ${node} on ${address} and ${socket}`);
    const dataDir = join(options.folder, node);
    await mkdir(dataDir, { recursive: true });
    const drivers = join(dataDir, 'drivers.json');
    await writeFile(
      drivers,
      JSON.stringify([{ name: 'shared', kind: 'shared', root: join(options.folder, 'shared'), unguarded: true }], null, 2),
    );
    const args = [`--node=${node}`, `--data-dir=${dataDir}`, `--listen=${socket},${address}`, `--drivers=${drivers}`];
    // Their names in the plugin folder are the same for every agent.
    if (index === 0 && options.dockerPlugins !== '') args.push(`--docker-plugins=${options.dockerPlugins}`);
    children.push(await startService(options, processes, 'agent', node, args, addresses.nats, address));
  }
  return children;
}

function startService(
  options: SwarmOptions,
  processes: ChildProcesses,
  service: 'manager' | 'agent',
  name: string,
  args: readonly string[],
  nats: string,
  address: string,
): Promise<Child> {
  const main = join(options.root, 'services', service, 'dist', 'main.js');
  return processes.start(
    { name, command: process.execPath, args: [main, ...args, `--nats=${nats}`, `--log-level=${options.logLevel}`] },
    () => accepts(Number(address.split(':').at(-1))),
  );
}

function addressesOf(options: SwarmOptions): SwarmAddresses {
  const numbers = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index);
  return {
    etcd: `http://127.0.0.1:${String(options.etcdPort)}`,
    nats: `nats://127.0.0.1:${String(options.natsPort)}`,
    managers: numbers(options.managers).map((index) => `127.0.0.1:${String(options.managerPort + index)}`),
    agents: numbers(options.agents).map((index) => {
      const node = `node-${String(index + 1)}`;
      return {
        node,
        address: `127.0.0.1:${String(options.agentPort + index)}`,
        socket: `unix:${join(options.folder, node, 'agent.sock')}`,
      };
    }),
  };
}

/** @throws Error naming every port that is taken, and the flag that moves it */
async function checkPorts(options: SwarmOptions): Promise<void> {
  const wanted = [
    { port: options.etcdPort, flag: '--etcd-port' },
    { port: options.etcdPort + 1, flag: '--etcd-port' },
    { port: options.natsPort, flag: '--nats-port' },
    ...Array.from({ length: options.managers }, (_, index) => ({ port: options.managerPort + index, flag: '--manager-port' })),
    ...Array.from({ length: options.agents }, (_, index) => ({ port: options.agentPort + index, flag: '--agent-port' })),
  ];
  const taken = (await Promise.all(wanted.map(async (each) => ((await isFree(each.port)) ? undefined : each)))).filter(
    (each) => each !== undefined,
  );
  if (taken.length === 0) return;
  const lines = taken.map(({ port, flag }) => `port ${String(port)} of 127.0.0.1 is in use; ${flag} chooses another`);
  throw new Error(`${lines.join('\n')}\nIs another swarm running?`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => {
      resolve(false);
    });
    server.listen(port, '127.0.0.1', () => {
      server.close(() => {
        resolve(true);
      });
    });
  });
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => {
      socket.destroy();
      resolve(false);
    });
  });
}
