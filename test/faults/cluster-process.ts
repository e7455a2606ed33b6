import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createWriteStream, type WriteStream } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { sleep, systemClock } from '@volplane/base';
import { waitFor } from '@volplane/testkit';

/** One manager or agent, built and run as it is deployed. While it is wanted it is started again whenever it ends, as systemd would. */
export class ClusterProcess {
  readonly name: string;
  readonly address: string;
  /** How often it ended by itself. */
  restarts = 0;
  readonly #main: string;
  readonly #args: readonly string[];
  readonly #log: WriteStream;
  #child: ChildProcess | undefined;
  #wanted = false;

  constructor(
    service: 'manager' | 'agent',
    options: { readonly name: string; readonly port: number; readonly args: readonly string[]; readonly logFile: string },
  ) {
    this.name = options.name;
    this.address = `127.0.0.1:${String(options.port)}`;
    this.#main = fileURLToPath(new URL(`../../services/${service}/dist/main.js`, import.meta.url));
    if (!existsSync(this.#main)) throw new Error(`${this.#main} is not there: run "npm run build" first`);
    this.#args = [`--listen=${this.address}`, ...options.args];
    this.#log = createWriteStream(options.logFile, { flags: 'a' });
  }

  get alive(): boolean {
    return this.#child !== undefined;
  }

  start(): void {
    this.#wanted = true;
    if (this.#child === undefined) this.#spawn();
  }

  /** Ends it and waits until it is gone. It stays so until {@link start}. */
  async kill(): Promise<void> {
    this.#wanted = false;
    this.signal('SIGKILL');
    await waitFor(() => this.#child === undefined, { what: `${this.name} to end` });
  }

  /** Kills it; who waits for its end uses {@link kill}. */
  killNow(): void {
    this.#wanted = false;
    this.signal('SIGKILL');
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  async close(): Promise<void> {
    await this.kill();
    this.#log.end();
  }

  #spawn(): void {
    const child = spawn(process.execPath, [this.#main, ...this.#args], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    // Its output may outlive it in a guardian's hands, so the end of the process counts, not that of the pipe.
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => this.#log.write(chunk));
    const onEnd = (): void => {
      if (this.#child === child) this.#child = undefined;
      if (this.#wanted) this.#startAgain();
    };
    child.once('exit', onEnd);
    child.once('error', onEnd);
  }

  #startAgain(): void {
    this.restarts += 1;
    sleep(systemClock, RESTART_MS).then(
      () => {
        if (this.#wanted) this.start();
      },
      () => undefined,
    );
  }
}

const RESTART_MS = 1_000;
