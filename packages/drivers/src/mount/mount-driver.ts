import { join } from 'node:path';
import { AppError, hasReason } from '@volplane/base';
import { isVolumeUid, parseDriverName, parseVolumeName, type DriverInfo, type StringMap } from '@volplane/domain';
import { findMount, isReadOnly } from '@volplane/host';
import type { DriverInspection, DriverVolume, FoundVolume, MountRequest, VolumeDriver } from '@volplane/ports';
import type { DriverContext } from '../driver-context.js';
import { makeMountFolder, removeMountFolder } from '../mount-folder.js';
import { expectReleased } from '../running-file-system.js';
import type { MountDriverConfig } from './mount-config.js';
import type { MountLayout } from './mount-layout.js';
import { checkVolumeOptions, mountAbortMethod, planMount } from './plan-mount.js';
import { SubfolderLayout } from './subfolder-layout.js';
import { WholeLayout } from './whole-layout.js';

/**
 * Any file system that nodes reach by mount(8), told by data: type, source and options.
 *
 * Volumes are mounted at `<mountRoot>/<uid>`. The configuration must have passed `mountConfigFault`.
 */
export class MountDriver implements VolumeDriver {
  readonly info: DriverInfo;
  readonly abort?: (volume: DriverVolume) => Promise<void>;
  readonly abortTarget?: NonNullable<VolumeDriver['abortTarget']>;
  readonly list?: (limit: number, signal: AbortSignal) => Promise<readonly FoundVolume[]>;
  readonly #context: DriverContext;
  readonly #config: MountDriverConfig;
  readonly #layout: MountLayout;

  constructor(context: DriverContext, config: MountDriverConfig) {
    this.#context = context;
    this.#config = config;
    const layout: MountLayout = config.layout === 'whole' ? new WholeLayout(context, config) : new SubfolderLayout(context, config);
    this.#layout = layout;
    this.info = { name: parseDriverName(config.name), capabilities: capabilitiesOf(config), options: config.volumeOptions };
    const method = mountAbortMethod(config);
    if (method !== undefined) {
      this.abort = (volume) => this.#abort(volume);
      this.abortTarget = async (volume) => ({ path: this.#target(volume), method });
    }
    if (layout.list !== undefined) this.list = layout.list.bind(layout);
  }

  async validate(options: StringMap): Promise<void> {
    checkVolumeOptions(this.#config, options);
  }

  async create(volume: DriverVolume, signal: AbortSignal): Promise<void> {
    parseVolumeName(volume.name);
    await this.validate(volume.options);
    await this.#layout.create(volume, signal);
  }

  async remove(volume: DriverVolume, signal: AbortSignal): Promise<void> {
    const target = this.#target(volume);
    if (findMount(await this.#context.mounts.table(), target) !== undefined) {
      throw new AppError('DRIVER_FAILED', `volume ${volume.name} is not removed, because ${target} is still mounted`, {
        volume: volume.name,
      });
    }
    await this.#layout.remove(volume, signal);
  }

  async mount(volume: DriverVolume, request: MountRequest, signal: AbortSignal): Promise<string> {
    const target = this.#target(volume);
    await this.#layout.sweep(volume, signal);
    if (await this.#isUsedAgain(volume, request, signal)) return target;
    await makeMountFolder(target);
    await this.#context.onStep('target made');
    await this.#layout.mount(volume, { target, mode: request.mode }, signal);
    await this.#context.onStep('mounted');
    try {
      await this.#checkFresh(volume, target);
    } catch (error) {
      // Nobody has seen it yet, so nobody can have it open.
      await this.#context.mounts.detach(target);
      throw error;
    }
    return target;
  }

  async unmount(volume: DriverVolume, signal: AbortSignal): Promise<void> {
    const target = this.#target(volume);
    await this.#layout.sweep(volume, signal);
    await this.#context.mounts.unmount(target, signal);
    await this.#context.onStep('unmounted');
    await expectReleased(this.#context, volume.name, () => this.#layout.heldDevice(volume), signal);
    await removeMountFolder(target);
  }

  async inspect(volume: DriverVolume, signal: AbortSignal): Promise<DriverInspection> {
    const place = await this.#layout.look(volume, signal);
    const target = this.#target(volume);
    const entry = findMount(await this.#context.mounts.table(), target);
    const status: StringMap = {
      source: planMount(this.#config, volume).source,
      ...(entry === undefined ? {} : { mounted: `${entry.fsType} ${isReadOnly(entry) ? 'ro' : 'rw'}` }),
      ...(place.kind === 'foreign' ? { fault: place.fault } : {}),
    };
    return {
      existence: place.kind === 'own' ? 'present' : place.kind,
      ...(entry === undefined ? {} : { mounted: { path: target, usable: await this.#context.mounts.isUsable(entry) } }),
      ...(place.kind === 'own' ? { createdAt: place.marker.createdAt } : {}),
      status,
    };
  }

  async #abort(volume: DriverVolume): Promise<void> {
    await this.#layout.abort(volume);
    await this.#context.mounts.abort(this.#target(volume));
  }

  /** Takes a mount that is there, made writable if that is wanted; one that was aborted is taken out of the way. */
  async #isUsedAgain(volume: DriverVolume, request: MountRequest, signal: AbortSignal): Promise<boolean> {
    const target = this.#target(volume);
    const entry = findMount(await this.#context.mounts.table(), target);
    if (entry === undefined) return false;
    if (!(await this.#context.mounts.isUsable(entry))) {
      await this.#context.mounts.detach(target);
      return false;
    }
    await this.#layout.check(volume, target);
    return request.mode === 'ro' || !isReadOnly(entry) || (await this.#isMadeWritable(target, signal));
  }

  /** In place where the file system can; else it must be unmounted first, which its users can refuse. */
  async #isMadeWritable(target: string, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#context.mounts.remount(target, { mode: 'rw', bind: this.#layout.isBind });
      return true;
    } catch (error) {
      if (!hasReason(error, 'MOUNT_FAILED')) throw error;
      await this.#context.mounts.unmount(target, signal);
      return false;
    }
  }

  async #checkFresh(volume: DriverVolume, target: string): Promise<void> {
    const entry = findMount(await this.#context.mounts.table(), target);
    // The kernel hands out an aborted file system again as long as a descriptor of it is open.
    if (entry === undefined || !(await this.#context.mounts.isUsable(entry))) {
      const text = `volume ${volume.name} was aborted, and processes of this node still have its old mount open: end them first`;
      throw new AppError('MOUNT_FAILED', text, { volume: volume.name });
    }
    await this.#layout.check(volume, target);
  }

  /** Named by the uid, so that a mount is never taken for that of another volume. */
  #target(volume: DriverVolume): string {
    if (!isVolumeUid(volume.uid)) throw new AppError('INVALID_ARGUMENT', `the uid of volume ${volume.name} is not one`);
    return join(this.#config.mountRoot, volume.uid);
  }
}

function capabilitiesOf(config: MountDriverConfig): DriverInfo['capabilities'] {
  const abort = mountAbortMethod(config) !== undefined;
  return {
    scope: 'global',
    accessModes: config.accessModes,
    takeover: abort ? ['manual', 'lease'] : ['manual'],
    abort,
    fence: false,
    size: false,
    expand: false,
    snapshot: false,
    clone: false,
    block: false,
  };
}
