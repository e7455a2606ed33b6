import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { waitFor } from '@volplane/testkit';
import { call, okOf, type Called } from './call.js';
import { CACHE, debianRoot, isThere } from './debian-root.js';

const CHECKOUT = fileURLToPath(new URL('../../..', import.meta.url));

/**
 * A machine within the machine, on which an engine runs with all its defaults: root file system, processes, network and
 * /var/lib/volplane are its own, and only its kernel is the one below. It reaches what the machine below reaches, and nobody reaches it.
 *
 * Everything in it ends with its first process, and that ends with this one, however this one ends.
 */
export class SmallMachine {
  readonly #folder: string;
  readonly #init: ChildProcess;
  /** Of its first process, as the machine below numbers it. */
  readonly #pid: string;
  readonly #ends: (() => Promise<unknown>)[] = [];

  private constructor(folder: string, init: ChildProcess, pid: string) {
    this.#folder = folder;
    this.#init = init;
    this.#pid = pid;
  }

  /** Starts it with an engine that answers, or leaves nothing behind. */
  static async start(): Promise<SmallMachine> {
    const root = await debianRoot(ENGINE_SUITE, ENGINE_PACKAGES);
    await removeEarlier();
    const folder = join(CACHE, `${FOLDER}${String(process.pid)}`);
    await Promise.all(['docker', 'volplane'].map((name) => mkdir(join(folder, name), { recursive: true })));
    await writeFile(join(folder, 'resolv.conf'), `nameserver ${NAME_SERVER}\n`);
    const namespaces = ['--mount', '--net', '--pid', '--ipc', '--uts', '--fork', '--kill-child', '--propagation', 'private'];
    const init = spawn('unshare', [...namespaces, 'sh', '-euc', MOUNTS, 'machine', root, folder, CHECKOUT], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const [pid] = (await Promise.race([once(createInterface(init.stdout), 'line'), once(init, 'exit')])) as [string | number];
    if (typeof pid !== 'string') throw new Error(`the machine ended at once (${String(pid)})`);
    const machine = new SmallMachine(folder, init, pid);
    try {
      await machine.#connect();
      await machine.#startEngine();
      return machine;
    } catch (error) {
      await machine.end();
      throw error;
    }
  }

  /** Runs a program in it. @param at - its working directory */
  async run(args: readonly string[], { at = '/', secondsMax = SECONDS_MAX }: RunOptions = {}): Promise<Called> {
    return await call('nsenter', this.#entered(['timeout', '-k', '5', String(secondsMax), 'env', '-C', at, ...args]));
  }

  /** The same for one that must succeed. @returns its output */
  async runOk(args: readonly string[], options: RunOptions = {}): Promise<string> {
    return okOf(await this.run(args, options), args.join(' '));
  }

  async docker(args: readonly string[], options: RunOptions = {}): Promise<string> {
    return await this.runOk(['docker', ...args], options);
  }

  /** The output of a shell's line. It is bash, as people's are. */
  async shell(line: string, options: RunOptions = {}): Promise<string> {
    return await this.runOk(['bash', '-euc', line], options);
  }

  /** Runs a program of this checkout on its network, as somebody would at its console. */
  async callOnNetwork(args: readonly string[]): Promise<Called> {
    return await call('nsenter', ['--target', this.#pid, '--net', '--', ...args]);
  }

  /**
   * Makes an image of a root, and of what is laid over it.
   *
   * @param changes - instructions as in a Dockerfile
   */
  async importImage(name: string, { root, over, changes }: ImagePlan): Promise<void> {
    // Behind one another in the archive would not do: the engine takes no path twice.
    const script =
      over === undefined ? 'cd "$1"; exec tar -c .' : 'mount -t overlay -o "lowerdir=$2:$1" image /mnt; cd /mnt; exec tar -c .';
    const apart = ['--mount', '--propagation', 'private'];
    const tar = spawn('unshare', [...apart, 'sh', '-euc', script, 'image', root, over ?? ''], { stdio: ['ignore', 'pipe', 'inherit'] });
    const args = ['docker', 'import', ...changes.flatMap((change) => ['--change', change]), '-', name];
    const docker = spawn('nsenter', this.#entered(args), { stdio: ['pipe', 'ignore', 'inherit'] });
    const closed = [tar, docker].map(async (child) => ((await once(child, 'close')) as [number])[0]);
    await pipeline(tar.stdout, docker.stdin);
    const codes = await Promise.all(closed);
    if (codes.some((code) => code !== 0)) throw new Error(`image ${name} cannot be imported`);
  }

  /** What the engine has logged. */
  async engineLog(): Promise<string> {
    return await readFile(join(this.#folder, 'dockerd.log'), 'utf8');
  }

  /** Safe to call again. */
  async end(): Promise<void> {
    for (const end of this.#ends.splice(0).toReversed()) await end();
    if (this.#init.exitCode === null && this.#init.signalCode === null) {
      const exited = once(this.#init, 'exit');
      this.#init.stdin?.end();
      await exited;
    }
    // The mounts go with the last process, which the kernel may still be taking down.
    await waitFor(() => remove(this.#folder).then(() => true), { what: `${this.#folder} is removed` });
  }

  #entered(args: readonly string[]): readonly string[] {
    const variables = [`PATH=${PATH}`, 'HOME=/tmp', 'BUILDKIT_PROGRESS=plain', ...proxies()];
    return ['--target', this.#pid, '--mount', '--net', '--pid', '--ipc', '--uts', '--', 'env', '-i', ...variables, ...args];
  }

  /** Outwards through a process on the machine below, whose routes and filters stay as they are. */
  async #connect(): Promise<void> {
    // It ends when its fourth descriptor does, and so with this process, however that ends.
    const slirp = spawn('slirp4netns', ['--configure', '--disable-host-loopback', '--exit-fd=3', this.#pid, 'tap0'], {
      stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    });
    slirp.stderr?.pipe(createWriteStream(join(this.#folder, 'network.log')));
    this.#ends.push(() => endChild(slirp));
    await waitFor(async () => (await this.run(['cat', '/proc/net/route'])).stdout.includes('tap0'), { what: 'the machine has a network' });
  }

  async #startEngine(): Promise<void> {
    // Names of its own for what the kernel keeps for all.
    const dockerd = spawn('nsenter', this.#entered(['dockerd', `--cgroup-parent=/${cgroupOf(this.#folder)}`]), {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const log = createWriteStream(join(this.#folder, 'dockerd.log'));
    dockerd.stdout.pipe(log, { end: false });
    dockerd.stderr.pipe(log, { end: false });
    const answers = async (): Promise<boolean> => dockerd.exitCode !== null || (await this.run(['docker', 'version'])).code === 0;
    await waitFor(answers, { what: 'the engine answers', timeoutMs: 120_000 });
    if (dockerd.exitCode !== null) throw new Error(`dockerd ended:\n${(await this.engineLog()).slice(-4_000)}`);
  }
}

export interface ImagePlan {
  readonly root: string;
  readonly over?: string;
  readonly changes: readonly string[];
}

export interface RunOptions {
  readonly at?: string;
  readonly secondsMax?: number;
}

/** A release with Compose 2 and with an engine that can use CSI plugins: 26.1 to 28.1 cannot. */
const ENGINE_SUITE = 'forky';
const ENGINE_PACKAGES = ['docker.io', 'docker-cli', 'docker-compose', 'docker-buildx', 'ca-certificates', 'iproute2'];

/** Of slirp4netns, which asks whom the machine below asks. */
const NAME_SERVER = '10.0.2.3';
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const SECONDS_MAX = 300;

/**
 * $1 root, $2 folder, $3 checkout. The root stays as it is; what is written lies in the folder or in memory. The first line that it writes
 * is its number on the machine below, whose /proc is still there at that moment.
 */
const MOUNTS = `
  number=$(cut -d ' ' -f 4 /proc/self/stat)
  mount --bind "$1" "$1"
  cd "$1"
  mkdir -p var/lib/docker var/lib/volplane checkout
  mount --bind "$2/docker" var/lib/docker
  mount --bind "$2/volplane" var/lib/volplane
  mount --bind "$3" checkout && mount -o remount,bind,ro checkout
  mount --bind "$2/resolv.conf" etc/resolv.conf
  for each in run tmp etc/docker; do mkdir -p $each; mount -t tmpfs tmpfs $each; done
  chmod 1777 tmp
  mount -t proc proc proc
  mount -t sysfs sysfs sys
  mount --rbind /sys/fs/cgroup sys/fs/cgroup
  mount --rbind /dev dev
  mount -o remount,bind,ro .
  pivot_root . mnt
  umount -l /mnt
  # As systemd does.
  mount --make-rshared /
  ip link set lo up
  hostname volplane-machine
  echo "$number"
  exec docker-init -s -- cat >/dev/null`;

/** Where the machine needs them to reach anything, the engine and its builds do too. */
function proxies(): readonly string[] {
  const names = ['http_proxy', 'https_proxy', 'no_proxy'].flatMap((name) => [name, name.toUpperCase()]);
  return names.flatMap((name) => (process.env[name] === undefined ? [] : [`${name}=${process.env[name]}`]));
}

async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  await exited;
}

/** A run that was killed ended its machine with itself, and left what lay on the disk. */
async function removeEarlier(): Promise<void> {
  const names = (await readdir(CACHE)).filter((name) => name.startsWith(FOLDER));
  for (const name of names) if (!(await isThere(join('/proc', name.slice(FOLDER.length))))) await remove(join(CACHE, name));
}

async function remove(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  // The engine leaves the one that it was told to use.
  await call('find', ['/sys/fs/cgroup', '-depth', '-type', 'd', '-path', `*/${cgroupOf(folder)}*`, '-exec', 'rmdir', '{}', ';']);
}

function cgroupOf(folder: string): string {
  return `volplane-${basename(folder)}`;
}

/** In the cache, with the number of the process that it belongs to. */
const FOLDER = 'machine-';
