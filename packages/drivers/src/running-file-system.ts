import { AppError, sleep } from '@volplane/base';
import { findMount, hasFileSystem } from '@volplane/host';
import type { DriverContext } from './driver-context.js';
import { makeMountFolder, removeMountFolder } from './mount-folder.js';

/** A block device, and how its file system is mounted for a look. */
export interface DeviceLook {
  readonly device: string;
  readonly fsType: string;
  readonly options: readonly string[];
  /** For a short mount of our own. */
  readonly workPath: string;
}

/**
 * True while the kernel runs a file system on the device that users can still write to, although nothing of it is mounted
 * where this process sees it: a container's mount namespace has it, or somebody detached it lazily. umount(8) says "done"
 * all the same.
 *
 * False for none, and for one that was shut down and lives on only because descriptors of it are open. Where it cannot be
 * told, true: that refuses and destroys nothing.
 */
export async function isFileSystemAlive(context: DriverContext, look: DeviceLook): Promise<boolean> {
  if (!(await hasFileSystem(look.device))) return false;
  await makeMountFolder(look.workPath);
  try {
    // Mounting a device that has a file system running joins it: then it can be asked.
    await join(context, look);
    const entry = findMount(await context.mounts.table(), look.workPath);
    return entry === undefined || (await context.mounts.isUsable(entry));
  } finally {
    await context.mounts.unmount(look.workPath);
    await removeMountFolder(look.workPath);
  }
}

/**
 * Ends an unmount: what was unmounted here must run nowhere else. Waits for a moment, because a container that starts has a copy of
 * every mount of its node until it has its own root.
 *
 * @param heldDevice - a device of the volume whose file system runs on, if there is one
 * @throws AppError DRIVER_FAILED when it still does after {@link COPIES_END_MS}; the signal's reason
 */
export async function expectReleased(
  { clock }: DriverContext,
  volume: string,
  heldDevice: () => Promise<string | undefined>,
  signal: AbortSignal,
): Promise<void> {
  const untilMs = clock.monotonicMs() + COPIES_END_MS;
  for (;;) {
    // One look after the other: each mounts at the same place.
    const device = await heldDevice();
    if (device === undefined) return;
    if (clock.monotonicMs() >= untilMs) {
      const text = `volume ${volume} is unmounted here, but ${device} is still mounted in another mount namespace, such as a container's`;
      throw new AppError('DRIVER_FAILED', text, { volume });
    }
    await sleep(clock, LOOK_AGAIN_MS, signal);
  }
}

/** A container is on its own root within tenths of a second. */
const COPIES_END_MS = 3_000;
const LOOK_AGAIN_MS = 100;

/** A running file system is joined only in its own mode; which one that is cannot be seen from outside. */
async function join(context: DriverContext, look: DeviceLook): Promise<void> {
  for (const mode of ['rw', 'ro'] as const) {
    try {
      await context.mounts.mount({ type: look.fsType, source: look.device, target: look.workPath, options: look.options, mode });
      return;
    } catch (error) {
      // Neither way: it counts as alive.
      context.log.debug('running file system not joined', { device: look.device, mode, error });
    }
  }
}
