import type { ChildProcess } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { waitFor } from '@volplane/testkit';
import { busyboxImage, IMAGE } from './busybox-image.js';
import { callEngine, type EngineReply } from './engine-call.js';
import { endProcess, killProcesses, listProcesses } from './processes.js';
import type { TestHost } from './test-host.js';
import type { TestNetwork } from './test-network.js';

/** A container as a test starts it. */
export interface ContainerPlan {
  readonly name: string;
  /** Named volumes by mount point; `HostConfig.Mounts` with the driver where one is given. */
  readonly volumes: Readonly<Record<string, string>>;
  readonly driver?: string;
  readonly driverOptions?: Readonly<Record<string, string>>;
  /** For `sh -c`. */
  readonly script: string;
}

export interface EngineOptions {
  /** More of dockerd's own, such as `--live-restore`. */
  readonly flags?: readonly string[];
  /** Where its sockets listen; absent: the machine's. Containers of the tests have none. */
  readonly network?: TestNetwork;
}

/** One Docker Engine on a {@link TestHost}, without networks of its own, and with one image: busybox. */
export class TestEngine {
  readonly host: TestHost;
  readonly socket: string;
  readonly #options: EngineOptions;
  #dockerd: ChildProcess | undefined;

  private constructor(host: TestHost, options: EngineOptions) {
    this.host = host;
    this.socket = join(host.folder, 'docker.sock');
    this.#options = options;
  }

  static async start(host: TestHost, options: EngineOptions = {}): Promise<TestEngine> {
    const engine = new TestEngine(host, options);
    await engine.restart();
    await engine.#loadImage();
    return engine;
  }

  /** Starts dockerd again after {@link kill} or {@link stop}. */
  async restart(): Promise<void> {
    const at = (name: string): string => join(this.host.folder, name);
    const args = ['--data-root', at('data'), '--exec-root', at('exec'), '--pidfile', at('docker.pid'), '--host', `unix://${this.socket}`];
    const plain = ['--iptables=false', '--ip6tables=false', '--bridge=none', '--userland-proxy=false', ...(this.#options.flags ?? [])];
    const dockerd = this.host.spawn('dockerd', [...args, ...plain], { stdio: ['ignore', 'pipe', 'pipe'] }, this.#options.network);
    const log = createWriteStream(at('dockerd.log'), { flags: 'a' });
    dockerd.stdout?.pipe(log, { end: false });
    dockerd.stderr?.pipe(log, { end: false });
    this.#dockerd = dockerd;
    await waitFor(async () => dockerd.exitCode !== null || (await this.call('GET', '/_ping')).status === 200, {
      what: `the engine of ${this.host.name} answers`,
      timeoutMs: 120_000,
    });
    if (dockerd.exitCode !== null) throw new Error(`dockerd ended:\n${(await this.log()).slice(-2_000)}`);
  }

  call(method: string, path: string, body?: unknown): Promise<EngineReply> {
    return callEngine(this.socket, method, path, body);
  }

  log(): Promise<string> {
    return readFile(join(this.host.folder, 'dockerd.log'), 'utf8');
  }

  createVolume(name: string, driver: string, options: Readonly<Record<string, string>> = {}): Promise<EngineReply> {
    return this.call('POST', '/volumes/create', { Name: name, Driver: driver, DriverOpts: options });
  }

  /** The names that `docker volume ls` shows. */
  async volumeNames(): Promise<readonly string[]> {
    const { body } = await this.call('GET', '/volumes');
    return ((body as { Volumes: readonly { Name: string }[] | null }).Volumes ?? []).map(({ Name }) => Name).sort();
  }

  /** Creates and starts a container. @returns the reply of the step that failed, or of the start */
  async run(plan: ContainerPlan): Promise<EngineReply> {
    const created = await this.create(plan);
    return created.status === 201 ? await this.call('POST', `/containers/${plan.name}/start`) : created;
  }

  create(plan: ContainerPlan): Promise<EngineReply> {
    const mounts = Object.entries(plan.volumes).map(([target, source]) => ({
      Type: 'volume',
      Source: source,
      Target: target,
      ...(plan.driver !== undefined && { VolumeOptions: { DriverConfig: { Name: plan.driver, Options: plan.driverOptions ?? {} } } }),
    }));
    const HostConfig = { NetworkMode: 'none', Mounts: mounts };
    // The shell must end at a signal although it is process 1.
    return this.call('POST', `/containers/create?name=${plan.name}`, {
      Image: IMAGE,
      Cmd: ['sh', '-c', `trap 'exit 0' TERM; ${plan.script}`],
      HostConfig,
    });
  }

  /** Waits for the container's end. @returns its exit code */
  async wait(name: string): Promise<number> {
    const { body } = await this.call('POST', `/containers/${name}/wait`);
    return (body as { StatusCode: number }).StatusCode;
  }

  async logs(name: string): Promise<string> {
    const { text } = await this.call('GET', `/containers/${name}/logs?stdout=1&stderr=1`);
    return text;
  }

  async isRunning(name: string): Promise<boolean> {
    const { status, body } = await this.call('GET', `/containers/${name}/json`);
    return status === 200 && (body as { State: { Running: boolean } }).State.Running;
  }

  remove(name: string): Promise<EngineReply> {
    return this.call('DELETE', `/containers/${name}?force=1`);
  }

  /** `kill -9` of the engine alone: its containerd goes with it, containers and their shims live on. */
  async kill(): Promise<void> {
    if (this.#dockerd !== undefined) await endProcess(this.#dockerd, 'SIGKILL');
    const config = join(this.host.folder, 'exec', 'containerd', 'containerd.toml');
    await waitFor(async () => (await listProcesses()).every(({ command }) => !command.includes(config)), {
      what: `containerd of ${this.host.name} is gone`,
    });
    // A new engine asks whether the old one's containerd lives, and takes one that nobody has reaped yet for alive.
    await rm(join(this.host.folder, 'exec', 'containerd', 'containerd.pid'), { force: true });
  }

  async stop(): Promise<void> {
    if (this.#dockerd !== undefined) await endProcess(this.#dockerd, 'SIGTERM');
  }

  /** `kill -9` of everything that runs for this engine: itself, its containerd, the shims, the containers. */
  async killAll(): Promise<void> {
    await this.kill();
    await waitFor(async () => (await killTree(join(this.host.folder, 'exec'))) === 0, {
      what: `every process of the engine of ${this.host.name} is gone`,
    });
  }

  /** After the host's power was off: what a reboot would have cleared. */
  async forgetProcesses(): Promise<void> {
    await rm(join(this.host.folder, 'exec'), { recursive: true, force: true });
    await rm(join(this.host.folder, 'docker.pid'), { force: true });
  }

  /** Removes its containers where it still can, ends it, and kills what is left of it. */
  async end(): Promise<void> {
    const { body } = await this.call('GET', '/containers/json?all=1').catch(() => ({ body: [] }));
    await Promise.all((body as readonly { Id: string }[]).map(({ Id }) => this.remove(Id)));
    await this.stop();
    await this.killAll();
  }

  async #loadImage(): Promise<void> {
    const { status, text } = await this.call('POST', `/images/create?fromSrc=-&repo=${IMAGE}`, await busyboxImage());
    if (status !== 200) throw new Error(`the image cannot be imported: ${text}`);
  }
}

/** Kills the processes that name the folder in their command line, and their children. @returns how many there were */
async function killTree(folder: string): Promise<number> {
  const all = await listProcesses();
  const own = all.filter(({ command }) => command.includes(folder)).map(({ pid }) => pid);
  return killProcesses([...own, ...all.filter(({ parent }) => own.includes(parent)).map(({ pid }) => pid)]);
}
