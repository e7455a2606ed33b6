import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { hasReason, systemClock } from '@volplane/base';
import { systemMounts } from '@volplane/host';
import { mountsBelow, type TcpProxy } from '@volplane/testkit';
import { ClusterProcess } from './cluster-process.js';
import { WriterHost } from './writer-host.js';

const exec = promisify(execFile);

export interface NodeOptions {
  readonly name: string;
  readonly folder: string;
  readonly sharedFolder: string;
  /** Where its agent's log goes. */
  readonly logFolder: string;
  readonly port: number;
  readonly nats: TcpProxy;
  /** More entries of its drivers file; its own way to the shared storage is told. */
  readonly drivers?: (shared: string) => readonly object[];
}

/**
 * One node: its agent, the guardian that the agent starts, and the writers. Its data folder is a small disk of its own, and it reaches the
 * shared storage by a path of its own, so that loop devices and their file systems are apart as on machines that are apart.
 */
export class ClusterNode {
  readonly name: string;
  readonly agent: ClusterProcess;
  readonly writers = new WriterHost();
  /** Its way to NATS. */
  readonly link: TcpProxy;
  readonly #dataFolder: string;

  private constructor(options: NodeOptions) {
    this.name = options.name;
    this.link = options.nats;
    this.#dataFolder = join(options.folder, options.name);
    this.agent = new ClusterProcess('agent', {
      name: options.name,
      port: options.port,
      logFile: join(options.logFolder, `${options.name}.log`),
      args: [
        `--node=${options.name}`,
        `--data-dir=${this.#dataFolder}`,
        `--nats=nats://127.0.0.1:${String(options.nats.port)}`,
        `--drivers=${join(options.folder, `${options.name}.json`)}`,
        '--log-level=debug',
      ],
    });
  }

  static async make(options: NodeOptions): Promise<ClusterNode> {
    const node = new ClusterNode(options);
    const shared = join(options.folder, `${options.name}-shared`);
    await Promise.all([mkdir(node.#dataFolder), mkdir(shared)]);
    await exec('mount', ['-t', 'tmpfs', '-o', `size=${DISK_SIZE}`, 'tmpfs', node.#dataFolder]);
    await exec('mount', ['--bind', options.sharedFolder, shared]);
    const common = { unguarded: true, trashKeepMs: TRASH_KEEP_MS };
    const drivers = [
      { ...common, kind: 'image', name: 'image', root: join(shared, 'images'), scope: 'global', defaultSize: '16m' },
      { ...common, kind: 'shared', name: 'shared', root: join(shared, 'folders') },
      ...(options.drivers?.(shared) ?? []),
    ];
    await writeFile(join(options.folder, `${options.name}.json`), JSON.stringify(drivers));
    return node;
  }

  /** The guardian's process id; undefined = none runs. */
  async guardianPid(): Promise<number | undefined> {
    const folder = join(this.#dataFolder, 'guardian');
    const names = await readdir(folder).catch(() => []);
    for (const name of names) {
      const pid = Number(/^owner\.(\d+)\./.exec(name)?.[1] ?? Number.NaN);
      // A number may have gone to another process meanwhile, so its command line is looked at; one after the other, there is hardly ever a second.
      if (Number.isInteger(pid) && (await commandOf(pid)).includes(folder)) return pid;
    }
    return undefined;
  }

  async signalGuardian(signal: NodeJS.Signals): Promise<void> {
    const pid = await this.guardianPid();
    if (pid !== undefined) sendSignal(pid, signal);
  }

  /** Agent, guardian and writers at one moment; what is stopped is not gone. */
  async signalAll(signal: 'SIGSTOP' | 'SIGCONT'): Promise<void> {
    const guardian = await this.guardianPid();
    this.agent.signal(signal);
    for (const pid of [guardian, this.writers.pid]) if (pid !== undefined) sendSignal(pid, signal);
  }

  /** The machine loses its power: every process and every mount is gone at once. Its disk stays. */
  async powerOff(): Promise<void> {
    const guardian = await this.guardianPid();
    this.agent.killNow();
    this.writers.kill();
    if (guardian !== undefined) sendSignal(guardian, 'SIGKILL');
    await Promise.all([this.agent.kill(), this.writers.close()]);
    // An agent that was just starting may have started one meanwhile.
    await this.signalGuardian('SIGKILL');
    await this.#cutMounts();
  }

  /** Takes all the room of its disk. */
  async fillDisk(): Promise<void> {
    // dd ends with "no space left", which is what it is for.
    await exec('dd', ['if=/dev/zero', `of=${this.#filler}`, 'bs=64k']).catch(() => undefined);
  }

  async freeDisk(): Promise<void> {
    await rm(this.#filler, { force: true });
  }

  async close(): Promise<void> {
    await this.freeDisk();
    await this.powerOff();
    await this.agent.close();
    await this.link.stop();
  }

  async #cutMounts(): Promise<void> {
    const targets = (await mountsBelow(this.#dataFolder)).filter((target) => target !== this.#dataFolder);
    const mounts = systemMounts(systemClock);
    const cut = async (target: string): Promise<void> => {
      try {
        // Shut down without another write, as the loss of power does; what the kernel has of the block device is not carried along later.
        await mounts.abort(target);
      } catch (error) {
        if (!hasReason(error, 'CAPABILITY_MISSING')) throw error;
        // A folder of a bigger file system: its users are gone with the node.
        await mounts.detach(target);
      }
    };
    await Promise.all(targets.map(cut));
  }

  get #filler(): string {
    return join(this.#dataFolder, 'filler');
  }
}

function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

async function commandOf(pid: number): Promise<string> {
  try {
    return await readFile(`/proc/${String(pid)}/cmdline`, 'utf8');
  } catch {
    // Gone.
    return '';
  }
}

/** Room for the journal and the guardian's log of a long run. */
const DISK_SIZE = '48m';
/** Removed volumes are kept to the end of the run, for the checker reads them too. */
const TRASH_KEEP_MS = 30 * 24 * 3_600_000;
