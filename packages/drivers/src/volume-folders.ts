import { opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '@volplane/base';
import { isVolumeName, parseVolumeName, type StringMap } from '@volplane/domain';
import { findMountsBelow } from '@volplane/host';
import type { DriverVolume, FoundVolume } from '@volplane/ports';
import type { DriverContext } from './driver-context.js';
import type { FileCall, FileOutcome, FileRunner } from './files/file-call.js';
import type { FilePlan } from './files/file-plan.js';
import { runPlan, toError, valueAt } from './files/stepwise.js';
import { fsFault, withFsFaults } from './fs-fault.js';
import { FolderTrash } from './folder-trash.js';
import { MARKER_BYTES_MAX, MARKER_FILE, parseMarker, type VolumeMarker } from './volume-marker.js';
import { STAGING, volumePlans, type VolumePlans } from './volume-plans.js';

/** What stands at a volume's place. `unreadable`: its marker cannot be read, so it may be anybody's. */
export type Place =
  | { readonly kind: 'absent' }
  | { readonly kind: 'own'; readonly marker: VolumeMarker }
  | { readonly kind: 'foreign'; readonly fault: string; readonly unreadable: boolean };

/** What is put into a staged folder: the folder that users get, which goes with the other calls, or work of the driver's own. */
export type Fill = 'data folder' | { readonly work: (stagedFolder: string) => Promise<void> };

/**
 * One folder a volume under one root: `<root>/<name>/` with the marker and whatever the driver puts beside it.
 *
 * A volume appears and disappears by one rename, so a crash leaves either all of it or nothing; what is half made lies
 * in `.staging`, what is half destroyed in `.trash`. Two nodes that create in one root at the same moment are told
 * apart by that rename: only one of them can win. A root that is missing is made: who must not
 * have that checks it before (`RootGuard`).
 */
export class VolumeFolders {
  readonly root: string;
  readonly trash: FolderTrash;
  readonly #context: DriverContext;
  readonly #rootMode: number | undefined;
  readonly #plans: VolumePlans;
  readonly #staging: string;

  /**
   * @param options.trashKeepMs - how long removed data stays in `.trash`; 0: until the remove is answered
   * @param options.rootMode - the root is made with it when it is missing
   */
  constructor(context: DriverContext, options: { readonly root: string; readonly trashKeepMs: number; readonly rootMode?: number }) {
    this.#context = context;
    this.root = options.root;
    this.#rootMode = options.rootMode;
    this.trash = new FolderTrash(context, { root: this.root, keepMs: options.trashKeepMs });
    this.#plans = volumePlans(this.root, { keepsTrash: options.trashKeepMs > 0 });
    this.#staging = join(this.root, STAGING);
  }

  /** The volume's folder, whether it exists or not. @throws AppError INVALID_NAME for what could leave the root */
  folder(name: string): string {
    return join(this.root, parseVolumeName(name));
  }

  /** How the paths of folders begin in which creates of this volume work. */
  stagedPrefix(volume: DriverVolume): string {
    return `${this.#staging}/${volume.uid}-`;
  }

  /** Whose the place is. @throws AppError DRIVER_UNAVAILABLE when that cannot be told */
  async look(volume: DriverVolume): Promise<Place> {
    parseVolumeName(volume.name);
    return await withFsFaults(`a look at volume ${volume.name}`, async () => {
      const marker = await this.#markerOf(volume.name);
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

  /** As {@link need} of a mount, for a driver that gives the folder `name` in it: a link in its place would lead users elsewhere. */
  async needWithFolder(volume: DriverVolume, name: string): Promise<VolumeMarker> {
    const folder = this.folder(volume.name);
    const calls: readonly FileCall[] = [
      { do: 'check-folder', path: folder },
      { do: 'check-folder', path: join(folder, name) },
    ];
    // Both go in one convoy.
    const [marker, { fault }] = await Promise.all([this.need(volume, 'MOUNT_FAILED'), this.#files.run([calls])]);
    if (fault === undefined) return marker;
    if (fault.code === 'ENOTDIR') throw this.foreign(volume, `${name} is not a folder`);
    throw fsFault(toError(fault), `mount of volume ${volume.name}`);
  }

  /** True when a create of this volume has come to its end, durably; another volume at its place is for the create to tell. */
  async isMade(volume: DriverVolume): Promise<boolean> {
    if ((await this.look(volume)).kind !== 'own') return false;
    await this.#syncRoot(`create of volume ${volume.name}`);
    return true;
  }

  /**
   * Makes the folder with its marker, and with what `fill` puts into it, in one step. There already: fine.
   *
   * @param fill - what its work rejects with is passed on after the staged folder is gone
   * @param details - kept in the marker
   * @throws AppError FOREIGN_DATA, NO_CAPACITY, DRIVER_FAILED, DRIVER_UNAVAILABLE
   */
  async create(volume: DriverVolume, fill: Fill, details?: StringMap): Promise<void> {
    const staged = `${this.stagedPrefix(volume)}${this.#context.random.hex(8)}`;
    const marker = { ...markerOf(volume, this.#context.clock.wallMs()), ...(details === undefined ? {} : { details }) };
    const values = { name: parseVolumeName(volume.name), staged, marker: `${JSON.stringify(marker, undefined, 2)}\n` };
    try {
      if (fill === 'data folder') {
        if (!(await this.#made(volume, this.#plans.create, values))) await this.#discard(staged);
      } else if (await this.#made(volume, this.#plans.begin, values)) {
        await fill.work(staged);
        if (!(await this.#made(volume, this.#plans.publish, values))) await this.#discard(staged);
      }
    } catch (error) {
      await this.#discard(staged);
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
    const folder = this.folder(volume.name);
    const [mounted] = findMountsBelow(await this.#context.mounts.table(), folder);
    const isRemoved = mounted === undefined && (await withFsFaults(`remove of volume ${volume.name}`, () => this.#removed(volume, signal)));
    if (isRemoved) return;
    const place = await this.look(volume);
    if (place.kind === 'foreign' && place.unreadable) {
      const text = `volume ${volume.name} is not removed, because ${join(folder, MARKER_FILE)} cannot be read (${place.fault}): repair it, or move the folder away`;
      throw new AppError('DRIVER_FAILED', text, { volume: volume.name });
    }
    if (place.kind === 'own') {
      const text =
        mounted === undefined
          ? `volume ${volume.name} is not removed, because it changed while it was looked at`
          : `volume ${volume.name} is not removed, because ${mounted.target} is still mounted`;
      throw new AppError(mounted === undefined ? 'DRIVER_UNAVAILABLE' : 'DRIVER_FAILED', text, { volume: volume.name });
    }
    await this.#syncRoot(`remove of volume ${volume.name}`);
    await this.#context.onStep('in the trash');
    await this.trash.settle(undefined, signal);
    await this.#sweepStaging(volume, await this.trash.names(this.#staging), signal);
  }

  /** Volumes in the root, at most `limit`. A folder whose marker cannot be read is logged and left out; others do not suffer from it. */
  async list(limit: number): Promise<readonly FoundVolume[]> {
    const found: FoundVolume[] = [];
    await withFsFaults(`list of ${this.root}`, async () => {
      let names: string[] = [];
      for await (const { name } of await opendir(this.root)) {
        if (found.length >= limit) break;
        if (isVolumeName(name)) names.push(name);
        if (names.length < LIST_AT_ONCE) continue;
        found.push(...(await this.#found(names)));
        names = [];
      }
      found.push(...(await this.#found(names)));
    });
    return found.slice(0, limit);
  }

  foreign(volume: DriverVolume, fault: string): AppError {
    const text = `${this.folder(volume.name)} holds something else than volume ${volume.name}: ${fault}`;
    return new AppError('FOREIGN_DATA', text, { volume: volume.name, uid: volume.uid });
  }

  async #found(names: readonly string[]): Promise<readonly FoundVolume[]> {
    const markers = await Promise.all(names.map((name) => this.#markerOf(name)));
    return markers.flatMap((marker, index) => {
      const folder = join(this.root, names[index] ?? '');
      if (marker === undefined) return [];
      if ('fault' in marker) {
        if (marker.unreadable) this.#context.log.warn('volume folder skipped', { folder, fault: marker.fault });
        return [];
      }
      const { name, uid, options, createdAt } = marker;
      return name === names[index] ? [{ name, uid, options, createdAt }] : [];
    });
  }

  get #files(): FileRunner {
    return this.#context.files(this.root);
  }

  /** @returns false when the volume is there already. @throws Node's own error; AppError FOREIGN_DATA when the place is taken */
  async #made<Blank extends string>(
    volume: DriverVolume,
    plan: FilePlan<Blank>,
    values: Readonly<Record<Blank, string>>,
  ): Promise<boolean> {
    const { fault } = await this.#runIn(this.#staging, plan, values);
    if (fault === undefined) return true;
    // The last round comes after the move; a plan of one round has none.
    if (fault.round > 0 && fault.round === plan.script.length - 1) throw notDurable(toError(fault), `create of volume ${volume.name}`);
    const taken = fault.syscall === 'check-absent' || (fault.syscall === 'rename' && PLACE_TAKEN.has(fault.code));
    if (!taken) throw toError(fault);
    const winner = await this.look(volume);
    if (winner.kind !== 'own') throw this.foreign(volume, winner.kind === 'foreign' ? winner.fault : 'it came and went during the create');
    await this.#syncRoot(`create of volume ${volume.name}`);
    return false;
  }

  /** The quick way for a volume that is there and not in use. @returns false when it is not so; nothing is done then */
  async #removed(volume: DriverVolume, signal: AbortSignal): Promise<boolean> {
    const taken = this.trash.entry(`${volume.name}-${volume.uid}`);
    const values = { name: parseVolumeName(volume.name), uid: volume.uid, taken };
    const { values: found, fault } = await this.#runIn(this.trash.folder, this.#plans.remove, values);
    if (fault !== undefined && fault.round < 2) {
      // Not its own, or gone; another node can have been quicker with the same remove.
      if (fault.round === 0 && NOT_THERE.has(fault.code)) return false;
      throw fault.round === 0 ? toError(fault) : notDurable(toError(fault), `remove of volume ${volume.name}`);
    }
    await this.trash.settle(fault === undefined ? undefined : taken, signal);
    const names = fault?.round === 2 ? await this.trash.names(this.#staging) : (found[0] ?? '').split('\n');
    await this.#sweepStaging(volume, names, signal);
    return true;
  }

  /** For what is as it should be already: who did it may have been cut short before it was durable. No root: nothing is in it. */
  async #syncRoot(what: string): Promise<void> {
    const { fault } = await this.#files.run([[{ do: 'sync-folder', path: this.root }]]);
    if (fault !== undefined && fault.code !== 'ENOENT') throw notDurable(toError(fault), what);
  }

  /** Makes `folder`, where the script puts something, when it is missing, and begins again. */
  async #runIn<Blank extends string>(folder: string, plan: FilePlan<Blank>, values: Readonly<Record<Blank, string>>): Promise<FileOutcome> {
    const run = { context: this.#context, files: this.#files, values };
    const outcome = await runPlan(run, plan);
    const { fault } = outcome;
    if (fault?.code !== 'ENOENT' || fault.round > 0 || !PUTS.has(fault.syscall)) return outcome;
    const root: readonly FileCall[] =
      this.#rootMode === undefined ? [] : [{ do: 'make-folder', path: this.root, mode: this.#rootMode, recursive: true }];
    const made = await this.#files.run([[...root, { do: 'make-folder', path: folder, mode: 0o700, recursive: true }]]);
    if (made.fault !== undefined) throw toError(made.fault);
    return await runPlan(run, plan);
  }

  /** Undefined: there is nothing. */
  async #markerOf(name: string): Promise<VolumeMarker | { readonly fault: string; readonly unreadable: boolean } | undefined> {
    const outcome = await this.#files.run(this.#plans.look.script, { name });
    const { fault } = outcome;
    if (fault === undefined) {
      const marker = parseMarker(valueAt(outcome, 0));
      return 'fault' in marker ? { fault: `${MARKER_FILE}: ${marker.fault}`, unreadable: true } : marker;
    }
    if (fault.code === 'EFBIG') return { fault: `${MARKER_FILE}: it is larger than ${String(MARKER_BYTES_MAX)} bytes`, unreadable: true };
    if (fault.syscall === 'check-folder') return fault.code === 'ENOENT' ? undefined : { fault: 'it is not a folder', unreadable: false };
    if (!NO_MARKER.has(fault.code)) throw toError(fault);
    const again = await this.#files.run([[{ do: 'check-folder', path: join(this.root, name) }]]);
    if (again.fault === undefined) return { fault: `it has no ${MARKER_FILE} of Volplane`, unreadable: false };
    if (again.fault.code === 'ENOENT') return undefined;
    throw toError(again.fault);
  }

  /** What a create of this volume has left behind when it was cut short; nobody can go on with it after its remove. */
  async #sweepStaging(volume: DriverVolume, names: readonly string[], signal: AbortSignal): Promise<void> {
    for (const name of names) {
      // One delete at a time is enough work for one disk.
      if (name.startsWith(`${volume.uid}-`)) await this.trash.destroy(join(this.#staging, name), signal);
    }
  }

  /** Our own staged folder, which nobody else has touched: deleting it in this process is safe. */
  async #discard(staged: string): Promise<void> {
    // If that fails it stays in the staging folder until the volume is removed; the error that led here says more.
    await this.#files.run([[{ do: 'remove-tree', path: staged }]]).catch(() => undefined);
  }
}

function markerOf(volume: DriverVolume, nowMs: number): VolumeMarker {
  return { schema: 1, name: volume.name, uid: volume.uid, options: volume.options, createdAt: new Date(nowMs).toISOString() };
}

/** It is done and may not survive the end of the machine, whatever the fault: DRIVER_FAILED would say that nothing was done. */
function notDurable(error: Error, what: string): AppError {
  return new AppError('DRIVER_UNAVAILABLE', `${what} is not known to be on the disk`, {}, error);
}

/** Markers that are read together, in one convoy. */
const LIST_AT_ONCE = 64;
const PLACE_TAKEN: ReadonlySet<string> = new Set(['ENOTEMPTY', 'EEXIST', 'ENOTDIR']);
const NO_MARKER: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP']);
const NOT_THERE: ReadonlySet<string> = new Set([...NO_MARKER, 'EMARKER', 'EFBIG']);
/** Calls that miss the folder that they put something into. */
const PUTS: ReadonlySet<string> = new Set(['mkdir', 'rename']);
