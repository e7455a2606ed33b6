import { appendFile, mkdir, readdir, readFile, rename, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError, backoffMs, sleep, type Clock, type Logger, type Random, type Service } from '@volplane/base';
import type { VolumeUid } from '@volplane/domain';
import type { DriverPrograms } from '@volplane/ports';
import type { ProgramRecorder, RecordedProgram, ToolCall } from '../tool-call.js';
import { hasVariable, readChild, readProcess, readProcesses, type ProcessEntry } from './process-table.js';
import { encodeIntent, encodeLeader, MARK_VARIABLE, parseRecord, type ProgramRecord } from './program-record.js';

export interface RunningProgramsOptions {
  /** Created if missing; of one agent, which owns it already. */
  readonly folder: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Tests put a kernel here in which programs hang. @param pid - negative: a process group */
  readonly kill?: (pid: number) => void;
}

/**
 * The programs that run for this agent, known to the disk while they run, so that the next life of an agent that was killed ends them before it
 * does anything else (rule 18).
 */
export class RunningPrograms implements DriverPrograms, ProgramRecorder, Service {
  readonly name = 'running programs';
  readonly #options: RunningProgramsOptions;
  readonly #boot: string;
  readonly #calls = new Map<VolumeUid, number>();
  readonly #left = new Set<LeftProgram>();
  readonly #listeners: (() => void)[] = [];
  #wake: () => void = () => undefined;

  private constructor(options: RunningProgramsOptions, boot: string) {
    this.#options = options;
    this.#boot = boot;
  }

  /**
   * Ends what an earlier life has left running, and waits {@link END_MS_MAX} at most until it is gone. Only programs that hang in the kernel are
   * left then; their volumes wait for them, and {@link run} looks after them.
   *
   * @throws AppError DISK_FAILED
   */
  static async open(options: RunningProgramsOptions): Promise<RunningPrograms> {
    const { folder } = options;
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
      const programs = new RunningPrograms(options, boot.trim());
      await Promise.all((await readdir(folder)).map((file) => programs.#endOfEarlierLife(file)));
      return programs;
    } catch (error) {
      const text = `the folder ${folder}, which names the programs that run for drivers, cannot be used`;
      throw error instanceof AppError ? error : new AppError('DISK_FAILED', text, { folder }, error);
    }
  }

  begin(uid: VolumeUid): () => void {
    this.#calls.set(uid, (this.#calls.get(uid) ?? 0) + 1);
    return () => {
      const left = (this.#calls.get(uid) ?? 1) - 1;
      if (left === 0) this.#calls.delete(uid);
      else this.#calls.set(uid, left);
    };
  }

  leftFor(uid: VolumeUid): string | undefined {
    for (const { record } of this.#left) {
      if (record.volumes?.includes(uid) === false) continue;
      const process = record.leader === undefined ? '' : ` (process ${String(record.leader.pid)})`;
      return `${record.purpose}${process} was begun earlier, hangs and cannot be ended; the volume waits until it is gone, or the node starts anew`;
    }
    return undefined;
  }

  onGone(listener: () => void): void {
    this.#listeners.push(listener);
  }

  async record(call: ToolCall): Promise<RecordedProgram> {
    const id = this.#options.random.hex(32);
    const path = this.#path(id);
    const volumes = call.volumes ?? this.#volumesOf(call.args);
    let record: ProgramRecord = { id, purpose: call.purpose, volumes, boot: this.#boot };
    try {
      await writeFile(path, encodeIntent(record), { flag: 'wx', mode: 0o600 });
    } catch (error) {
      const text = `${call.purpose}: ${call.file} is not started, because ${path} cannot be written`;
      throw new AppError('DRIVER_UNAVAILABLE', text, { tool: call.file }, error);
    }
    // Nobody waits for the rest: at any moment the disk says enough.
    let writing: Promise<void> = Promise.resolve();
    return {
      variables: { [MARK_VARIABLE]: id },
      started: (pid) => {
        const leader = readChild(pid);
        if (leader === undefined) return;
        record = { ...record, leader };
        // Without this line everything that carries the mark would count as unfinished.
        writing = appendFile(path, encodeLeader(leader)).catch((error: unknown) => {
          this.#options.log.warn('process of a program not written down', { path, error });
        });
      },
      ended: () => {
        writing = writing.then(() => this.#forget(path));
      },
      kill: async () => {
        await writing;
        return await this.#end(record, path);
      },
    };
  }

  /** Looks after what hangs until it is gone, seldom and for all of it at once. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#options;
    let looks = 0;
    while (!signal.aborted) {
      const woken = new AbortController();
      this.#wake = () => {
        looks = 0;
        woken.abort();
      };
      const delayMs = this.#left.size === 0 ? IDLE_MS : backoffMs(random, looks, { firstMs: 100, maxMs: LOOK_MS_MAX });
      await sleep(clock, delayMs, signal, woken.signal).catch(() => undefined);
      looks += 1;
      await this.#look();
    }
  }

  async #look(): Promise<void> {
    let gone = 0;
    for (const left of this.#left) {
      // One after the other: they are few, and nobody waits for the answer.
      if (!(await this.#isGone(left))) continue;
      this.#left.delete(left);
      gone += 1;
      this.#options.log.info('program that hung is gone, its volumes go on', about(left.record));
      await this.#forget(left.path);
    }
    if (gone > 0) for (const listener of this.#listeners) listener();
  }

  async #endOfEarlierLife(file: string): Promise<void> {
    const path = this.#path(file);
    const record = parseRecord(file.replace(KILLED, ''), await readFile(path, 'utf8'));
    const isOfThisBoot = record.boot === undefined || record.boot === this.#boot;
    if (!isOfThisBoot || (!file.endsWith(KILLED) && (await hasEnded(record)))) {
      await this.#forget(path);
      return;
    }
    this.#options.log.warn('program of an earlier life of the agent is ended', about(record));
    await this.#end(record, path);
  }

  /** Kills it and waits. What is left is watched, unless nobody has to wait for it. @returns true when it is gone */
  async #end(record: ProgramRecord, path: string): Promise<boolean> {
    const { clock, random, log } = this.#options;
    const left: LeftProgram = { record, path: await this.#markKilled(path), members: [] };
    const untilMs = clock.monotonicMs() + END_MS_MAX;
    for (let looks = 0; !(await this.#isGone(left)); looks += 1) {
      if (clock.monotonicMs() >= untilMs) {
        log.error('program hangs and cannot be ended', { ...about(record), pids: left.members.map(({ pid }) => pid) });
        // Nobody waits for a mere look.
        if (record.volumes?.length === 0) await this.#forget(left.path);
        else this.#left.add(left);
        this.#wake();
        return false;
      }
      // One look after the other: a kill takes its moment.
      await sleep(clock, backoffMs(random, looks, { firstMs: 5, maxMs: 100 }));
    }
    await this.#forget(left.path);
    return true;
  }

  /** Killed, it is unfinished even when its first process is gone. A name needs no room on a full disk. @returns the file's path */
  async #markKilled(path: string): Promise<string> {
    if (path.endsWith(KILLED)) return path;
    try {
      await rename(path, `${path}${KILLED}`);
      return `${path}${KILLED}`;
    } catch (error) {
      this.#options.log.warn('end of a program not written down', { path, error });
      return path;
    }
  }

  /** Looks for what was there before; when that is gone, for what it may have started since, which is killed as well. */
  async #isGone(left: LeftProgram): Promise<boolean> {
    // In turn, for the first that lives is enough.
    for (const member of left.members) if (isSame(await readProcess(member.pid), member)) return false;
    left.members = await this.#membersOf(left.record);
    for (const { pid } of left.members) this.#kill(pid);
    return left.members.length === 0;
  }

  /** The first process and its group, which find themselves also when they hang, and whoever carries the mark, for those that have left the group. */
  async #membersOf({ id, leader }: ProgramRecord): Promise<readonly ProcessEntry[]> {
    const all = await readProcesses();
    const first = all.find(({ pid }) => pid === leader?.pid);
    // The number is used again: its group is another one.
    const isReused = first !== undefined && first.startTicks !== leader?.startTicks;
    const found = all.map(async (entry) => {
      if (leader !== undefined && entry.startTicks < leader.startTicks) return false;
      if (leader !== undefined && !isReused && entry.group === leader.pid && entry.session === leader.pid) return true;
      return await hasVariable(this.#options.clock, entry.pid, `${MARK_VARIABLE}=${id}`);
    });
    const isMember = await Promise.all(found);
    return all.filter((_, index) => isMember[index] === true);
  }

  #kill(pid: number): void {
    const kill = this.#options.kill ?? ((target: number) => process.kill(target, 'SIGKILL'));
    try {
      kill(pid);
    } catch (error) {
      // ESRCH: it ended in this very moment.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') this.#options.log.error('program cannot be killed', { pid, error });
    }
  }

  /** Of the volumes that drivers work for at this moment, those that the arguments name; where they name none, it may be for any of them. */
  #volumesOf(args: readonly string[]): readonly VolumeUid[] {
    const uids = [...this.#calls.keys()];
    const named = uids.filter((uid) => args.some((arg) => arg.includes(uid)));
    return named.length > 0 ? named : uids;
  }

  async #forget(path: string): Promise<void> {
    await unlink(path).catch((error: unknown) => {
      this.#options.log.warn('record of a program not deleted', { path, error });
    });
  }

  #path(file: string): string {
    return join(this.#options.folder, file);
  }
}

interface LeftProgram {
  readonly record: ProgramRecord;
  readonly path: string;
  /** Of the last whole look. */
  members: readonly ProcessEntry[];
}

/** The program that was called is gone, so the call is finished: what it left running was meant to stay. Unknown: it was not called for long. */
async function hasEnded({ leader }: ProgramRecord): Promise<boolean> {
  return leader !== undefined && !isSame(await readProcess(leader.pid), leader);
}

function isSame(found: ProcessEntry | undefined, known: { readonly pid: number; readonly startTicks: number }): boolean {
  return found?.pid === known.pid && found.startTicks === known.startTicks;
}

function about({ purpose, leader, volumes }: ProgramRecord): Readonly<Record<string, unknown>> {
  return { purpose, pid: leader?.pid, volumes };
}

/** Of a file's name: the program was killed, and may not be gone. */
const KILLED = '.killed';
/** A killed process that is not stuck in the kernel ends within milliseconds. */
const END_MS_MAX = 2_000;
const LOOK_MS_MAX = 10_000;
/** Something that hangs wakes it. */
const IDLE_MS = 60_000;
