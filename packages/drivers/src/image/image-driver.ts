import { mkdir, realpath, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError, hasReason } from '@volplane/base';
import { isVolumeUid, parseDriverName, type DriverInfo, type Scope, type StringMap } from '@volplane/domain';
import { findMount, isReadOnly } from '@volplane/host';
import type { DriverInspection, DriverVolume, FoundVolume, MountRequest, VolumeDriver } from '@volplane/ports';
import type { DriverContext } from '../driver-context.js';
import { withFsFaults } from '../fs-fault.js';
import { RootGuard, type RootGuardConfig } from '../shared/root-guard.js';
import { VolumeFolders } from '../volume-folders.js';
import type { VolumeMarker } from '../volume-marker.js';
import { blockDevice, mountBlock, unmountBlock } from './block-access.js';
import { fileBytes, growFile } from './image-file.js';
import { fillImage } from './image-fill.js';
import { growContent, growthFault } from './image-growth.js';
import { ImageMounts, type MountedImage } from './image-mounts.js';
import { IMAGE_BYTES_MAX, imageOptions, minBytes, planImage, roundedBytes, type ImageFsType, type ImagePlan } from './image-plan.js';
import { dropSnapshot, takeSnapshot, thaw, type SnapshotPlace } from './image-snapshots.js';

export interface ImageDriverConfig extends RootGuardConfig {
  readonly name: string;
  /** `global`: the root is on a file system that every node sees; each volume is mounted on one node at a time. */
  readonly scope: Scope;
  /** Volumes are mounted at `<mountRoot>/<uid>` on each node; not on the shared file system. */
  readonly mountRoot: string;
  readonly defaultSizeBytes: number;
  readonly fsType: ImageFsType;
  /** Take all the room of a volume when it is made; else images are sparse and can run out of room later. */
  readonly preallocate: boolean;
  readonly trashKeepMs: number;
}

/** One image file a volume, `<root>/<name>/image`, with a file system in it that has a hard size and can be cut off alone. */
export class ImageDriver implements VolumeDriver {
  readonly info: DriverInfo;
  readonly #context: DriverContext;
  readonly #config: ImageDriverConfig;
  readonly #folders: VolumeFolders;
  readonly #guard: RootGuard;
  readonly #mounts: ImageMounts;

  constructor(context: DriverContext, config: ImageDriverConfig) {
    this.#context = context;
    this.#config = config;
    this.#folders = new VolumeFolders(context, { root: config.root, trashKeepMs: config.trashKeepMs });
    this.#guard = new RootGuard(context, config);
    this.#mounts = new ImageMounts(context);
    this.info = { name: parseDriverName(config.name), capabilities: capabilitiesOf(config), options: imageOptions(config.fsType) };
  }

  async validate(options: StringMap): Promise<void> {
    planImage(options, this.#config.fsType);
  }

  async create(volume: DriverVolume, signal: AbortSignal): Promise<void> {
    const plan = planImage(volume.options, this.#config.fsType);
    await this.#ready();
    await this.#sweepStaged(volume, signal);
    // A clone that was made needs its source no more, which may be gone since.
    if (volume.source !== undefined && (await this.#folders.isMade(volume))) return;
    const { defaultSizeBytes, preallocate, fsType } = this.#config;
    const source = volume.source === undefined ? undefined : await this.#sourceOf(volume.source, fsType);
    const fill = fillImage(this.#context, this.#mounts, {
      volume,
      plan,
      source,
      defaultSizeBytes,
      preallocate,
      workPath: this.#place(volume).workPath,
    });
    await this.#folders.create(volume, { work: (staged) => fill.fill(join(staged, IMAGE), signal) }, { content: fill.content });
  }

  async remove(volume: DriverVolume, signal: AbortSignal): Promise<void> {
    const place = this.#place(volume);
    await this.#ready();
    if (findMount(await this.#context.mounts.table(), place.target) !== undefined) {
      throw new AppError('DRIVER_FAILED', `volume ${volume.name} is not removed, because ${place.target} is still mounted`, {
        volume: volume.name,
      });
    }
    await this.#sweepStaged(volume, signal);
    const found = await this.#folders.look(volume);
    if (found.kind === 'own') await this.#unmountContent(volume, found.marker, signal);
    await this.#folders.remove(volume, signal);
  }

  async mount(volume: DriverVolume, request: MountRequest, signal: AbortSignal): Promise<string> {
    await this.#ready();
    const marker = await this.#folders.need(volume, 'MOUNT_FAILED');
    const place = this.#place(volume);
    const content = contentOf(marker, this.#config.fsType);
    if (content === 'block') {
      await mountBlock(this.#context, { volume: volume.name, ...place }, request.mode, signal);
      return place.target;
    }
    const mounted: MountedImage = { ...place, volume: volume.name, fsType: content };
    await this.#mounts.sweepWork(mounted, signal);
    if (!(await this.#isUsedAgain(mounted, request))) await this.#mounts.mount(mounted, request.mode, signal);
    return place.target;
  }

  async unmount(volume: DriverVolume, signal: AbortSignal): Promise<void> {
    const { target } = this.#place(volume);
    const entry = findMount(await this.#context.mounts.table(), target);
    const found = await this.#lookIfUp(volume);
    if (found !== undefined) await this.#unmountContent(volume, found, signal);
    // Storage away, or not this volume's any more: what is mounted is named by the uid, so it is ours to end.
    else if (entry !== undefined) await this.#context.mounts.unmount(target, signal);
  }

  async inspect(volume: DriverVolume): Promise<DriverInspection> {
    await this.#ready();
    const place = this.#place(volume);
    const found = await this.#folders.look(volume);
    await thaw(this.#context, this.#snapshotPlace(volume));
    const entry = findMount(await this.#context.mounts.table(), place.target);
    if (found.kind !== 'own') {
      const status: StringMap = found.kind === 'foreign' ? { fault: found.fault } : {};
      return { existence: found.kind, ...(entry === undefined ? {} : { mounted: { path: place.target, usable: false } }), status };
    }
    const content = contentOf(found.marker, this.#config.fsType);
    const isBlock = content === 'block';
    const usable = isBlock
      ? (await blockDevice(this.#context, { volume: volume.name, ...place })) !== undefined
      : entry !== undefined && (await this.#context.mounts.isUsable(entry));
    return {
      existence: 'present',
      createdAt: found.marker.createdAt,
      ...(entry === undefined ? {} : { mounted: { path: place.target, usable } }),
      status: {
        content,
        image: place.image,
        sizeBytes: String(await withFsFaults(`a look at volume ${volume.name}`, () => fileBytes(place.image))),
        ...(entry === undefined ? {} : { device: isBlock ? `/dev${entry.root}` : entry.source, mode: isReadOnly(entry) ? 'ro' : 'rw' }),
      },
    };
  }

  /** Cuts off the file system; a raw device cannot be cut off. */
  async abort(volume: DriverVolume): Promise<void> {
    const { target } = this.#place(volume);
    const fault = this.abortFault(volume.options);
    if (fault !== undefined)
      throw new AppError('CAPABILITY_MISSING', `volume ${volume.name} cannot be aborted: ${fault}`, { volume: volume.name });
    await this.#context.mounts.abort(target);
  }

  abortFault(options: StringMap): string | undefined {
    if (options['access'] !== 'block') return undefined;
    return 'it is a block device, which cannot be cut off; choose the option access=mount, or the takeover policy manual';
  }

  async abortTarget(volume: DriverVolume): Promise<{ path: string; method: 'shutdown' } | undefined> {
    return this.abortFault(volume.options) === undefined ? { path: this.#place(volume).target, method: 'shutdown' } : undefined;
  }

  async list(limit: number): Promise<readonly FoundVolume[]> {
    await this.#ready();
    return await this.#folders.list(limit);
  }

  async expand(volume: DriverVolume, sizeBytes: number, signal: AbortSignal): Promise<number> {
    await this.#ready();
    const marker = await this.#folders.need(volume, 'DRIVER_FAILED');
    const place = this.#place(volume);
    const content = contentOf(marker, this.#config.fsType);
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes > IMAGE_BYTES_MAX) {
      throw new AppError('INVALID_ARGUMENT', `volume ${volume.name} cannot have more than ${String(IMAGE_BYTES_MAX)} bytes`, {
        field: 'size_bytes',
      });
    }
    const fault = await growthFault(this.#context, { ...place, volume: volume.name }, content);
    if (fault !== undefined)
      throw new AppError('DRIVER_FAILED', `volume ${volume.name} is not expanded: ${fault}`, { volume: volume.name });
    await thaw(this.#context, this.#snapshotPlace(volume));
    return await withFsFaults(`expansion of volume ${volume.name}`, async () => {
      const grownBytes = Math.max(roundedBytes(sizeBytes), await fileBytes(place.image));
      await growFile(this.#context, place.image, { sizeBytes: grownBytes, preallocate: this.#config.preallocate, signal });
      await this.#context.onStep('file grown');
      await growContent(this.#context, this.#mounts, { ...place, volume: volume.name, content }, signal);
      return grownBytes;
    });
  }

  async capacity(): Promise<{ availableBytes: number; volumeBytesMin: number; volumeBytesMax: number }> {
    await this.#ready();
    const room = await withFsFaults(`a look at ${this.#config.root}`, () => statfs(this.#config.root));
    return { availableBytes: room.bavail * room.bsize, volumeBytesMin: minBytes(this.#config.fsType), volumeBytesMax: IMAGE_BYTES_MAX };
  }

  async snapshot(volume: DriverVolume, snapshot: string, signal: AbortSignal): Promise<number> {
    await this.#ready();
    const marker = await this.#folders.need(volume, 'DRIVER_FAILED');
    const place = this.#snapshotPlace(volume);
    const isOpenBlock =
      contentOf(marker, this.#config.fsType) === 'block' && findMount(await this.#context.mounts.table(), place.target) !== undefined;
    if (isOpenBlock)
      throw new AppError(
        'DRIVER_FAILED',
        `volume ${volume.name} is handed out as a block device, and nobody could hold it still for a snapshot`,
        { volume: volume.name },
      );
    return await takeSnapshot(this.#context, place, snapshot, signal);
  }

  async removeSnapshot(volume: DriverVolume, snapshot: string): Promise<void> {
    await this.#ready();
    if ((await this.#folders.look(volume)).kind === 'own') await dropSnapshot(this.#snapshotPlace(volume), snapshot);
  }

  /** The root is there, is what it should be, and is named as the kernel names it: loop devices are found by that name. */
  async #ready(): Promise<void> {
    const { root, scope } = this.#config;
    await this.#guard.check();
    await withFsFaults(`a look at ${root}`, async () => {
      if (scope === 'local') await mkdir(root, { recursive: true, mode: 0o700 });
      const real = await realpath(root);
      if (real !== root) throw new AppError('DRIVER_UNAVAILABLE', `${root} is reached through a link: configure ${real}`, { root });
    });
  }

  /** What a create of this volume on this node has left when it was cut short. */
  async #sweepStaged(volume: DriverVolume, signal: AbortSignal): Promise<void> {
    const { workPath } = this.#place(volume);
    await this.#context.mounts.unmount(`${workPath}.clone`, signal);
    await this.#context.mounts.unmount(workPath, signal);
    await this.#mounts.sweepStaged(this.#folders.stagedPrefix(volume));
  }

  async #unmountContent(volume: DriverVolume, marker: VolumeMarker, signal: AbortSignal): Promise<void> {
    const place = this.#place(volume);
    const content = contentOf(marker, this.#config.fsType);
    if (content === 'block') {
      await unmountBlock(this.#context, { volume: volume.name, ...place }, signal);
      return;
    }
    await thaw(this.#context, this.#snapshotPlace(volume));
    await this.#mounts.unmount({ ...place, volume: volume.name, fsType: content }, signal);
  }

  /** Takes a mount that is there, made writable if that is wanted; one that was aborted is taken out of the way. */
  async #isUsedAgain(mounted: MountedImage, request: MountRequest): Promise<boolean> {
    await thaw(this.#context, { ...mounted, folder: this.#folders.folder(mounted.volume) });
    const entry = findMount(await this.#context.mounts.table(), mounted.target);
    if (entry === undefined) return false;
    if (!(await this.#context.mounts.isUsable(entry))) {
      await this.#context.mounts.detach(mounted.target);
      return false;
    }
    if (request.mode === 'rw' && isReadOnly(entry)) await this.#context.mounts.remount(mounted.target, { mode: 'rw', bind: false });
    return true;
  }

  /** Undefined: the place is not this volume's, or the storage does not answer. */
  async #lookIfUp(volume: DriverVolume): Promise<VolumeMarker | undefined> {
    try {
      await this.#ready();
      const found = await this.#folders.look(volume);
      return found.kind === 'own' ? found.marker : undefined;
    } catch (error) {
      if (!hasReason(error, 'DRIVER_UNAVAILABLE')) throw error;
      this.#context.log.warn('storage away at an unmount', { volume: volume.name, error });
      return undefined;
    }
  }

  async #sourceOf(
    source: NonNullable<DriverVolume['source']>,
    fsType: ImageFsType,
  ): Promise<{ place: SnapshotPlace; snapshot: string | undefined; content: ImagePlan['content'] }> {
    const volume = { name: source.name, uid: source.uid, options: {}, epoch: 0 };
    const marker = await this.#folders.need(volume, 'DRIVER_FAILED');
    return { place: this.#snapshotPlace(volume), snapshot: source.snapshot, content: contentOf(marker, fsType) };
  }

  #snapshotPlace(volume: DriverVolume): SnapshotPlace {
    return { ...this.#place(volume), volume: volume.name, folder: this.#folders.folder(volume.name) };
  }

  #place(volume: DriverVolume): { image: string; target: string; workPath: string } {
    if (!isVolumeUid(volume.uid)) throw new AppError('INVALID_ARGUMENT', `the uid of volume ${volume.name} is not one`);
    const { mountRoot } = this.#config;
    return {
      image: join(this.#folders.folder(volume.name), IMAGE),
      target: join(mountRoot, volume.uid),
      workPath: join(mountRoot, '.work', volume.uid),
    };
  }
}

const IMAGE = 'image';

/** What was decided at the create; a marker without it is from before the first release of this driver. */
function contentOf(marker: VolumeMarker, fsType: ImageFsType): ImagePlan['content'] {
  const content = marker.details?.['content'];
  return content === 'ext4' || content === 'xfs' || content === 'block' ? content : planImage(marker.options, fsType).content;
}

function capabilitiesOf(config: ImageDriverConfig): DriverInfo['capabilities'] {
  return {
    scope: config.scope,
    accessModes: ['single-node-writer', 'single-node-reader-only'],
    takeover: config.scope === 'global' ? ['manual', 'lease'] : ['manual'],
    abort: true,
    fence: false,
    size: true,
    expand: true,
    snapshot: true,
    clone: true,
    block: true,
  };
}
