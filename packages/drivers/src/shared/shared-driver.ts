import { join } from 'node:path';
import { AppError, hasReason } from '@volplane/base';
import { parseDriverName, type AccessMode, type DriverInfo, type StringMap } from '@volplane/domain';
import { abortMethod, abortRefusal, findMount, findMountOf, isReadOnly, type AbortMethod, type MountEntry } from '@volplane/host';
import type { DriverInspection, DriverVolume, FoundVolume, MountRequest, VolumeDriver } from '@volplane/ports';
import { DATA_FOLDER } from '../data-folder.js';
import type { DriverContext } from '../driver-context.js';
import { invalidOption } from '../invalid-option.js';
import { plainFolderMount } from '../plain-folder-mount.js';
import { VolumeFolders } from '../volume-folders.js';
import { RootGuard, type RootGuardConfig } from './root-guard.js';

export interface SharedDriverConfig extends RootGuardConfig {
  readonly name: string;
  /** The default one first. */
  readonly accessModes: readonly AccessMode[];
  /** How long removed data stays in `<root>/.trash`. */
  readonly trashKeepMs: number;
  /** Volumes may ask that an operator's own mount stands at their data folder; such a mount can be aborted. */
  readonly ownMounts: boolean;
}

/**
 * Folders on a file system that every node sees at the same path: `<root>/<name>/_data` is the volume.
 *
 * Nothing is mounted, except a read-only bind for `ro`. One volume of a bigger file system cannot be cut off from a node
 * without the others, so takeover is by hand, unless the volume has a mount of its own (`ownMount`).
 */
export class SharedDriver implements VolumeDriver {
  readonly info: DriverInfo;
  readonly abort?: (volume: DriverVolume) => Promise<void>;
  readonly abortTarget?: NonNullable<VolumeDriver['abortTarget']>;
  readonly abortFault?: NonNullable<VolumeDriver['abortFault']>;
  readonly #context: DriverContext;
  readonly #config: SharedDriverConfig;
  readonly #folders: VolumeFolders;
  readonly #guard: RootGuard;

  constructor(context: DriverContext, config: SharedDriverConfig) {
    this.#context = context;
    this.#config = config;
    this.#folders = new VolumeFolders(context, { root: config.root, trashKeepMs: config.trashKeepMs });
    this.#guard = new RootGuard(context, config);
    this.info = {
      name: parseDriverName(config.name),
      capabilities: capabilitiesOf(config),
      options: config.ownMounts ? OWN_MOUNT_HELP : {},
    };
    if (!config.ownMounts) return;
    this.abort = (volume) => this.#abort(volume);
    this.abortTarget = (volume) => this.#abortTarget(volume);
    this.abortFault = optionsFault;
  }

  async validate(options: StringMap): Promise<void> {
    for (const [name, value] of Object.entries(options)) {
      if (!this.#config.ownMounts || name !== OWN_MOUNT) throw invalidOption(name, `is not an option of driver ${this.info.name}`);
      if (value !== 'true' && value !== 'false') throw invalidOption(name, 'is true or false');
    }
  }

  async create(volume: DriverVolume): Promise<void> {
    await this.validate(volume.options);
    await this.#guard.check();
    await this.#folders.create(volume, 'data folder');
  }

  async remove(volume: DriverVolume, signal: AbortSignal): Promise<void> {
    await this.#guard.check();
    await this.#folders.remove(volume, signal);
  }

  async mount(volume: DriverVolume, request: MountRequest, signal: AbortSignal): Promise<string> {
    await this.#guard.check();
    const { options } = await this.#folders.needWithFolder(volume, DATA_FOLDER);
    const target = this.#target(volume);
    if (options[OWN_MOUNT] === 'true') await this.#checkOwnMount(volume, request);
    else await plainFolderMount(this.#context, target, request.mode, signal);
    return target;
  }

  /** Takes away the read-only bind; a mount that an operator made stays. Works while the storage is away. */
  async unmount(volume: DriverVolume, signal: AbortSignal): Promise<void> {
    const { entry, own } = await this.#entry(volume);
    if (entry === undefined || own || (await this.#isOfAnother(volume))) return;
    await this.#context.mounts.unmount(entry.target, signal);
  }

  async inspect(volume: DriverVolume): Promise<DriverInspection> {
    await this.#guard.check();
    const place = await this.#folders.look(volume);
    if (place.kind === 'absent') return { existence: 'absent', status: {} };
    if (place.kind === 'foreign') return { existence: 'foreign', status: { fault: place.fault } };
    const { entry, own } = await this.#entry(volume);
    const needsOwn = place.marker.options[OWN_MOUNT] === 'true';
    const usable = entry === undefined || !own || (await this.#context.mounts.isUsable(entry));
    return {
      existence: 'present',
      createdAt: place.marker.createdAt,
      ...(needsOwn && !own ? {} : { mounted: { path: this.#target(volume), usable } }),
      status: {
        root: this.#config.root,
        ...(entry === undefined ? {} : { mounted: `${entry.fsType} ${isReadOnly(entry) ? 'ro' : 'rw'}` }),
      },
    };
  }

  async list(limit: number): Promise<readonly FoundVolume[]> {
    await this.#guard.check();
    return await this.#folders.list(limit);
  }

  /** Deletes what was removed more than `olderThanMs` ago, some 60 volumes a call. Failures are logged and stay for the next call. */
  async purge(olderThanMs: number, signal: AbortSignal): Promise<void> {
    await this.#guard.check();
    await this.#folders.trash.purge(olderThanMs, signal);
  }

  async #abort(volume: DriverVolume): Promise<void> {
    const { entry } = await this.#entry(volume);
    if (entry === undefined) return;
    const fault = await this.#mountFault(volume);
    if (fault !== undefined)
      throw new AppError('CAPABILITY_MISSING', `volume ${volume.name} cannot be aborted: ${fault}`, { volume: volume.name });
    await this.#context.mounts.abort(entry.target);
  }

  async #abortTarget(volume: DriverVolume): Promise<{ path: string; method: AbortMethod } | undefined> {
    const { entry } = await this.#entry(volume);
    const method = entry === undefined || (await this.#mountFault(volume)) !== undefined ? undefined : abortMethod(entry.fsType);
    return method === undefined ? undefined : { path: this.#target(volume), method };
  }

  async #mountFault(volume: DriverVolume): Promise<string | undefined> {
    const fault = optionsFault(volume.options);
    if (fault !== undefined) return fault;
    const { entry, own } = await this.#entry(volume);
    if (entry === undefined || !own) return 'no file system of its own is mounted at its folder on this node';
    return abortRefusal(await this.#context.mounts.table(), entry);
  }

  /** Without it the user would write into the empty folder below the mount. */
  async #checkOwnMount(volume: DriverVolume, request: MountRequest): Promise<void> {
    const { entry, own } = await this.#entry(volume);
    const target = this.#target(volume);
    if (entry === undefined || !own)
      throw new AppError('MOUNT_FAILED', `nothing is mounted at ${target} on this node, which volume ${volume.name} asks for`);
    if (request.mode === 'ro' && !isReadOnly(entry)) {
      throw new AppError('MOUNT_FAILED', `${target} is mounted writable by an operator, and volume ${volume.name} was asked for read-only`);
    }
  }

  /** True only when the storage says so. */
  async #isOfAnother(volume: DriverVolume): Promise<boolean> {
    try {
      await this.#guard.check();
      return (await this.#folders.look(volume)).kind !== 'own';
    } catch (error) {
      if (hasReason(error, 'DRIVER_UNAVAILABLE')) return false;
      throw error;
    }
  }

  /** What is mounted at the data folder; `own`: another file system than the one around it, so not our read-only bind. */
  async #entry(volume: DriverVolume): Promise<{ readonly entry: MountEntry | undefined; readonly own: boolean }> {
    const table = await this.#context.mounts.table();
    const entry = findMount(table, this.#target(volume));
    const around = findMountOf(table, this.#folders.folder(volume.name));
    const same = entry?.device.major === around?.device.major && entry?.device.minor === around?.device.minor;
    return { entry, own: entry !== undefined && !same };
  }

  #target(volume: DriverVolume): string {
    return join(this.#folders.folder(volume.name), DATA_FOLDER);
  }
}

/** Why no mount of a volume with these options can be cut off. */
function optionsFault(options: StringMap): string | undefined {
  if (options[OWN_MOUNT] === 'true') return undefined;
  return `it is a folder of a file system that others use too; choose the option ${OWN_MOUNT}=true, or the takeover policy manual`;
}

const OWN_MOUNT = 'ownMount';
const OWN_MOUNT_HELP: StringMap = {
  ownMount:
    'true: an operator mounts a file system of its own at <root>/<name>/_data on each node; the volume is refused where it is not mounted.',
};

function capabilitiesOf(config: SharedDriverConfig): DriverInfo['capabilities'] {
  return {
    scope: 'global',
    accessModes: config.accessModes,
    takeover: config.ownMounts ? ['manual', 'lease'] : ['manual'],
    abort: config.ownMounts,
    fence: false,
    size: false,
    expand: false,
    snapshot: false,
    clone: false,
    block: false,
  };
}
