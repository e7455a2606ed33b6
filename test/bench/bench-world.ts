import { fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createClient } from '@volplane/rpc';
import { startEtcd, startNatsServer, waitFor, type EtcdServer, type NatsServer } from '@volplane/testkit';
import { DockerEngine } from './docker-engine.js';
import type { ChainPlaces } from './chain/chain-path.js';
import type { Job, JobAnswer, JobResult, Targets } from './load/job.js';
import { phaseMeans, readPhases, type PhaseSums } from './phase-times.js';
import { cpuSeconds, ServiceProcess } from './service-process.js';

const LOADED = ['--import=tsx', '--conditions=@volplane/source'];
const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

/** Everything that is measured, each a process of its own: etcd, NATS, one manager, one agent, an echo server, Docker; and the load. */
export class BenchWorld {
  readonly #folder: string;
  readonly #children = new Map<string, ChildProcess>();
  readonly #services: ServiceProcess[] = [];
  /** Of manager and agent. */
  #metrics: readonly string[] = [];
  #etcd: EtcdServer | undefined;
  #nats: NatsServer | undefined;
  #docker: DockerEngine | undefined;
  #load: ChildProcess | undefined;
  #targets: Targets | undefined;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async start(options: { readonly csi: string; readonly docker: boolean; readonly profileFolder?: string }): Promise<BenchWorld> {
    const world = new BenchWorld(await mkdtemp(join(tmpdir(), 'volplane-bench-')));
    try {
      await world.#start(options);
      return world;
    } catch (error) {
      await world.stop();
      throw error;
    }
  }

  get targets(): Targets {
    if (this.#targets === undefined) throw new Error('the bench is not started');
    return this.#targets;
  }

  /** @throws Error when an operation failed: a bench of failures says nothing */
  async measure(job: Omit<Job, 'targets'>): Promise<JobResult> {
    const load = this.#load;
    if (load === undefined) throw new Error('the bench is not started');
    const [before, phasesBefore] = [await this.#cpuSeconds(), await this.#phases()];
    const answered = once(load, 'message') as Promise<[JobAnswer]>;
    load.send({ ...job, targets: this.targets });
    const [answer] = await answered;
    if ('fault' in answer) throw new Error(answer.fault);
    const { result } = answer;
    const phases = await this.#phases();
    const phaseMs = { manager: phaseMeans(phasesBefore.manager, phases.manager), agent: phaseMeans(phasesBefore.agent, phases.agent) };
    const cpuMicros = Object.entries(await this.#cpuSeconds()).map(([name, seconds]) => {
      const used = seconds - (before[name] ?? 0);
      return [name, Math.round((used * 1_000_000) / Math.max(1, result.operationsInAll))] as const;
    });
    return { ...result, phaseMs, cpuMicros: Object.fromEntries(cpuMicros.filter(([, micros]) => micros > 0)) };
  }

  async stop(): Promise<void> {
    if (this.#load !== undefined) {
      const ended = once(this.#load, 'exit');
      this.#load.disconnect();
      await ended;
    }
    for (const service of this.#services.reverse()) await service.stop();
    for (const child of this.#children.values()) child.kill('SIGKILL');
    await Promise.all([this.#etcd?.stop(), this.#nats?.stop(), this.#docker?.stop()]);
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }

  async #start({
    csi,
    docker,
    profileFolder,
  }: {
    readonly csi: string;
    readonly docker: boolean;
    readonly profileFolder?: string;
  }): Promise<void> {
    [this.#etcd, this.#nats] = await Promise.all([startEtcd({}), startNatsServer({})]);
    if (docker) this.#docker = await DockerEngine.startIfHere(join(this.#folder, 'docker'));
    const [etcd = ''] = this.#etcd.endpoints;
    const nats = this.#nats.url;
    const own = { folder: this.#folder, ...(profileFolder === undefined ? {} : { profileFolder }) };
    const manager = this.#own(
      ServiceProcess.start({
        ...own,
        service: 'manager',
        label: 'manager',
        args: [METRICS, '--listen=127.0.0.1:0', `--etcd=${etcd}`, `--nats=${nats}`],
      }),
    );
    const drivers = join(this.#folder, 'drivers.json');
    const root = join(this.#folder, 'shared');
    await mkdir(root);
    await writeFile(drivers, JSON.stringify([{ name: 'shared', kind: 'shared', root, unguarded: true }]));
    const places = [METRICS, `--data-dir=${join(this.#folder, 'agent')}`, '--listen=127.0.0.1:0', `--nats=${nats}`, `--drivers=${drivers}`];
    const agent = this.#own(ServiceProcess.start({ ...own, service: 'agent', label: 'agent', args: [`--node=${NODE}`, ...places] }));
    const [managerAddress, agentAddress] = await Promise.all([manager.address(), agent.address()]);
    this.#metrics = [await manager.metricsAddress(), await agent.metricsAddress()];
    await connected(managerAddress);
    this.#targets = {
      ...{
        echo: await this.#startServer('echo', 'echo-server.ts'),
        chain: await this.#startChain({ etcd, nats }),
        etcd,
        manager: managerAddress,
        agent: agentAddress,
      },
      ...{ node: NODE, docker: this.#docker?.socket ?? '', csi },
    };
    this.#load = fork(here('load/load-main.ts'), [], { execArgv: LOADED, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  }

  async #phases(): Promise<{ readonly manager: PhaseSums; readonly agent: PhaseSums }> {
    const [manager = '', agent = ''] = this.#metrics;
    return { manager: await readPhases(manager), agent: await readPhases(agent) };
  }

  async #cpuSeconds(): Promise<Readonly<Record<string, number>>> {
    const [manager, agent] = this.#services;
    const pids = {
      ...Object.fromEntries([...this.#children].map(([name, child]) => [name, child.pid])),
      ...{ load: this.#load?.pid, manager: manager?.pid, agent: agent?.pid },
      ...{ etcd: this.#etcd?.pid, nats: this.#nats?.pid, docker: this.#docker?.pid },
    };
    const used = Object.entries(pids).map(async ([name, pid]) => [name, pid === undefined ? 0 : await cpuSeconds(pid)] as const);
    return Object.fromEntries(await Promise.all(used));
  }

  #own(service: ServiceProcess): ServiceProcess {
    this.#services.push(service);
    return service;
  }

  async #startChain(places: Omit<ChainPlaces, 'root'>): Promise<string> {
    const root = join(this.#folder, 'chain');
    await mkdir(root);
    const argument = JSON.stringify({ ...places, root } satisfies ChainPlaces);
    await this.#startChild('back', 'chain/chain-back.ts', argument);
    return await this.#startServer('front', 'chain/chain-front.ts', argument);
  }

  /** @returns its address */
  async #startServer(name: string, file: string, ...args: readonly string[]): Promise<string> {
    const { port } = JSON.parse(await this.#startChild(name, file, ...args)) as { readonly port: number };
    return `127.0.0.1:${String(port)}`;
  }

  /** @returns the first that it says */
  async #startChild(name: string, file: string, ...args: readonly string[]): Promise<string> {
    const child = spawn(process.execPath, [...LOADED, here(file), ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#children.set(name, child);
    const ended = once(child, 'exit').then(() => {
      throw new Error(`${file} ended before it was ready`);
    });
    // Only until it is ready; afterwards a failed operation tells.
    ended.catch(() => undefined);
    const [line] = (await Promise.race([once(child.stdout, 'data'), ended])) as [Buffer];
    return line.toString();
  }
}

/** The node is registered at the manager and can be given volumes. */
async function connected(address: string): Promise<void> {
  const client = createClient({ addresses: [address] });
  try {
    const context = { signal: new AbortController().signal, timeoutMs: 10_000 };
    await waitFor(async () => (await client.listNodes({}, context)).nodes.some(({ state }) => state === 'connected'), {
      what: 'the node is connected',
      timeoutMs: 60_000,
    });
  } finally {
    await client.close();
  }
}

const NODE = 'node-1';
const METRICS = '--metrics=127.0.0.1:0';
