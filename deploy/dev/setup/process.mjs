import { spawn } from 'node:child_process';

/**
 * Running other programs during the set-up. Plain JavaScript on Node alone: it runs before anything is installed.
 *
 * @typedef {object} RunOptions
 * @property {string} [cwd]
 * @property {NodeJS.ProcessEnv} [env]
 * @property {number} [timeoutMs] after this the command is ended and counts as failed; default {@link RUN_TIMEOUT_MS}
 * @property {(line: string) => void} [progress] is told now and then what a long command said last
 */

/** A failure of the set-up in words for the person at the terminal; anything else that is thrown is a fault in the set-up. */
export class SetupError extends Error {
  /** @param {string} message @param {unknown} [cause] */
  constructor(message, cause) {
    super(message, { cause });
    this.name = 'SetupError';
  }
}

/** Longer than a first install over a slow line; a command that takes longer hangs. */
const RUN_TIMEOUT_MS = 15 * 60_000;
/** How often a long command says that it is still there. */
const PROGRESS_MS = 10_000;
/** Of a command's output the end is kept: where errors stand. */
const OUTPUT_CHARS_MAX = 64_000;

/**
 * Runs a command to its end, without a shell and without input. Its output is kept, not shown.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {RunOptions} [options]
 * @returns {Promise<string>} what it wrote, both streams mixed, at most the last {@link OUTPUT_CHARS_MAX} characters
 * @throws {SetupError} with the output when the command is not there, fails or takes too long
 */
export async function run(command, args, options = {}) {
  const { cwd, env = process.env, timeoutMs = RUN_TIMEOUT_MS, progress = () => undefined } = options;
  const shown = [command, ...args].join(' ');
  let output = '';
  const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (/** @type {string} */ text) => {
      output = (output + text).slice(-OUTPUT_CHARS_MAX);
    });
  }
  const ticker = setInterval(() => {
    progress(lastLine(output) || `${shown} is at work`);
  }, PROGRESS_MS);
  const deadline = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
  try {
    const end = await ended(child);
    if (end === 'exit code 0') return output;
    throw new SetupError(`${shown}: ${end}\n${output.trimEnd()}`);
  } catch (error) {
    if (error instanceof SetupError) throw error;
    throw new SetupError(`${shown}: ${messageOf(error)}`, error);
  } finally {
    clearInterval(ticker);
    clearTimeout(deadline);
  }
}

/**
 * @param {import('node:child_process').ChildProcess} child
 * @returns {Promise<string>} how it ended, in words; rejects when it could not be started
 */
function ended(child) {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      resolve(signal === null ? `exit code ${String(code)}` : `ended by ${signal}`);
    });
  });
}

/**
 * Ends the program with what went wrong: the message alone when it is one for people, the stack for faults.
 *
 * @param {unknown} error
 */
export function failWith(error) {
  console.error(error instanceof SetupError ? `\n${error.message}` : error);
  process.exitCode = 1;
}

/**
 * @param {unknown} error
 * @returns {string} the message, and that of the cause, where fetch hides what happened
 */
export function messageOf(error) {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof SetupError) return error.message;
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message;
}

/** @param {string} text */
function lastLine(text) {
  return (
    text
      .trimEnd()
      .split(/[\r\n]/)
      .at(-1) ?? ''
  );
}
