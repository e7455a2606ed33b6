import { constants } from 'node:fs';
import { link, lstat, open, readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '@volplane/base';
import { syncDirectory, writeFileAtomic } from '@volplane/host';
import type { DriverVolume } from '@volplane/ports';
import type { DriverContext } from '../driver-context.js';
import { hasCode } from '../fs-fault.js';
import type { Place } from '../volume-folders.js';
import { readMarker, type VolumeMarker } from '../volume-marker.js';

type Volume = Pick<DriverVolume, 'name' | 'uid' | 'options'>;

/** Whose the mounted file system is. Without a marker it is nobody's when it is empty, or when it may be adopted. @throws Node's own error */
export async function lookAtExport(path: string, volume: Volume & { readonly adopt: boolean }): Promise<Place> {
  let marker: VolumeMarker | { readonly fault: string };
  try {
    marker = await readMarker(join(path, MARKER));
  } catch (error) {
    if (hasCode(error, 'ELOOP')) return { kind: 'foreign', fault: `${MARKER} is a link`, unreadable: false };
    if (!hasCode(error, 'ENOENT')) throw error;
    if (volume.adopt || (await isEmpty(path))) return { kind: 'absent' };
    return { kind: 'foreign', fault: `it holds data and no ${MARKER}`, unreadable: false };
  }
  if ('fault' in marker) return { kind: 'foreign', fault: `${MARKER}: ${marker.fault}`, unreadable: true };
  if (marker.uid === volume.uid) return { kind: 'own', marker };
  return { kind: 'foreign', fault: `it belongs to volume ${marker.name} with uid ${marker.uid}`, unreadable: false };
}

/** Puts the volume's marker on the mounted file system, unless another one is there. @returns whose it is now */
export async function claimExport(path: string, volume: Volume & { readonly createdAt: string; readonly adopt: boolean }): Promise<Place> {
  const place = await lookAtExport(path, volume);
  if (place.kind !== 'absent') return place;
  const { name, uid, options, createdAt } = volume;
  const marker: VolumeMarker = { schema: 1, name, uid, options, createdAt, ...((await isEmpty(path)) ? {} : { adopted: true }) };
  await writeExclusively(join(path, MARKER), `${JSON.stringify(marker, undefined, 2)}\n`, uid);
  await syncDirectory(path);
  return await lookAtExport(path, volume);
}

/** Takes the data away, unless it was there before, and the marker last, so that a cut-short call can be repeated. */
export async function clearExport(
  context: DriverContext,
  path: string,
  options: { readonly keepData: boolean; readonly signal: AbortSignal },
): Promise<void> {
  if (!options.keepData) {
    // find(1) and rm(1) walk by descriptors and follow no link; what is mounted inside is not entered.
    const outcome = await context.run({
      file: 'find',
      args: [
        path,
        '-xdev',
        '-mindepth',
        '1',
        '-maxdepth',
        '1',
        '!',
        '-name',
        `${MARKER}*`,
        '!',
        '-name',
        LOST_AND_FOUND,
        '-exec',
        'rm',
        '-rf',
        '--one-file-system',
        '--',
        '{}',
        '+',
      ],
      timeoutMs: CLEAR_MS_MAX,
      signal: options.signal,
      purpose: `delete of the data at ${path}`,
    });
    if (outcome.code !== 0) throw new AppError('DRIVER_UNAVAILABLE', `the data at ${path} could not be deleted: ${outcome.stderr}`);
    await context.onStep('cleared');
  }
  await unlinkIfThere(join(path, MARKER));
  await syncDirectory(path);
}

/** Of two nodes that write at the same moment one wins. There already: left as it is. */
async function writeExclusively(path: string, text: string, uid: string): Promise<void> {
  const staged = `${path}.${uid}`;
  await writeFileAtomic(staged, text);
  try {
    await link(staged, path);
  } catch (error) {
    if (hasCode(error, 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK')) await writeWithoutLink(path, text);
    else if (!hasCode(error, 'EEXIST')) throw error;
  } finally {
    await unlinkIfThere(staged);
  }
}

/** For file systems without hard links (cifs, FAT). A crash between its two steps leaves an empty marker, which is reported. */
async function writeWithoutLink(path: string, text: string): Promise<void> {
  let file;
  try {
    file = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return;
    throw error;
  }
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function unlinkIfThere(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
  }
}

/** lost+found comes with the file system; our own staged markers are no data. */
async function isEmpty(path: string): Promise<boolean> {
  const names = (await readdir(path)).filter((name) => !name.startsWith(MARKER));
  if (names.length === 0) return true;
  return names.length === 1 && names[0] === LOST_AND_FOUND && (await lstat(join(path, LOST_AND_FOUND))).isDirectory();
}

const MARKER = '.volplane-volume.json';
const LOST_AND_FOUND = 'lost+found';
/** Millions of small files take minutes; the agent's own patience, the signal, usually ends earlier. */
const CLEAR_MS_MAX = 10 * 60_000;
