import { abortMethod, abortRefusal, findMount, type AbortMethod, type MountEntry } from '@volplane/host';
import type { LocalMountPlan } from './mount-plan.js';

/**
 * How the mount of a local volume can be cut off: only where it is a file system that serves this volume alone. A folder of a bigger one,
 * bound or used as it is, would take others with it. Pure.
 *
 * @param plan - what will be mounted while nothing is
 */
export function localAbortMethod(table: readonly MountEntry[], target: string, plan: LocalMountPlan | undefined): AbortMethod | undefined {
  const entry = findMount(table, target);
  if (entry !== undefined) return localAbortRefusal(table, entry) === undefined ? abortMethod(entry.fsType) : undefined;
  return plan === undefined ? undefined : abortMethod(plan.type);
}

/** Why the mount cannot be cut off alone; undefined = it can. Pure. */
export function localAbortRefusal(table: readonly MountEntry[], entry: MountEntry): string | undefined {
  const refusal = abortRefusal(table, entry);
  if (refusal !== undefined) return refusal;
  const { major, minor } = entry.device;
  const other = table.find(({ device, target }) => device.major === major && device.minor === minor && target !== entry.target);
  return other === undefined ? undefined : `its file system is mounted at ${other.target} too, which would be cut off with it`;
}
