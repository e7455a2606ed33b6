import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { runCli } from '../src/cli.js';

export interface VolctlRun {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface VolctlOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  /** The input does not end. */
  readonly keepInputOpen?: boolean;
  /** Sees the process and what it has printed so far, at each new piece. */
  readonly onOutput?: (child: ChildProcess, stdout: string) => void;
}

/** Runs a command in this process: all but `main.ts`. */
export async function runHere(
  args: readonly string[],
  options: { readonly env?: Readonly<Record<string, string>> } = {},
): Promise<VolctlRun> {
  let stdout = '';
  let stderr = '';
  const code = await runCli({
    argv: args,
    env: options.env ?? {},
    version: '0.1.0',
    io: {
      out: (text) => {
        stdout += text;
      },
      err: (text) => {
        stderr += text;
      },
      signal: new AbortController().signal,
      lines: () => {
        throw new Error('this command reads no lines');
      },
    },
  });
  return { code, stdout, stderr };
}

/** How the real program is started; for shells that call it themselves. */
export const VOLCTL = [
  process.execPath,
  '--import=tsx',
  '--conditions=@volplane/source',
  fileURLToPath(new URL('../src/main.ts', import.meta.url)),
] as const;

/** Runs the real program to its end. */
export function volctl(args: readonly string[], options: VolctlOptions = {}): Promise<VolctlRun> {
  const [program, ...given] = VOLCTL;
  return new Promise((resolve, reject) => {
    const child = spawn(program, [...given, ...args], { env: { PATH: PATH_OF_TESTS, ...options.env } });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      options.onOutput?.(child, stdout);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.on('error', reject);
    child.on('close', (code) => {
      resolve({ code, stdout, stderr });
    });
    if (options.keepInputOpen !== true) child.stdin.end(options.input ?? '');
  });
}

/** Nothing of the environment of the tests reaches the program but this. */
export const PATH_OF_TESTS = process.env['PATH'] ?? '';
