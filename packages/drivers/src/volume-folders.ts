import { lstat, mkdir, opendir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '@volplane/base';
import { isVolumeName, parseVolumeName, type StringMap } from '@volplane/domain';
import { findMountsBelow } from '@volplane/host';
import type { DriverVolume, FoundVolume } from '@volplane/ports';
import type { DriverContext } from './driver-context.js';
import { fsFault, hasCode, withFsFaults } from './fs-fault.js';
import { FolderTrash } from './folder-trash.js';
import { PublishConvoy } from './publish-convoy.js';
import { MARKER_FILE, readMarker, type VolumeMarker } from './volume-marker.js';

/** What stands at a volume's place. `unreadable`: its marker cannot be read, so it may be anybody's. */
export type Place =
  | { readonly kind: 'absent' }
  | { readonly kind: 'own'; readonly marker: VolumeMarker }
  | { readonly kind: 'foreign'; readonly fault: string; readonly unreadable: boolean };

/**
 * One folder a volume under one root: `<root>/<name>/` with the marker and whatever the driver puts beside it.
 *
 * A volume appears and disappears by one rename, so a crash leaves either all of it or nothing; what is half made lies
 * in `.staging`, what is half destroyed in `.trash`. Two nodes that create in one root at the same moment are told
 * apart by that rename: only one of them can win. The root itself must exist.
 */
export class VolumeFolders {
  readonly root: string;
  readonly trash: FolderTrash;
  readonly #context: DriverContext;
  readonly #convoy: PublishConvoy;

  /** @param options.trashKeepMs - how long removed data stays in `.trash`; 0: until the remove is answered */
  constructor(context: DriverContext, options: { readonly root: string; readonly trashKeepMs: number }) {
    this.#context = context;
    this.root = options.root;
    this.#convoy = new PublishConvoy(this.root);
    this.trash = new FolderTrash(context, { root: this.root, keepMs: options.trashKeepMs });
  }

  /** The volume's folder, whether it exists or not. @throws AppError INVALID_NAME for what could leave the root */
  folder(name: string): string {
    return join(this.root, parseVolumeName(name));
  }

  /** How the paths of folders begin in which creates of this volume work. */
  stagedPrefix(volume: DriverVolume): string {
    return join(this.root, STAGING, `${volume.uid}-`);
  }

  /** Whose the place is. @throws AppError DRIVER_UNAVAILABLE when that cannot be told */
  async look(volume: DriverVolume): Promise<Place> {
    const folder = this.folder(volume.name);
    return await withFsFaults(`a look at volume ${volume.name}`, async () => {
      const marker = await markerAt(folder);
      if (marker === undefined) return { kind: 'absent' };
      if ('fault' in marker) return { kind: 'foreign', ...marker };
      if (marker.name !== volume.name) return { kind: 'foreign', fault: `it is a copy of volume ${marker.name}`, unreadable: false };
      if (marker.uid !== volume.uid) return { kind: 'foreign', fault: `it belongs to uid ${marker.uid}`, unreadable: false };
      return { kind: 'own', marker };
    });
  }

  /** As {@link look}, for calls that need the volume. @throws AppError FOREIGN_DATA, or `absent` as the reason when it is not there */
  async need(volume: DriverVolume, absent: 'MOUNT_FAILED' | 'DRIVER_FAILED'): Promise<VolumeMarker> {
    const place = await this.look(volume);
    if (place.kind === 'own') return place.marker;
    if (place.kind === 'foreign') throw this.foreign(volume, place.fault);
    throw new AppError(absent, `volume ${volume.name} does not exist at ${this.folder(volume.name)}`, { volume: volume.name });
  }

  /**
   * Makes the folder with its marker, and with what `fill` puts into it, in one step. There already: fine.
   *
   * @param fill - works in the staged folder; what it rejects with is passed on after the staged folder is gone
   * @param details - kept in the marker
   * @throws AppError FOREIGN_DATA, NO_CAPACITY, DRIVER_FAILED, DRIVER_UNAVAILABLE
   */
  async create(volume: DriverVolume, fill: (stagedFolder: string) => Promise<void>, details?: StringMap): Promise<void> {
    const place = await this.look(volume);
    if (place.kind === 'own') return;
    if (place.kind === 'foreign') throw this.foreign(volume, place.fault);
    const staged = `${this.stagedPrefix(volume)}${this.#context.random.hex(8)}`;
    try {
      await this.#stage({ ...markerOf(volume, this.#context.clock.wallMs()), ...(details === undefined ? {} : { details }) }, staged, fill);
      await this.#publish(volume, staged);
    } catch (error) {
      await discard(staged);
      throw fsFault(error, `create of volume ${volume.name}`);
    }
  }

  /**
   * Takes the folder out of its place and deletes it, or leaves it in the trash as long as configured. Resolves once the
   * volume is gone; a delete that fails is logged, and tried again with the next remove. Gone, or not this volume's: fine.
   *
   * @throws AppError DRIVER_FAILED when something is mounted in it, or when it cannot be told whose it is; DRIVER_UNAVAILABLE
   */
  async remove(volume: DriverVolume, signal: AbortSignal): Promise<void> {
    const place = await this.look(volume);
    if (place.kind === 'foreign' && place.unreadable) {
      const text = `volume ${volume.name} is not removed, because ${join(this.folder(volume.name), MARKER_FILE)} cannot be read (${place.fault}): repair it, or move the folder away`;
      throw new AppError('DRIVER_FAILED', text, { volume: volume.name });
    }
    const taken = place.kind === 'own' ? await this.#take(volume) : undefined;
    await this.#context.onStep('in the trash');
    await this.trash.settle(taken, signal);
    await this.#sweepStaging(volume, signal);
  }

  /** Volumes in the root, at most `limit`. A folder whose marker cannot be read is logged and left out; others do not suffer from it. */
  async list(limit: number): Promise<readonly FoundVolume[]> {
    const found: FoundVolume[] = [];
    await withFsFaults(`list of ${this.root}`, async () => {
      for await (const entry of await opendir(this.root)) {
        if (found.length >= limit) break;
        if (!isVolumeName(entry.name)) continue;
        const marker = await markerAt(join(this.root, entry.name));
        if (marker === undefined) continue;
        if ('fault' in marker) {
          if (marker.unreadable)
            this.#context.log.warn('volume folder skipped', { folder: join(this.root, entry.name), fault: marker.fault });
        } else if (marker.name === entry.name) {
          found.push({ name: marker.name, uid: marker.uid, options: marker.options, createdAt: marker.createdAt });
        }
      }
    });
    return found;
  }

  foreign(volume: DriverVolume, fault: string): AppError {
    const text = `${this.folder(volume.name)} holds something else than volume ${volume.name}: ${fault}`;
    return new AppError('FOREIGN_DATA', text, { volume: volume.name, uid: volume.uid });
  }

  async #stage(marker: VolumeMarker, staged: string, fill: (stagedFolder: string) => Promise<void>): Promise<void> {
    await this.#makeStaged(staged);
    await this.#context.onStep('staging folder made');
    await fill(staged);
    // Nobody looks into a staged folder, so its files are made durable and visible with it, by the convoy.
    await writeFile(join(staged, MARKER_FILE), `${JSON.stringify(marker, undefined, 2)}\n`, { mode: MARKER_MODE });
  }

  async #makeStaged(staged: string): Promise<void> {
    try {
      await mkdir(staged, { mode: FOLDER_MODE });
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error;
      await mkdir(join(this.root, STAGING), { recursive: true, mode: 0o700 });
      await mkdir(staged, { mode: FOLDER_MODE });
    }
  }

  /** A staged folder is never empty, so this rename fails on a folder that somebody else put there first. */
  async #publish(volume: DriverVolume, staged: string): Promise<void> {
    try {
      await this.#convoy.publish({
        staged,
        place: this.folder(volume.name),
        beforeRename: () => this.#context.onStep('staged'),
        afterRename: () => this.#context.onStep('published'),
      });
    } catch (error) {
      if (!hasCode(error, 'ENOTEMPTY', 'EEXIST', 'ENOTDIR')) throw error;
      const winner = await this.look(volume);
      await discard(staged);
      if (winner.kind === 'own') return;
      throw this.foreign(volume, winner.kind === 'foreign' ? winner.fault : 'it came and went during the create');
    }
  }

  async #take(volume: DriverVolume): Promise<string | undefined> {
    const [mounted] = findMountsBelow(await this.#context.mounts.table(), this.folder(volume.name));
    if (mounted !== undefined) {
      const text = `volume ${volume.name} is not removed, because ${mounted.target} is still mounted`;
      throw new AppError('DRIVER_FAILED', text, { volume: volume.name });
    }
    try {
      return await this.trash.take(this.folder(volume.name), `${volume.name}-${volume.uid}`);
    } catch (error) {
      // Another node was quicker with the same remove.
      if (hasCode(error, 'ENOENT')) return undefined;
      throw fsFault(error, `remove of volume ${volume.name}`);
    }
  }

  /** What a create of this volume has left behind when it was cut short; nobody can go on with it after its remove. */
  async #sweepStaging(volume: DriverVolume, signal: AbortSignal): Promise<void> {
    const folder = join(this.root, STAGING);
    for (const name of await this.trash.names(folder)) {
      // One delete at a time is enough work for one disk.
      if (name.startsWith(`${volume.uid}-`)) await this.trash.destroy(join(folder, name), signal);
    }
  }
}

function markerOf(volume: DriverVolume, nowMs: number): VolumeMarker {
  return { schema: 1, name: volume.name, uid: volume.uid, options: volume.options, createdAt: new Date(nowMs).toISOString() };
}

/** Undefined: there is nothing. */
async function markerAt(folder: string): Promise<VolumeMarker | { readonly fault: string; readonly unreadable: boolean } | undefined> {
  try {
    const found = await lstat(folder).catch((error: unknown) => {
      if (hasCode(error, 'ENOENT')) return undefined;
      throw error;
    });
    if (found === undefined) return undefined;
    if (!found.isDirectory()) return { fault: 'it is not a folder', unreadable: false };
    const marker = await readMarker(join(folder, MARKER_FILE));
    return 'fault' in marker ? { fault: `${MARKER_FILE}: ${marker.fault}`, unreadable: true } : marker;
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) throw error;
    return (await isThere(folder)) ? { fault: `it has no ${MARKER_FILE} of Volplane`, unreadable: false } : undefined;
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false;
    throw error;
  }
}

/** Our own staged folder, which nobody else has touched: deleting it in this process is safe. */
async function discard(staged: string): Promise<void> {
  try {
    await rm(staged, { recursive: true, force: true });
  } catch {
    // It stays in the staging folder until the volume is removed; the error that led here says more.
  }
}

const STAGING = '.staging';
/** As moby's: others may pass through to the data, not look around. */
const FOLDER_MODE = 0o701;
/** Only the owner reads what a daemon stores. */
const MARKER_MODE = 0o600;
