import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { systemClock } from '@volplane/base';
import { systemMounts } from '@volplane/host';
import { mountsBelow, waitFor } from '@volplane/testkit';

const exec = promisify(execFile);

/**
 * The entry for image volumes on storage that all nodes share. Each node reaches it by a bind mount of its own, so that loop
 * devices and their file systems are apart as on machines that are apart. Needs root.
 */
export async function imageDriver(folder: string, node: string): Promise<readonly object[]> {
  const images = join(folder, 'images');
  const root = join(folder, `${node}-images`);
  await mkdir(images, { recursive: true });
  await mkdir(root);
  await exec('mount', ['--bind', images, root]);
  return [{ kind: 'image', name: 'image', root, scope: 'global', unguarded: true, defaultSize: '16m' }];
}

/** A node loses its power: agent and guardian are killed at one moment, then every mount is cut off without another write. */
export async function cutPower(agent: { kill(signal: NodeJS.Signals): Promise<void> }, dataDir: string): Promise<void> {
  await Promise.all([agent.kill('SIGKILL'), killGuardian(dataDir)]);
  // One that the agent was just starting.
  await killGuardian(dataDir);
  await Promise.all((await mountsBelow(dataDir)).map((target) => systemMounts(systemClock).abort(target)));
}

/** Kills the guardians that run on this folder, also one that is just starting, and waits until they are gone. */
export async function killGuardian(dataDir: string): Promise<void> {
  const folder = join(dataDir, 'guardian');
  const guardians = async (): Promise<readonly number[]> => {
    const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
    const commands = await Promise.all(pids.map(commandOf));
    return pids.filter((_, index) => commands[index]?.split('\0').includes(folder));
  };
  await waitFor(
    async () => {
      const running = await guardians();
      for (const pid of running) kill(pid);
      return running.length === 0;
    },
    { what: `no guardian to run on ${folder}` },
  );
}

/** Empty: it is gone, or was killed and is not collected yet. */
async function commandOf(pid: number): Promise<string> {
  try {
    return await readFile(`/proc/${String(pid)}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Gone meanwhile.
  }
}
