import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitFor } from '@volplane/testkit';
import { endProcess, killProcesses, listProcesses } from './processes.js';
import type { TestNetwork } from './test-network.js';

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
  /** What an engine here sees as /etc/docker/plugins. */
  readonly specFolder: string;
  readonly #holder: ChildProcess;

  private constructor(name: string, folder: string, holder: ChildProcess) {
    this.name = name;
    this.folder = folder;
    this.pluginFolder = join(folder, 'plugins');
    this.specFolder = join(folder, 'specs');
    this.#holder = holder;
  }

  static async start(name: string): Promise<TestHost> {
    const folder = await mkdtemp(join(tmpdir(), `volplane-${name}-`));
    await mkdir(join(folder, 'plugins'));
    await mkdir(join(folder, 'specs'));
    const script = `
      bind() { mkdir -p "$2" && mount --bind "$1" "$2"; }
      bind "$1/plugins" /run/docker/plugins && bind "$1/specs" /etc/docker/plugins && echo ready && exec cat >/dev/null`;
    // The holder ends with this process too: its input is a pipe.
    const holder = spawn('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', script, 'host', folder], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    await once(holder.stdout, 'data');
    return new TestHost(name, folder, holder);
  }

  /** Starts a process on this host; its pid is the program's own. @param network - of the machine where absent */
  spawn(command: string, args: readonly string[], options: SpawnOptions, network?: TestNetwork): ChildProcess {
    const namespaces = [`--mount=/proc/${String(this.#holder.pid)}/ns/mnt`, ...(network === undefined ? [] : [`--net=${network.path}`])];
    return spawn('nsenter', [...namespaces, '--', command, ...args], options);
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
