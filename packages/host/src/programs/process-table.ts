import { readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { withTimeout, type Clock } from '@volplane/base';

/** One process of this machine, as far as it is needed to tell whether it is still the same and still at work. */
export interface ProcessEntry {
  readonly pid: number;
  /** Clock ticks from the start of the machine to its own; with the pid it names one process for good. */
  readonly startTicks: number;
  readonly group: number;
  readonly session: number;
}

/** Every living process. One that has ended and was not reaped yet is not living. Empty where there is no /proc. */
export async function readProcesses(): Promise<readonly ProcessEntry[]> {
  const names = await readdir('/proc').catch(() => []);
  const read = await Promise.all(names.filter((name) => /^\d+$/.test(name)).map((name) => readProcess(Number(name))));
  return read.filter((entry) => entry !== undefined);
}

/** @returns undefined for one that has ended */
export async function readProcess(pid: number): Promise<ProcessEntry | undefined> {
  // Of all files of a process its `stat` waits for nothing, also when the process hangs in the kernel.
  return parseStat(await readFile(`/proc/${String(pid)}/stat`, 'utf8').catch(() => ''));
}

/** The same at once, for a child that this process has not reaped yet: the number is surely still its own. */
export function readChild(pid: number): ProcessEntry | undefined {
  try {
    return parseStat(readFileSync(`/proc/${String(pid)}/stat`, 'utf8'));
  } catch {
    // No /proc on this machine.
    return undefined;
  }
}

/** Whether the process was started with this variable, by itself or by a parent. One that may not be asked, or hangs too badly to answer: no. */
export async function hasVariable(clock: Clock, pid: number, variable: string): Promise<boolean> {
  const text = readFile(`/proc/${String(pid)}/environ`, 'utf8').catch(() => '');
  const bounded = withTimeout(clock, text, { timeoutMs: ENVIRON_MS_MAX, onTimeout: () => new Error('it does not answer') });
  return (await bounded.catch(() => '')).split('\0').includes(variable);
}

/** See proc_pid_stat(5). The name, in parentheses, may hold anything. */
function parseStat(text: string): ProcessEntry | undefined {
  const [state = '', , group, session, ...rest] = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const startTicks = rest[START_TICKS_AT];
  if (startTicks === undefined || ENDED_STATES.has(state)) return undefined;
  return { pid: Number.parseInt(text, 10), startTicks: Number(startTicks), group: Number(group), session: Number(session) };
}

/** Field 22; the first of `rest` is field 7. */
const START_TICKS_AT = 15;
const ENDED_STATES: ReadonlySet<string> = new Set(['Z', 'X', 'x']);
/** The variables of a process lie in its memory, which it may keep locked while it hangs. */
const ENVIRON_MS_MAX = 1_000;
