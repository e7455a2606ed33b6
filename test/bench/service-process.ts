import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { waitFor } from '@volplane/testkit';

const SERVICES = fileURLToPath(new URL('../../services', import.meta.url));

export interface ServiceOptions {
  readonly service: 'manager' | 'agent';
  readonly args: readonly string[];
  /** Where its log goes, as to a service manager's file. */
  readonly folder: string;
  readonly label: string;
  /** Write a CPU profile there when it ends. */
  readonly profileFolder?: string;
}

/** A built manager or agent, as it is run in production: its log goes to a file and nobody reads it on the way. */
export class ServiceProcess {
  readonly #child: ChildProcess;
  readonly #logPath: string;

  private constructor(child: ChildProcess, logPath: string) {
    this.#child = child;
    this.#logPath = logPath;
  }

  static start(options: ServiceOptions): ServiceProcess {
    const { service, args, folder, label, profileFolder } = options;
    const logPath = join(folder, `${label}.log`);
    const log = openSync(logPath, 'a');
    const profile = profileFolder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${join(profileFolder, label)}`];
    const child = spawn(process.execPath, [...profile, ...programOf(service), ...args], { stdio: ['ignore', log, log] });
    closeSync(log);
    return new ServiceProcess(child, logPath);
  }

  /** The first line of its log with this message. @throws Error when it ends before */
  async said(message: string, timeoutMs = 60_000): Promise<Readonly<Record<string, unknown>>> {
    const found = await waitFor(
      async () => {
        const line = (await readFile(this.#logPath, 'utf8')).split('\n').find((each) => each.includes(`"message":"${message}"`));
        return line ?? (this.#child.exitCode === null ? undefined : 'ended');
      },
      { what: `${this.#logPath} says "${message}"`, timeoutMs },
    );
    if (found === 'ended')
      throw new Error(`the process of ${this.#logPath} ended; is it built?\n${(await readFile(this.#logPath, 'utf8')).slice(-2_000)}`);
    return JSON.parse(found) as Record<string, unknown>; // our own log
  }

  /** The TCP address of its gRPC door. */
  async address(): Promise<string> {
    const { addresses } = await this.said('rpc server opened');
    return (addresses as readonly string[]).find((each) => !each.startsWith('unix:')) ?? '';
  }

  async metricsAddress(): Promise<string> {
    const { address } = await this.said('metrics are shown');
    return String(address);
  }

  async residentMib(): Promise<number> {
    const status = await readFile(`/proc/${String(this.#child.pid)}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1_024;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }
}

/** What is built is what is measured; without a build, as in a test of the bench itself, the source. */
function programOf(service: string): readonly string[] {
  const built = join(SERVICES, service, 'dist/main.js');
  if (existsSync(built)) return [built];
  return ['--import=tsx', '--conditions=@volplane/source', join(SERVICES, service, 'src/main.ts')];
}

/** Seconds of processor time that a process has used, in user and kernel mode; 0 when it is gone. */
export async function cpuSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${String(pid)}/stat`, 'utf8').catch(() => '');
  const fields = stat.replace(/^.*\) /, '').split(' ');
  // utime and stime, in clock ticks; Linux shows 100 a second to every program.
  return stat === '' ? 0 : (Number(fields[11]) + Number(fields[12])) / 100;
}
