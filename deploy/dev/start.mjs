import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { failWith, SetupError } from './setup/process.mjs';
import { setUp } from './setup/setup.mjs';
import { ROOT } from './setup/workspace.mjs';

/**
 * `npm start`: sets up what is missing and runs the development swarm until it ends. Arguments go to the swarm as they stand.
 *
 * The swarm is a process of its own, because it needs the TypeScript loader, and leads its own group, so that each signal reaches
 * it once, from here. It has a channel to this process, so that it sees a `disconnect` when this one is killed.
 */

const SWARM = join(ROOT, 'deploy/dev/swarm/main.ts');

try {
  const env = await setUp();
  if (!existsSync(SWARM)) throw new SetupError(`There is no swarm to start: ${SWARM} is missing.`);
  process.exitCode = await runSwarm(env);
} catch (error) {
  failWith(error);
}

/**
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<number>} its exit code
 */
async function runSwarm(env) {
  const args = ['--import=tsx', '--conditions=@volplane/source', SWARM, ...process.argv.slice(2)];
  const swarm = spawn(process.execPath, args, { env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'], detached: true });
  const passOn = (/** @type {NodeJS.Signals} */ signal) => swarm.kill(signal);
  process.on('SIGINT', passOn).on('SIGTERM', passOn).on('SIGHUP', passOn);
  return await new Promise((resolve, reject) => {
    swarm.once('error', reject).once('exit', (code, signal) => {
      resolve(code ?? (signal === null ? 1 : SIGNAL_EXIT_CODE));
    });
  });
}

/** What shells use for a process that a signal ended is 128 and its number; one number says enough here. */
const SIGNAL_EXIT_CODE = 128;
