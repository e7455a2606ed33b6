import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { failWith, SetupError } from './setup/process.mjs';
import { setUp } from './setup/setup.mjs';
import { ROOT } from './setup/workspace.mjs';

/**
 * `node deploy/dev/run.mjs PROGRAM ARGUMENTS`: sets up what is missing and runs a TypeScript program of the tree until it ends, as
 * `npm start` does with the development swarm. The arguments go to it as they stand.
 *
 * The program is a process of its own, because it needs the TypeScript loader, and leads its own group, so that each signal reaches
 * it once, from here. It has a channel to this process, so that it sees a `disconnect` when this one is killed.
 */

/** What shells use for a process that a signal ended is 128 and its number; one number says enough here. */
const SIGNAL_EXIT_CODE = 128;

/** How soon a program ends after whoever started it. */
const LOOK_MS = 1_000;

try {
  const [program = '', ...args] = process.argv.slice(2);
  const env = await setUp();
  if (!existsSync(join(ROOT, program))) throw new SetupError(`There is nothing to run: ${program} is missing.`);
  process.exitCode = await run(join(ROOT, program), args, env);
} catch (error) {
  failWith(error);
}

/**
 * @param {string} program
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<number>} its exit code
 */
async function run(program, args, env) {
  const loaded = ['--import=tsx', '--conditions=@volplane/source', program, ...args];
  const child = spawn(process.execPath, loaded, { env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'], detached: true });
  const passOn = (/** @type {NodeJS.Signals} */ signal) => child.kill(signal);
  process.on('SIGINT', passOn).on('SIGTERM', passOn).on('SIGHUP', passOn);
  // npm passes SIGTERM to the shell between, and that ends alone.
  const starter = process.ppid;
  setInterval(() => {
    if (process.ppid !== starter) passOn('SIGTERM');
  }, LOOK_MS).unref();
  return await new Promise((resolve, reject) => {
    child.once('error', reject).once('exit', (code, signal) => {
      endGroup(child.pid ?? 0);
      resolve(code ?? (signal === null ? 1 : SIGNAL_EXIT_CODE));
    });
  });
}

/**
 * Ends what the program has left: one that a signal ends, as a benchmark at Ctrl-C, stops none of its servers.
 *
 * @param {number} group
 */
function endGroup(group) {
  try {
    process.kill(-group, 'SIGKILL');
  } catch {
    // Nothing was left.
  }
}
