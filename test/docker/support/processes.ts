import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, readlink } from 'node:fs/promises';

export interface RunningProcess {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
  readonly mountNamespace: string;
}

/** Every process of the machine that has not ended. */
export async function listProcesses(): Promise<readonly RunningProcess[]> {
  const pids = (await readdir('/proc')).filter((name) => /^[0-9]+$/.test(name));
  const found = await Promise.all(pids.map((pid) => readProcess(pid)));
  return found.filter((one) => one !== undefined);
}

/** SIGKILL for each by its id; ended meanwhile: fine. @returns how many they were */
export function killProcesses(pids: readonly number[]): number {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It ended meanwhile.
    }
  }
  return pids.length;
}

/** Ends a child and waits for it; ended already: fine. */
export async function endProcess(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill(signal);
  await exited;
}

async function readProcess(pid: string): Promise<RunningProcess | undefined> {
  try {
    const [command, status, mountNamespace] = await Promise.all([
      readFile(`/proc/${pid}/cmdline`, 'utf8'),
      readFile(`/proc/${pid}/status`, 'utf8'),
      readlink(`/proc/${pid}/ns/mnt`),
    ]);
    if (/^State:\s+Z/m.test(status)) return undefined;
    return {
      pid: Number(pid),
      parent: Number(/^PPid:\s+([0-9]+)/m.exec(status)?.[1] ?? 0),
      command: command.replaceAll('\0', ' '),
      mountNamespace,
    };
  } catch {
    // It ended while it was looked at, or it is a thread of the kernel.
    return undefined;
  }
}
