import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { silentLogger, systemClock } from '@volplane/base';
import type { VolumeUid } from '@volplane/domain';
import { waitFor, type TestFolder } from '@volplane/testkit';
import { GuardianClient } from '../src/guardian/guardian-client.js';

/** The one that agents start. */
const GUARDIAN_MAIN = fileURLToPath(new URL('../../../services/agent/src/guardian-main.ts', import.meta.url));
const AGENT = fileURLToPath(new URL('guarded-agent-process.ts', import.meta.url));

export const UID = 'b'.repeat(32) as VolumeUid; // 32 hexadecimal characters is what a volume uid is

/** A child whose lines are kept, and whose end can be asked for and waited for. */
export class LineProcess {
  readonly lines: string[] = [];
  readonly #child: ChildProcess;
  #isClosed = false;

  constructor(args: readonly string[]) {
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on('line', (line) => this.lines.push(line));
    child.once('close', () => {
      this.#isClosed = true;
    });
  }

  get exitCode(): number | null {
    return this.#child.exitCode;
  }

  get ended(): boolean {
    return this.#isClosed;
  }

  async said(text: string): Promise<void> {
    await waitFor(() => this.lines.some((line) => line.includes(text)), { what: `the process says ${text}` }).catch((error: unknown) => {
      throw new Error(`it said: ${this.lines.slice(-5).join(' | ')}`, { cause: error });
    });
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (!this.ended) this.#child.kill(signal);
    await waitFor(() => this.ended, { what: 'the process to end' });
  }
}

/** A guardian, what stands for its agent, and writers, as processes of their own around one folder; `stop` ends all of them. */
export class GuardedMachine {
  readonly guardianFolder: string;
  readonly #folder: TestFolder;
  readonly #processes: LineProcess[] = [];
  #connections = new AbortController();

  private constructor(folder: TestFolder) {
    this.#folder = folder;
    this.guardianFolder = join(folder.path, 'guardian');
  }

  static async make(folder: TestFolder): Promise<GuardedMachine> {
    const machine = new GuardedMachine(folder);
    await mkdir(machine.guardianFolder, { mode: 0o700 });
    return machine;
  }

  /** An ext4 image on a loop device, not mounted yet. */
  async makeDevice(name: string): Promise<{ readonly device: string; readonly target: string }> {
    const target = join(this.#folder.path, name);
    await mkdir(target);
    const image = await this.#folder.makeImage(name, { type: 'ext4' });
    const { stdout } = await promisify(execFile)('losetup', ['--find', '--show', image]);
    return { device: stdout.trim(), target };
  }

  /** Starts one and connects to it, before it finds itself idle. */
  async startGuardian(): Promise<{ readonly guardian: LineProcess; readonly client: GuardianClient }> {
    const guardian = this.#start([GUARDIAN_MAIN, this.guardianFolder]);
    const client = this.#connect();
    await waitFor(() => client.alive || guardian.ended, { what: 'the guardian answers' });
    if (guardian.ended) throw new Error(`the guardian ended: ${guardian.lines.slice(-5).join(' | ')}`);
    return { guardian, client };
  }

  startAgent(place: { readonly device: string; readonly target: string }, lifeMs: number): LineProcess {
    return this.#start([AGENT, this.guardianFolder, UID, place.device, place.target, String(lifeMs)]);
  }

  /** Appends and syncs for ever; says how much was taken, and at last why no more was. */
  startWriter(path: string): LineProcess {
    const script = `
      const fs = require('node:fs');
      const file = fs.openSync(${JSON.stringify(path)}, 'a');
      let count = 0;
      const write = () => {
        try {
          fs.writeSync(file, 'line\\n');
          fs.fsyncSync(file);
          count += 1;
          process.stdout.write('written ' + count + '\\n');
          setTimeout(write, 5);
        } catch (error) {
          process.stdout.write('refused ' + error.code + '\\n');
        }
      };
      write();`;
    return this.#start(['-e', script], []);
  }

  /** Ends the connections of this process. */
  disconnect(): void {
    this.#connections.abort();
    this.#connections = new AbortController();
  }

  async stop(): Promise<void> {
    this.disconnect();
    await Promise.all(this.#processes.map((each) => each.kill()));
  }

  /** The agent's end of the guardian's socket, in this process. */
  #connect(): GuardianClient {
    const client = new GuardianClient({
      folder: this.guardianFolder,
      spawn: () => Promise.resolve(),
      clock: systemClock,
      log: silentLogger,
    });
    client.run(this.#connections.signal).catch(() => undefined);
    return client;
  }

  #start(args: readonly string[], loader = ['--import=tsx', '--conditions=@volplane/source']): LineProcess {
    const started = new LineProcess([...loader, ...args]);
    this.#processes.push(started);
    return started;
  }
}
