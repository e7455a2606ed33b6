import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock, type Logger } from '@volplane/base';
import { GuardianClient } from '@volplane/host';

/** A client that starts this package's guardian process in a session of its own, so that it outlives the agent. */
export function makeGuardian(folder: string, log: Logger): GuardianClient {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return new GuardianClient({
    folder,
    clock: systemClock,
    log,
    spawn: () => {
      const output = openSync(join(folder, 'guardian.log'), 'a', 0o600);
      const child = spawn(process.execPath, [...process.execArgv, MAIN, folder], { detached: true, stdio: ['ignore', output, output] });
      child.unref();
      closeSync(output);
      return new Promise((resolve) => {
        child.once('exit', () => {
          resolve();
        });
        child.once('error', (error) => {
          log.error('guardian could not be started', { error });
          resolve();
        });
      });
    },
  });
}

/** Beside this file, in the form in which this file runs. */
const MAIN = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? 'guardian-main.ts' : 'guardian-main.js', import.meta.url));
