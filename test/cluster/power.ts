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
  const guardian = killGuardian(dataDir);
  await Promise.all([agent.kill('SIGKILL'), guardian]);
  await Promise.all((await mountsBelow(dataDir)).map((target) => systemMounts(systemClock).abort(target)));
}

/** Kills the guardian of this folder, also one that is only starting, and waits until it is gone. */
export async function killGuardian(dataDir: string): Promise<void> {
  await killAllOn(join(dataDir, 'guardian'));
}

/**
 * Kills every process whose command names this path or one below it, and waits until none is left: one that still runs, or has just been
 * started, writes into the folder while it is removed.
 */
export async function killAllOn(path: string): Promise<void> {
  const noneIsLeft = async (): Promise<boolean> => {
    const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
    const commands = await Promise.all(pids.map(async (pid) => ({ pid: Number(pid), command: await commandOf(pid) })));
    const left = commands.filter(({ command }) => command.includes(path));
    for (const { pid } of left) killIfAlive(pid);
    return left.length === 0;
  };
  await waitFor(noneIsLeft, { what: `nothing runs on ${path}` });
}

/** Empty for one that has ended. */
async function commandOf(pid: string): Promise<string> {
  return await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
}

function killIfAlive(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended just now.
  }
}
