import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitFor } from '@volplane/testkit';
import { killProcesses, listProcesses } from './processes.js';

/**
 * One "host": a mount namespace with a plugin folder of its own at /run/docker/plugins, in which an engine and an agent run.
 *
 * Several of them live on one machine and share its file system, as hosts share a storage.
 */
export class TestHost {
  readonly name: string;
  /** Everything of this host; removed at the end. */
  readonly folder: string;
  readonly pluginFolder: string;
  readonly #holder: ChildProcess;

  private constructor(name: string, folder: string, pluginFolder: string, holder: ChildProcess) {
    this.name = name;
    this.folder = folder;
    this.pluginFolder = pluginFolder;
    this.#holder = holder;
  }

  static async start(name: string): Promise<TestHost> {
    const folder = await mkdtemp(join(tmpdir(), `volplane-${name}-`));
    const pluginFolder = join(folder, 'plugins');
    await mkdir(pluginFolder);
    const script = 'mkdir -p /run/docker/plugins && mount --bind "$1" /run/docker/plugins && echo ready && exec cat >/dev/null';
    // The holder ends with this process too: its input is a pipe.
    const holder = spawn('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', script, 'host', pluginFolder], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    await once(holder.stdout, 'data');
    return new TestHost(name, folder, pluginFolder, holder);
  }

  /** Starts a process on this host; its pid is the program's own. */
  spawn(command: string, args: readonly string[], options: SpawnOptions): ChildProcess {
    return spawn('nsenter', [`--mount=/proc/${String(this.#holder.pid)}/ns/mnt`, '--', command, ...args], options);
  }

  /**
   * Power off: kills every process in this namespace (engine, agent, guardian, shims) and their children, the containers.
   * What was mounted here goes with the namespace. The holder stays, so that the host can come up again with empty hands.
   */
  async powerOff(): Promise<void> {
    await waitFor(async () => (await this.#killAll()) === 0, { what: `every process of host ${this.name} is gone` });
  }

  /** Ends every process, then the namespace with its mounts, then the folder. */
  async end(): Promise<void> {
    await this.powerOff();
    await endProcess(this.#holder, 'SIGKILL');
    // A mount of the namespace goes with its last process, which the kernel may still be taking down.
    await waitFor(() => rm(this.folder, { recursive: true, force: true }).then(() => true), {
      what: `the folder of host ${this.name} is removed`,
    });
  }

  /** @returns how many there were */
  async #killAll(): Promise<number> {
    const own = await readlink(`/proc/${String(this.#holder.pid)}/ns/mnt`);
    const all = await listProcesses();
    const here = all.filter(({ mountNamespace, pid }) => mountNamespace === own && pid !== this.#holder.pid).map(({ pid }) => pid);
    return killProcesses([...here, ...all.filter(({ parent }) => here.includes(parent)).map(({ pid }) => pid)]);
  }
}

/** Ends a child and waits for it; ended already: fine. */
export async function endProcess(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill(signal);
  await exited;
}
