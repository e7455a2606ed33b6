import { spawn, type ChildProcess } from 'node:child_process';
import { accessSync, closeSync, constants, existsSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, isAbsolute, join } from 'node:path';
import { systemRandom } from '@volplane/base';
import { waitFor } from './wait-for.js';

/** A real server of a test: it listens on loopback only, keeps its ports and its data across restarts, and ends with the test process. */
export interface TestServer {
  /** Process id of the running server. @throws Error while it is down */
  readonly pid: number;
  /** Folder of its data and of `server.log`; removed by `stop`. */
  readonly directory: string;
  /** Ends the process with `signal` (default SIGKILL) and waits until it is gone. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Kills it if it runs, starts it again on the same ports and data, and waits until it answers. */
  restart(): Promise<void>;
  /** Stops it from running (SIGSTOP): connections stay open, and nothing answers from the return of this call on. */
  pause(): void;
  resume(): void;
  /** Ends it and removes its data. Safe to call again. */
  stop(): Promise<void>;
}

export interface ServerCommand {
  /** Name on PATH, and the environment variable that overrides it. */
  readonly binary: string;
  readonly binaryVariable: string;
  readonly args: (directory: string) => readonly string[];
  /** True once the server answers its clients. */
  readonly answers: () => Promise<boolean>;
}

/** Runs one server binary; {@link TestServer} says how it behaves. */
export class ServerProcess implements TestServer {
  readonly directory: string;
  readonly #path: string;
  readonly #command: ServerCommand;
  #child: ChildProcess | undefined;

  /** @throws Error when the binary is missing, or when the server ends before it answers (with the end of its log) */
  static async start(command: ServerCommand): Promise<ServerProcess> {
    const server = new ServerProcess(command);
    try {
      await server.restart();
      return server;
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  constructor(command: ServerCommand) {
    this.#command = command;
    this.#path = findBinary(command);
    this.directory = mkdtempSync(join(tmpdir(), `volplane-${command.binary}-`));
  }

  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error(`${this.#command.binary} is not running`);
    return pid;
  }

  async restart(): Promise<void> {
    await this.kill();
    const log = openSync(this.#logFile, 'a');
    const child = spawn(this.#path, this.#command.args(this.directory), { stdio: ['ignore', log, log] });
    closeSync(log);
    this.#child = child;
    running.add(child);
    child.once('exit', () => running.delete(child));
    child.once('error', () => running.delete(child));
    const state = await waitFor(async () => (hasEnded(child) ? 'ended' : (await this.#command.answers()) && 'answers'), {
      timeoutMs: START_TIMEOUT_MS,
      what: `${this.#command.binary} answers`,
    });
    if (state === 'ended') throw new Error(`${this.#command.binary} ended while starting; end of its log:\n${this.#logTail()}`);
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    this.#child = undefined;
    if (hasEnded(child)) return;
    const ended = new Promise<void>((resolve) => {
      child.once('exit', () => {
        resolve();
      });
    });
    child.kill(signal);
    // A stopped process sees no signal but SIGKILL until it runs again.
    child.kill('SIGCONT');
    await ended;
  }

  pause(): void {
    process.kill(this.pid, 'SIGSTOP');
    // The signal reaches one thread after the other; until then the server may still answer.
    for (let look = 0; look < STOP_LOOKS_MAX && !isStopped(this.pid); look += 1);
  }

  resume(): void {
    process.kill(this.pid, 'SIGCONT');
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.directory, { recursive: true, force: true });
  }

  get #logFile(): string {
    return join(this.directory, 'server.log');
  }

  #logTail(): string {
    return readFileSync(this.#logFile, 'utf8').slice(-LOG_TAIL_CHARACTERS);
  }
}

/**
 * `count` TCP ports of loopback that were free a moment ago, all different.
 *
 * They lie below the range from which Linux takes the local ports of outgoing connections (32768 and above by default): a
 * port from there may be taken while its server is down between kill and restart, by a client that tries to reach it.
 */
export async function freePorts(count: number): Promise<readonly number[]> {
  const ports = new Set<number>();
  for (let tries = 0; ports.size < count; tries += 1) {
    if (tries >= PORT_TRIES_MAX) throw new Error(`no ${String(count)} free ports found in ${String(tries)} tries`);
    const port = randomPort(1);
    // One try after the other: nearly every one is the last.
    if (!ports.has(port) && (await isFree(port))) ports.add(port);
  }
  return [...ports];
}

/** The first of `count` ports in a row, as {@link freePorts} finds them. */
export async function freePortRow(count: number): Promise<number> {
  for (let tries = 0; tries < PORT_TRIES_MAX; tries += 1) {
    const first = randomPort(count);
    const row = await Promise.all(Array.from({ length: count }, (_, index) => isFree(first + index)));
    // One row after the other: nearly every one is the last.
    if (row.every(Boolean)) return first;
  }
  throw new Error(`no row of ${String(count)} free ports found`);
}

/**
 * Above it, `count - 1` more are ours. Each of mocha's parallel workers has ports of its own: what one has found free, and not taken yet,
 * is free for the other as well.
 */
function randomPort(count: number): number {
  const slice = (Number(process.env['MOCHA_WORKER_ID'] ?? 0) % PORT_SLICES) * PORT_SLICE_COUNT;
  return PORT_FIRST + slice + Math.floor(systemRandom.float() * (PORT_SLICE_COUNT - count + 1));
}

const PORT_FIRST = 12_000;
const PORT_SLICE_COUNT = 5_000;
const PORT_SLICES = 4;
const PORT_TRIES_MAX = 1_000;

/** Starting etcd takes about a second on an idle machine. */
const START_TIMEOUT_MS = 60_000;

const LOG_TAIL_CHARACTERS = 2_000;

/** Each look takes some 50 µs; a server stops within a few milliseconds. */
const STOP_LOOKS_MAX = 20_000;

/** True when no thread of the process runs, by the state letter T of each; where there is no /proc, taken for granted. */
function isStopped(pid: number): boolean {
  const tasks = `/proc/${String(pid)}/task`;
  if (!existsSync(tasks)) return true;
  return readdirSync(tasks).every(
    (task) =>
      readFileSync(join(tasks, task, 'stat'), 'utf8')
        .split(') ')
        .at(-1)
        ?.startsWith('T') === true,
  );
}

/** Servers end with the test process, also when a test forgot them. */
const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}

function findBinary({ binary, binaryVariable }: ServerCommand): string {
  const override = process.env[binaryVariable];
  if (override !== undefined && override !== '') {
    if (isAbsolute(override) && isExecutable(override)) return override;
    throw new Error(`${binaryVariable}=${override} is not the absolute path of an executable file`);
  }
  const found = (process.env['PATH'] ?? '')
    .split(delimiter)
    .map((folder) => join(folder, binary))
    .find(isExecutable);
  if (found !== undefined) return found;
  throw new Error(`this test needs ${binary}: install it on PATH, or set ${binaryVariable} to its absolute path`);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    // Missing or not ours to run: either way it is not the binary.
    return false;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => {
      resolve(false);
    });
    server.listen(port, '127.0.0.1', () => {
      server.close(() => {
        resolve(true);
      });
    });
  });
}
