import { AppError } from '@volplane/base';
import type { MountMode } from '@volplane/domain';
import { attachLoopDevice, detachLoopDevice, findLoopDevices, findMount, hasFileSystem, isReadOnly, listLoopDevices } from '@volplane/host';
import type { DriverContext } from '../driver-context.js';
import { makeMountFolder, removeMountFolder } from '../mount-folder.js';
import { expectReleased, isFileSystemAlive } from '../running-file-system.js';
import type { ImageFsType } from './image-plan.js';

/** One image and the places of its mounts on this node. */
export interface MountedImage {
  readonly volume: string;
  readonly image: string;
  readonly fsType: ImageFsType;
  readonly target: string;
  /** For short mounts of our own. */
  readonly workPath: string;
}

/**
 * Mounts of images with a file system, through loop devices that do not outlive them: a device is given back to the
 * kernel as soon as it is mounted, which then frees it with its last user.
 *
 * Several devices can stand over one image: one whose file system was aborted lives as long as a process has it open.
 * Two living file systems over one image would destroy it, so a living one is always joined, never doubled.
 */
export class ImageMounts {
  readonly #context: DriverContext;

  constructor(context: DriverContext) {
    this.#context = context;
  }

  /** Mounts at the target, which has nothing mounted. @throws AppError MOUNT_FAILED */
  async mount(mounted: MountedImage, mode: MountMode, signal: AbortSignal): Promise<void> {
    await makeMountFolder(mounted.target);
    const device = (await this.livingDevice(mounted)) ?? (await this.#attach(mounted));
    await this.#context.onStep('attached');
    try {
      await this.#mountDevice(mounted, { device, path: mounted.target, mode }, signal);
    } catch (error) {
      await detachLoopDevice(this.#context.run, device, mounted.image);
      throw error;
    }
    await this.#context.onStep('mounted');
    await detachLoopDevice(this.#context.run, device, mounted.image);
  }

  /** Nothing mounted: fine. @throws AppError DRIVER_FAILED while it is in use, here or in another mount namespace */
  async unmount(mounted: MountedImage, signal: AbortSignal): Promise<void> {
    await this.sweepWork(mounted, signal);
    await this.#context.mounts.unmount(mounted.target, signal);
    await this.#context.onStep('unmounted');
    await expectReleased(this.#context, mounted.volume, () => this.livingDevice(mounted), signal);
    await removeMountFolder(mounted.target);
  }

  /** Runs `work` with the image mounted for writing: where it is mounted already, else at a place of our own. */
  async withMounted<T>(mounted: MountedImage, signal: AbortSignal, work: (at: { device: string; path: string }) => Promise<T>): Promise<T> {
    const entry = findMount(await this.#context.mounts.table(), mounted.target);
    if (entry !== undefined && !isReadOnly(entry)) return await work({ device: entry.source, path: mounted.target });
    if (entry !== undefined)
      throw new AppError('DRIVER_FAILED', `volume ${mounted.volume} is mounted read-only`, { volume: mounted.volume });
    await this.sweepWork(mounted, signal);
    const atWork = { ...mounted, target: mounted.workPath };
    await this.mount(atWork, 'rw', signal);
    try {
      const found = findMount(await this.#context.mounts.table(), mounted.workPath);
      return await work({ device: found?.source ?? '', path: mounted.workPath });
    } finally {
      // Not with the signal: it may have fired, and the mount must not stay.
      await this.#context.mounts.unmount(mounted.workPath);
      await removeMountFolder(mounted.workPath);
    }
  }

  /** Ends the short mount of our own that a crash may have left. */
  async sweepWork(mounted: MountedImage, signal?: AbortSignal): Promise<void> {
    await this.#context.mounts.unmount(mounted.workPath, signal);
    await removeMountFolder(mounted.workPath);
  }

  /** Detaches what a create that was cut short has left over files whose names begin so; nothing runs on them any more. */
  async sweepStaged(filePrefix: string): Promise<void> {
    for (const { device, backingFile } of await listLoopDevices()) {
      // One after the other: there is hardly ever one.
      if (backingFile.startsWith(filePrefix)) await detachLoopDevice(this.#context.run, device, backingFile);
    }
  }

  /** The device with a living file system over the image; devices that nothing runs on are detached on the way. */
  async livingDevice(mounted: MountedImage): Promise<string | undefined> {
    const inUse = (await this.#context.mounts.table()).filter((entry) => entry.target === mounted.target).map((entry) => entry.source);
    for (const device of await findLoopDevices(mounted.image)) {
      if (inUse.includes(device)) return device;
      // One after the other: the look mounts each at the same place.
      if (!(await hasFileSystem(device))) await detachLoopDevice(this.#context.run, device, mounted.image);
      else if (await isFileSystemAlive(this.#context, { device, ...mounted, options: optionsOf(mounted) })) return device;
    }
    return undefined;
  }

  async #attach(mounted: MountedImage): Promise<string> {
    return await attachLoopDevice(this.#context.run, mounted.image, { readOnly: false });
  }

  async #mountDevice(
    mounted: MountedImage,
    at: { readonly device: string; readonly path: string; readonly mode: MountMode },
    signal?: AbortSignal,
  ): Promise<void> {
    const options = optionsOf(mounted);
    await this.#context.mounts.mount({ type: mounted.fsType, source: at.device, target: at.path, options, mode: at.mode }, signal);
  }
}

/** Clones carry the uuid of their source, which xfs would refuse beside it. */
function optionsOf(mounted: MountedImage): readonly string[] {
  return mounted.fsType === 'xfs' ? ['nouuid'] : [];
}
