import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock, withTimeout } from '@volplane/base';
import { waitFor } from '@volplane/testkit';

export interface ChildCommand {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
}

export interface Child {
  readonly name: string;
  readonly pid: number;
  readonly logFile: string;
  /** Resolves when it has ended, with how: `with code 1`, `by SIGKILL`. */
  readonly ended: Promise<string>;
  /** SIGTERM, and SIGKILL when it has not ended within {@link STOP_MS}. Ended already: fine. */
  stop(): Promise<void>;
}

/** Starts processes with a log file each, and makes sure that none outlives this one. */
export class ChildProcesses {
  readonly #folder: string;
  readonly #watchdog: ChildProcess;
  readonly #children: Child[] = [];

  constructor(folder: string) {
    this.#folder = folder;
    this.#watchdog = spawn(process.execPath, [WATCHDOG], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
    this.#watchdog.unref();
  }

  /** Starts the command and waits until `isReady` says so. @throws Error with the end of its log when it ends before */
  async start(command: ChildCommand, isReady: (child: Child) => Promise<boolean>): Promise<Child> {
    const logFile = join(this.#folder, `${command.name}.log`);
    const descriptor = openSync(logFile, 'a');
    const spawned = spawn(command.command, command.args, { stdio: ['ignore', descriptor, descriptor], env: command.env ?? process.env });
    closeSync(descriptor);
    const child = this.#toChild(spawned, command.name, logFile);
    let endedHow: string | undefined;
    const ended = child.ended.then((how) => {
      endedHow = how;
    });
    await Promise.race([
      ended,
      waitFor(async () => endedHow !== undefined || (await isReady(child)), { timeoutMs: READY_MS, what: `${command.name} to be ready` }),
    ]);
    if (endedHow !== undefined)
      throw new Error(`${command.name} ended ${endedHow} before it was ready; the end of ${logFile}:\n${await tail(logFile)}`);
    return child;
  }

  /** Stops every process, the last started first. */
  async stop(): Promise<void> {
    for (const child of this.#children.reverse()) {
      // One after the other: what was started later uses what was started before.
      await child.stop();
    }
    this.#watchdog.stdin?.end();
  }

  #toChild(spawned: ChildProcess, name: string, logFile: string): Child {
    const ended = new Promise<string>((resolve) => {
      spawned.once('exit', (code, signal) => {
        this.#watchdog.stdin?.write(`-${String(spawned.pid)}\n`);
        resolve(signal === null ? `with code ${String(code)}` : `by ${signal}`);
      });
      spawned.once('error', (error) => {
        resolve(`without having begun (${error.message})`);
      });
    });
    this.#watchdog.stdin?.write(`+${String(spawned.pid)}\n`);
    const child: Child = {
      name,
      pid: spawned.pid ?? -1,
      logFile,
      ended,
      stop: async () => {
        spawned.kill('SIGTERM');
        try {
          await withTimeout(systemClock, ended, { timeoutMs: STOP_MS, onTimeout: () => new Error(`${name} did not end`) });
        } catch {
          // It had its time.
          spawned.kill('SIGKILL');
          await ended;
        }
      },
    };
    this.#children.push(child);
    return child;
  }
}

/** The last lines of a log. */
export async function tail(file: string): Promise<string> {
  const handle = await open(file);
  try {
    const { size } = await handle.stat();
    const start = Math.max(0, size - TAIL_BYTES);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(TAIL_BYTES), 0, TAIL_BYTES, start);
    return buffer.subarray(0, bytesRead).toString('utf8');
  } finally {
    await handle.close();
  }
}

const WATCHDOG = fileURLToPath(new URL('child-watchdog.mjs', import.meta.url));
const READY_MS = 60_000;
const STOP_MS = 10_000;
const TAIL_BYTES = 2_000;
