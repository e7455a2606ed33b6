import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { systemClock } from '@volplane/base';
import { systemMounts } from '@volplane/host';
import { mountsBelow } from '@volplane/testkit';

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

/** Kills the guardian that runs on this folder, if one does. */
export async function killGuardian(dataDir: string): Promise<void> {
  const folder = join(dataDir, 'guardian');
  // No folder: no guardian was ever started.
  for (const name of await readdir(folder).catch(() => [])) {
    const pid = Number(/^owner\.(\d+)\./.exec(name)?.[1] ?? Number.NaN);
    // The number may have gone to another process meanwhile.
    if (Number.isInteger(pid) && (await commandOf(pid)).includes(folder)) process.kill(pid, 'SIGKILL');
  }
}

async function commandOf(pid: number): Promise<string> {
  try {
    return await readFile(`/proc/${String(pid)}/cmdline`, 'utf8');
  } catch {
    // Gone.
    return '';
  }
}
