import { spawn } from 'node:child_process';
import { once } from 'node:events';

export interface Called {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end. Its input is empty. */
export async function call(command: string, args: readonly string[]): Promise<Called> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const said = { stdout: '', stderr: '' };
  for (const key of ['stdout', 'stderr'] as const) child[key].setEncoding('utf8').on('data', (text: string) => (said[key] += text));
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  return { code: code ?? 128, stdout: said.stdout, stderr: `${said.stderr}${signal === null ? '' : `ended by ${signal}`}` };
}

/** The same for one that must succeed. @returns its output, trimmed */
export async function callOk(command: string, args: readonly string[]): Promise<string> {
  return okOf(await call(command, args), [command, ...args].join(' '));
}

/** @throws Error with the end of what it said */
export function okOf({ code, stdout, stderr }: Called, what: string): string {
  if (code !== 0) throw new Error(`${what.slice(0, 500)} ended with ${String(code)}:\n${`${stdout}${stderr}`.slice(-SHOWN_CHARACTERS)}`);
  return stdout.trim();
}

const SHOWN_CHARACTERS = 6_000;
