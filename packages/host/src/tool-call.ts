import { spawn, type ChildProcess } from 'node:child_process';
import { abortReason, AppError, type Clock } from '@volplane/base';
import type { VolumeUid } from '@volplane/domain';

/** One call of a program of the machine. Arguments are an array: no shell ever reads them. */
export interface ToolCall {
  readonly file: string;
  readonly args: readonly string[];
  /** After it the program and everything it started in its process group is killed. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** What this call is about, for messages: `mount of volume x`. */
  readonly purpose: string;
  /** Texts that are replaced by `***` in the output. */
  readonly secrets?: readonly string[];
  /**
   * The volumes that wait for it, should it hang and outlive the call; none for a mere look. Absent: those that drivers work for as it starts,
   * or of them those that the arguments name.
   */
  readonly volumes?: readonly VolumeUid[];
}

export interface ToolOutcome {
  /** The exit code; 128 + n for an end by signal n is not told apart, it is 255. */
  readonly code: number;
  readonly stdout: string;
  /** Trimmed, on one line, for messages. */
  readonly stderr: string;
}

/** Runs programs. The only place of the driver code that starts a process. */
export type ToolRunner = (call: ToolCall) => Promise<ToolOutcome>;

/** Remembers what runs, beyond the end of this process. */
export interface ProgramRecorder {
  /** Writes down that the program is about to be started. @throws AppError DRIVER_UNAVAILABLE: it must not be started */
  record(call: ToolCall): Promise<RecordedProgram>;
}

/** A program on its way; `ended` or `kill` is called once, whatever becomes of it. */
export interface RecordedProgram {
  /** For its environment. */
  readonly variables: Readonly<Record<string, string>>;
  /** To be called in the turn in which it was started. */
  started(pid: number): void;
  /** It ended by itself, or was never started. What it left running on purpose, the server of a file system, stays. */
  ended(): void;
  /** Ends it with everything that it has started. @returns false when something of it hangs */
  kill(): Promise<boolean>;
}

/**
 * Runs the program and resolves with its exit, whatever the code.
 *
 * @throws AppError DRIVER_UNAVAILABLE when the program is not installed; DEADLINE_EXCEEDED or the signal's reason when
 *   it was killed, with the field `ended`: `no` when it hangs in the kernel and may still act
 * @param options.path - where programs are looked for; the system's own folders by default, never the caller's environment
 * @param options.programs - whom to tell what runs; an agent's are ended by its next life when it is killed
 */
export function systemToolRunner(clock: Clock, options: { readonly path?: string; readonly programs?: ProgramRecorder } = {}): ToolRunner {
  return async (call) => {
    if (call.signal?.aborted === true) throw abortReason(call.signal);
    const program = await options.programs?.record(call);
    const child = start(call, { PATH: options.path ?? TOOL_PATH, LC_ALL: 'C', ...program?.variables }, () => program?.ended());
    if (child.pid !== undefined) program?.started(child.pid);
    const output = { stdout: collect(child, 'stdout'), stderr: collect(child, 'stderr') };
    const exit = exitOf(child, call, clock);
    const failure = await failureOrExit(exit, call, clock).catch((error: unknown) => {
      program?.ended();
      throw error;
    });
    if (failure instanceof AppError) {
      const ended = await (program === undefined ? killGroup(child, exit, clock) : program.kill());
      // One that hangs does not keep this process alive.
      if (!ended) child.unref();
      throw new AppError(failure.reason, failure.message, { ...failure.failure.fields, ended: ended ? 'yes' : 'no' }, failure.cause);
    }
    program?.ended();
    const mask = (text: string): string => maskSecrets(text, call.secrets ?? []);
    return {
      code: failure,
      stdout: mask(output.stdout()),
      stderr: mask(output.stderr())
        .trim()
        .replace(/\s*\n\s*/g, '; '),
    };
  };
}

function start(call: ToolCall, env: Readonly<Record<string, string>>, onFailed: () => void): ChildProcess {
  try {
    return spawn(call.file, call.args, {
      // A group of its own: killing it also ends helpers such as mount.nfs, and there is no terminal to ask for passwords on.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env,
    });
  } catch (error) {
    // No memory for a process, or arguments that are too long: Node throws at once what it tells as an event otherwise.
    onFailed();
    throw notStarted(call, error);
  }
}

function notStarted(call: ToolCall, error: unknown): AppError {
  return new AppError('DRIVER_UNAVAILABLE', `${call.purpose}: ${call.file} cannot be started`, { tool: call.file }, error);
}

/** `text` with every one of `secrets` replaced. Secrets of one character are not masked: the text would be unreadable. */
export function maskSecrets(text: string, secrets: readonly string[]): string {
  return secrets.filter((secret) => secret.length > 1).reduce((masked, secret) => masked.replaceAll(secret, '***'), text);
}

/** The exit code, once the pipes are drained; a daemon that keeps them open (a FUSE server) is waited for only shortly. */
function exitOf(child: ChildProcess, call: ToolCall, clock: Clock): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        error.code === 'ENOENT'
          ? new AppError('DRIVER_UNAVAILABLE', `${call.purpose}: the program ${call.file} is not installed on this node`, {
              tool: call.file,
            })
          : notStarted(call, error),
      );
    });
    child.once('exit', (code) => {
      const finish = (): void => {
        cancel();
        child.stdout?.destroy();
        child.stderr?.destroy();
        resolve(code ?? KILLED_CODE);
      };
      const cancel = clock.after(PIPE_DRAIN_MS_MAX, finish);
      child.once('close', finish);
    });
  });
}

function failureOrExit(exit: Promise<number>, call: ToolCall, clock: Clock): Promise<AppError | number> {
  return new Promise((resolve, reject) => {
    const settle = (outcome: AppError | number): void => {
      cancel();
      call.signal?.removeEventListener('abort', onAbort);
      resolve(outcome);
    };
    const onAbort = (): void => {
      settle(abortReason(call.signal));
    };
    const cancel = clock.after(call.timeoutMs, () => {
      const text = `${call.purpose}: ${call.file} did not end within ${String(call.timeoutMs)} ms`;
      settle(new AppError('DEADLINE_EXCEEDED', text, { tool: call.file }));
    });
    call.signal?.addEventListener('abort', onAbort, { once: true });
    // While it was written down.
    if (call.signal?.aborted === true) onAbort();
    exit.then(settle, (error: unknown) => {
      cancel();
      call.signal?.removeEventListener('abort', onAbort);
      reject(error);
    });
  });
}

/** Kills the process group. @returns false when it has not ended: a process that waits for a dead disk cannot be killed */
async function killGroup(child: ChildProcess, exit: Promise<number>, clock: Clock): Promise<boolean> {
  if (child.pid === undefined) return true;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch (error) {
    // ESRCH: it ended in this very moment.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
  return await new Promise((resolve) => {
    const cancel = clock.after(KILL_GRACE_MS, () => {
      resolve(false);
    });
    const ended = (): void => {
      cancel();
      resolve(true);
    };
    exit.then(ended, ended);
  });
}

function collect(child: ChildProcess, name: 'stdout' | 'stderr'): () => string {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  child[name]?.on('data', (chunk: Buffer) => {
    if (sizeBytes >= OUTPUT_BYTES_MAX) return;
    chunks.push(chunk);
    sizeBytes += chunk.length;
  });
  return () => Buffer.concat(chunks).toString('utf8').slice(0, OUTPUT_BYTES_MAX);
}

const TOOL_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** The tools we call answer in a few lines; `losetup` lists may be longer. */
const OUTPUT_BYTES_MAX = 64 * 1024;
/** A killed process that is not stuck in the kernel ends within milliseconds. */
const KILL_GRACE_MS = 2_000;
const PIPE_DRAIN_MS_MAX = 500;
const KILLED_CODE = 255;
