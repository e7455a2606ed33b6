import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '@volplane/base';
import { parseDriverName, type DriverInfo, type StringMap } from '@volplane/domain';
import { findMount, isReadOnly, type AbortMethod, type MountEntry } from '@volplane/host';
import type { DriverInspection, DriverVolume, FoundVolume, MountRequest, VolumeDriver } from '@volplane/ports';
import { DATA_FOLDER } from '../data-folder.js';
import type { DriverContext } from '../driver-context.js';
import { withFsFaults } from '../fs-fault.js';
import { plainFolderMount } from '../plain-folder-mount.js';
import { VolumeFolders } from '../volume-folders.js';
import { localAbortMethod, localAbortRefusal } from './local-abort.js';
import { mountLocal } from './local-mount.js';
import { checkLocalOptions, LOCAL_OPTIONS, maskedDevice, maskedWords, planLocalMount } from './mount-plan.js';

export interface LocalDriverConfig {
  readonly name: string;
  /** Volumes live in `<root>/volumes`; made when missing. */
  readonly root: string;
}

/**
 * Folders of this node, and what mount(8) can mount into them: behaviour and options of moby's local driver.
 *
 * `<root>/volumes/<name>/_data` is the volume, `volume.json` beside it says whose it is and with which options.
 */
export class LocalDriver implements VolumeDriver {
  readonly info: DriverInfo;
  readonly #context: DriverContext;
  readonly #folders: VolumeFolders;

  constructor(context: DriverContext, config: LocalDriverConfig) {
    this.#context = context;
    this.#folders = new VolumeFolders(context, { root: join(config.root, 'volumes'), trashKeepMs: 0, rootMode: ROOT_MODE });
    this.info = { name: parseDriverName(config.name), capabilities: CAPABILITIES, options: LOCAL_OPTIONS };
  }

  async validate(options: StringMap): Promise<void> {
    checkLocalOptions(options);
  }

  async create(volume: DriverVolume): Promise<void> {
    checkLocalOptions(volume.options);
    await this.#folders.create(volume, 'data folder');
  }

  async remove(volume: DriverVolume, signal: AbortSignal): Promise<void> {
    await this.#folders.remove(volume, signal);
  }

  async mount(volume: DriverVolume, request: MountRequest, signal: AbortSignal): Promise<string> {
    const target = this.#target(volume);
    const isMounted = findMount(await this.#context.mounts.table(), target) !== undefined;
    const { options } = isMounted
      ? await this.#folders.need(volume, 'MOUNT_FAILED')
      : await this.#folders.needWithFolder(volume, DATA_FOLDER);
    const plan = planLocalMount(options);
    if (plan === undefined) await plainFolderMount(this.#context, target, request.mode, signal);
    else {
      await mountLocal(this.#context, { plan, target, mode: request.mode, volume: volume.name }, signal);
      await this.#checkUsable(volume);
    }
    return target;
  }

  async unmount(volume: DriverVolume, signal: AbortSignal): Promise<void> {
    const place = await this.#folders.look(volume);
    if (place.kind === 'own') await this.#context.mounts.unmount(this.#target(volume), signal);
    if (place.kind !== 'foreign' || !place.unreadable) return;
    if (findMount(await this.#context.mounts.table(), this.#target(volume)) === undefined) return;
    throw new AppError(
      'DRIVER_FAILED',
      `volume ${volume.name} stays mounted, because its folder cannot be told from another's: ${place.fault}`,
      { volume: volume.name },
    );
  }

  async inspect(volume: DriverVolume): Promise<DriverInspection> {
    const place = await this.#folders.look(volume);
    if (place.kind === 'absent') return { existence: 'absent', status: {} };
    if (place.kind === 'foreign') return { existence: 'foreign', status: { fault: place.fault } };
    const { options, createdAt } = place.marker;
    const entry = findMount(await this.#context.mounts.table(), this.#target(volume));
    const plain = planLocalMount(options) === undefined;
    return {
      existence: 'present',
      createdAt,
      ...(plain || entry !== undefined ? { mounted: { path: this.#target(volume), usable: await this.#isUsable(volume) } } : {}),
      status: { ...shownOptions(options), ...shownMount(entry) },
    };
  }

  /** Only a file system of the volume's own. @throws AppError CAPABILITY_MISSING for a folder of a bigger one */
  async abort(volume: DriverVolume): Promise<void> {
    const table = await this.#context.mounts.table();
    const entry = findMount(table, this.#target(volume));
    if (entry === undefined) return;
    const fault = localAbortRefusal(table, entry);
    if (fault !== undefined) {
      throw new AppError('CAPABILITY_MISSING', `volume ${volume.name} cannot be aborted: ${fault}`, { volume: volume.name });
    }
    await this.#context.mounts.abort(entry.target);
  }

  async abortTarget(volume: DriverVolume): Promise<{ readonly path: string; readonly method: AbortMethod } | undefined> {
    const path = this.#target(volume);
    const method = localAbortMethod(await this.#context.mounts.table(), path, planLocalMount(volume.options));
    return method === undefined ? undefined : { path, method };
  }

  async list(limit: number): Promise<readonly FoundVolume[]> {
    await withFsFaults('list of local volumes', () => mkdir(this.#folders.root, { recursive: true, mode: ROOT_MODE }));
    return await this.#folders.list(limit);
  }

  /** The kernel hands out an aborted file system again as long as a descriptor of it is open. */
  async #checkUsable(volume: DriverVolume): Promise<void> {
    if (await this.#isUsable(volume)) return;
    await this.#context.mounts.detach(this.#target(volume));
    const text = `volume ${volume.name} was aborted, and processes of this node still have its old mount open: end them first`;
    throw new AppError('MOUNT_FAILED', text, { volume: volume.name });
  }

  /** Asked only of what can have been aborted: the answer of a bigger file system is slow, and not about the volume. */
  async #isUsable(volume: DriverVolume): Promise<boolean> {
    const table = await this.#context.mounts.table();
    const entry = findMount(table, this.#target(volume));
    if (entry === undefined || localAbortRefusal(table, entry) !== undefined) return true;
    return await this.#context.mounts.isUsable(entry);
  }

  #target(volume: DriverVolume): string {
    return join(this.#folders.folder(volume.name), DATA_FOLDER);
  }
}

/** As moby's: others may pass through, not look around. */
const ROOT_MODE = 0o701;

const CAPABILITIES: DriverInfo['capabilities'] = {
  scope: 'local',
  accessModes: ['single-node-writer', 'single-node-reader-only'],
  takeover: ['manual'],
  abort: true,
  fence: false,
  size: false,
  expand: false,
  snapshot: false,
  clone: false,
  block: false,
};

function shownOptions(options: StringMap): StringMap {
  const shown: Record<string, string> = {};
  if (options['type'] !== undefined) shown['type'] = options['type'];
  if (options['device'] !== undefined) shown['device'] = maskedDevice(options['device']);
  if (options['o'] !== undefined) shown['o'] = maskedWords(options['o']);
  return shown;
}

function shownMount(entry: MountEntry | undefined): StringMap {
  return entry === undefined ? {} : { mounted: `${entry.fsType} ${isReadOnly(entry) ? 'ro' : 'rw'}` };
}
