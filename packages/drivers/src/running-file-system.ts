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
