import type { Clock } from '@volplane/base';
import { abortMount } from './mount-abort.js';
import { detachTarget, mountFileSystem, remountTarget, unmountTarget, type MountCall } from './mount-call.js';
import { isMountUsable, probeFileSystem } from './mount-probe.js';
import { readMountTable, type MountEntry } from './mount-table.js';
import { systemToolRunner, type ToolRunner } from './tool-call.js';

/** The mounts of this machine as drivers see them; tests without root hand in their own. */
export interface HostMounts {
  table(): Promise<readonly MountEntry[]>;
  /** @see mountFileSystem */
  mount(call: MountCall, signal?: AbortSignal): Promise<void>;
  /** @see remountTarget */
  remount(target: string, options: { readonly mode: 'rw' | 'ro'; readonly bind: boolean }): Promise<void>;
  /** @see unmountTarget */
  unmount(target: string, signal?: AbortSignal): Promise<void>;
  /** @see detachTarget */
  detach(target: string): Promise<void>;
  /** @see abortMount */
  abort(target: string): Promise<void>;
  /** @see isMountUsable */
  isUsable(entry: MountEntry): Promise<boolean>;
  /** @see probeFileSystem */
  probe(path: string): Promise<void>;
}

/** The real ones. `run` can be replaced to see or to fail the calls. */
export function systemMounts(clock: Clock, run: ToolRunner = systemToolRunner(clock)): HostMounts {
  return {
    table: readMountTable,
    mount: (call, signal) => mountFileSystem(run, call, signal),
    remount: (target, options) => remountTarget(run, target, options),
    unmount: (target, signal) => unmountTarget(run, target, signal),
    detach: (target) => detachTarget(run, target),
    abort: (target) => abortMount(run, target),
    isUsable: (entry) => isMountUsable(run, entry),
    probe: (path) => probeFileSystem(run, path),
  };
}
