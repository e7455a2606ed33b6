import type { MountMode } from '@volplane/domain';
import { findMount, isReadOnly } from '@volplane/host';
import type { DriverContext } from './driver-context.js';

/**
 * Brings `mode` to a folder that is used as it is: `ro` binds it onto itself read-only, `rw` needs no mount and makes an
 * existing read-only bind writable. Never takes rights away from earlier users. Without the right to mount, `ro` is left
 * to the caller.
 */
export async function plainFolderMount(context: DriverContext, folder: string, mode: MountMode, signal: AbortSignal): Promise<void> {
  const entry = findMount(await context.mounts.table(), folder);
  if (entry === undefined) {
    if (mode === 'ro' && context.mayMount) {
      await context.mounts.mount({ type: 'none', source: folder, target: folder, options: ['bind'], mode }, signal);
      await context.onStep('bound read-only');
    }
  } else if (mode === 'rw' && isReadOnly(entry)) {
    await context.mounts.remount(folder, { mode, bind: true });
  }
}
