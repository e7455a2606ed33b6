import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Child, ChildProcesses } from '../../../deploy/dev/swarm/child-processes.js';
import { controlGroup, containerdSocket, writeContainerdFile, writeKubeletFile, type NodePlace } from './kubelet-files.js';
import { toolsFolder } from './kubernetes-suite.js';
import { Registrar } from './registrar.js';

const exec = promisify(execFile);

/** containerd and kubelet of one node, and the registration of a CSI plugin there. */
export class KubeNode {
  readonly place: NodePlace;
  readonly #processes: ChildProcesses;
  #kubelet: Child | undefined;
  #registrar: Registrar | undefined;

  constructor(place: NodePlace, processes: ChildProcesses) {
    this.place = place;
    this.#processes = processes;
  }

  get #root(): string {
    return join(this.place.folder, 'kubelet');
  }

  async start(options: { readonly images: string; readonly config: string }): Promise<void> {
    const { folder, name, address } = this.place;
    await mkdir(join(this.#root, 'plugins_registry'), { recursive: true });
    await exec('ip', ['address', 'replace', `${address}/32`, 'dev', 'lo']);
    const settings = await writeContainerdFile(this.place);
    const socket = containerdSocket(this.place);
    const command = { name: `${name}-containerd`, command: 'containerd', args: ['--config', settings, '--log-level=info'] };
    await this.#processes.start(command, async () => await isDone(exec('ctr', ['--address', socket, 'version'])));
    await exec('ctr', ['--address', socket, '--namespace', 'k8s.io', 'images', 'import', options.images]);
    for (const hierarchy of await hierarchies()) await mkdir(join(hierarchy, controlGroup(this.place)), { recursive: true });
    await writeKubeletFile(this.place);
    await this.startKubelet(options.config);
    await mkdir(folder, { recursive: true });
  }

  async startKubelet(config: string): Promise<void> {
    const { folder, name, address, healthPort } = this.place;
    const args = [
      ...[`--config=${join(folder, 'kubelet.json')}`, `--kubeconfig=${config}`, `--root-dir=${this.#root}`],
      ...[`--cert-dir=${join(folder, 'certificates')}`, `--hostname-override=${name}`, `--node-ip=${address}`],
    ];
    const command = { name: `${name}-kubelet`, command: join(toolsFolder(), 'bin', 'kubelet'), args };
    this.#kubelet = await this.#processes.start(command, async () => {
      const response = await fetch(`http://127.0.0.1:${String(healthPort)}/healthz`);
      return response.ok;
    });
  }

  /** Ends kubelet as a crash does; what it has started goes on. */
  async killKubelet(): Promise<void> {
    if (this.#kubelet === undefined) throw new Error(`no kubelet runs on ${this.place.name}`);
    process.kill(this.#kubelet.pid, 'SIGKILL');
    await this.#kubelet.ended;
    this.#kubelet = undefined;
  }

  /** Tells kubelet of the plugin, and resolves when kubelet has accepted it. */
  async register(plugin: { readonly name: string; readonly endpoint: string }): Promise<void> {
    this.#registrar ??= await Registrar.start(join(this.#root, 'plugins_registry', `${plugin.name}-reg.sock`), plugin);
    await this.#registrar.accepted;
  }

  async stop(): Promise<void> {
    await this.#registrar?.stop();
  }
}

/** The folders under which control groups are made: one for each hierarchy of the first generation, or the one of the second. */
async function hierarchies(): Promise<readonly string[]> {
  const { stdout } = await exec('findmnt', ['--noheadings', '--raw', '--types', 'cgroup,cgroup2', '--output', 'TARGET']);
  return stdout.split('\n').filter((line) => line !== '');
}

async function isDone(work: Promise<unknown>): Promise<boolean> {
  return await work.then(
    () => true,
    () => false,
  );
}
