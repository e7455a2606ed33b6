import { mkdir, readdir, rename, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '@volplane/base';
import { isVolumeName } from '@volplane/domain';
import { findMount, syncDirectory } from '@volplane/host';
import type { DriverContext } from '../driver-context.js';
import { hasCode, withFsFaults } from '../fs-fault.js';
import { copyImage, fileBytes } from './image-file.js';

/** A volume's folder, and where the volume is mounted if it is. */
export interface SnapshotPlace {
  readonly volume: string;
  readonly folder: string;
  readonly image: string;
  readonly target: string;
}

/** Copies the image to `<folder>/snapshots/<name>.img`, with the file system frozen while it is mounted. There already: fine. @returns its size */
export async function takeSnapshot(context: DriverContext, place: SnapshotPlace, snapshot: string, signal: AbortSignal): Promise<number> {
  const path = snapshotPath(place, snapshot);
  return await withFsFaults(`snapshot ${snapshot} of volume ${place.volume}`, async () => {
    const present = await bytesIfThere(path);
    if (present !== undefined) return present;
    const folder = join(place.folder, SNAPSHOTS);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await sweepStaged(folder);
    const staged = join(folder, `.${snapshot}`);
    await copyFrozen(context, place, staged, signal);
    await context.onStep('copied');
    await rename(staged, path);
    await syncDirectory(folder);
    return await fileBytes(path);
  });
}

/** Gone already: fine. */
export async function dropSnapshot(place: SnapshotPlace, snapshot: string): Promise<void> {
  const path = snapshotPath(place, snapshot);
  await withFsFaults(`removal of snapshot ${snapshot} of volume ${place.volume}`, async () => {
    try {
      await unlink(path);
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ENOTDIR')) return;
      throw error;
    }
    await syncDirectory(join(place.folder, SNAPSHOTS));
  });
}

/** Copies the image to `to` at one moment of its file system. @throws AppError; Node's own error */
export async function copyFrozen(context: DriverContext, place: SnapshotPlace, to: string, signal: AbortSignal): Promise<void> {
  await thaw(context, place);
  if (findMount(await context.mounts.table(), place.target) === undefined) {
    await copyImage(context, place.image, to, signal);
    return;
  }
  // Written first: whoever finds it after a crash thaws, or users would wait for ever.
  await writeFile(frozenMark(place), '', { mode: 0o600 });
  try {
    await freeze(context, place, signal);
    await context.onStep('frozen');
    await copyImage(context, place.image, to, signal);
  } finally {
    await thaw(context, place);
  }
}

/** Lets users go on who wait since a snapshot was cut short by a crash. Not mounted on this node, or not frozen: fine. */
export async function thaw(context: DriverContext, place: SnapshotPlace): Promise<void> {
  const mark = frozenMark(place);
  if ((await bytesIfThere(mark)) === undefined || findMount(await context.mounts.table(), place.target) === undefined) return;
  const outcome = await context.run({
    file: 'fsfreeze',
    args: ['--unfreeze', place.target],
    timeoutMs: FREEZE_MS_MAX,
    purpose: `thaw of ${place.target}`,
  });
  // EINVAL: it was not frozen, or no more.
  if (outcome.code !== 0 && !/invalid argument/i.test(outcome.stderr)) {
    throw new AppError(
      'DRIVER_UNAVAILABLE',
      `the file system at ${place.target} is frozen by a snapshot and could not be thawed: ${outcome.stderr}`,
    );
  }
  await unlink(mark);
}

/** @throws AppError INVALID_ARGUMENT for a name that could leave the folder */
export function snapshotPath(place: SnapshotPlace, snapshot: string): string {
  if (!isVolumeName(snapshot))
    throw new AppError('INVALID_ARGUMENT', 'a snapshot name follows the rule of volume names', { field: 'snapshot' });
  return join(place.folder, SNAPSHOTS, `${snapshot}.img`);
}

async function freeze(context: DriverContext, place: SnapshotPlace, signal: AbortSignal): Promise<void> {
  const outcome = await context.run({
    file: 'fsfreeze',
    args: ['--freeze', place.target],
    timeoutMs: FREEZE_MS_MAX,
    signal,
    purpose: `freeze of ${place.target}`,
  });
  if (outcome.code !== 0) throw new AppError('DRIVER_FAILED', `the file system at ${place.target} could not be frozen: ${outcome.stderr}`);
}

/** What copies that were cut short have left; one volume takes one snapshot at a time. */
async function sweepStaged(folder: string): Promise<void> {
  for (const name of await readdir(folder)) if (name.startsWith('.')) await unlink(join(folder, name));
}

async function bytesIfThere(path: string): Promise<number | undefined> {
  try {
    return await fileBytes(path);
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

function frozenMark(place: SnapshotPlace): string {
  return join(place.folder, 'frozen');
}

const SNAPSHOTS = 'snapshots';
/** A freeze first writes back what is dirty. */
const FREEZE_MS_MAX = 60_000;
