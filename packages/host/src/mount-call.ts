import { AppError, hasReason } from '@volplane/base';
import { findMount, isReadOnly, readMountTable, type MountEntry } from './mount-table.js';
import type { ToolRunner } from './tool-call.js';

/** One mount(8) call. `mode` is added to the options and checked against the kernel's table afterwards. */
export interface MountCall {
  /** `nfs`, `ext4`, `none` with the option `bind`, … */
  readonly type: string;
  readonly source: string;
  /** An existing folder, absolute, without links. */
  readonly target: string;
  /** Without `ro` and `rw`; none holds a comma, a quote or a control character. Never a secret: they show in process lists. */
  readonly options: readonly string[];
  readonly mode: 'rw' | 'ro';
  /** Texts to mask in whatever the tools say. */
  readonly secrets?: readonly string[];
}

/**
 * Mounts, unless something is mounted at the target already, and checks that the mode has reached the mount.
 *
 * @throws AppError MOUNT_FAILED: nothing is mounted; DRIVER_UNAVAILABLE: mount(8) is missing; DEADLINE_EXCEEDED or the
 *   signal's reason: it may be mounted later, look at the mount table
 */
export async function mountFileSystem(run: ToolRunner, call: MountCall, signal?: AbortSignal): Promise<void> {
  if (findMount(await readMountTable(), call.target) !== undefined) return;
  try {
    const outcome = await run({ ...mountTool(call), signal });
    if (outcome.code !== 0)
      throw new AppError('MOUNT_FAILED', `mount at ${call.target} failed: ${outcome.stderr || `exit ${String(outcome.code)}`}`);
  } catch (error) {
    await settleFailedMount(run, call.target, error);
  }
  if (call.mode === 'rw') return;
  const entry = findMount(await readMountTable(), call.target);
  if (entry !== undefined && isReadOnly(entry)) return;
  await unmountTarget(run, call.target);
  throw new AppError('MOUNT_FAILED', `mount at ${call.target} could not be made read-only, so it was undone`, { target: call.target });
}

/** Changes the mode of an existing mount in place. Bind mounts keep the mode of their file system. @throws AppError MOUNT_FAILED */
export async function remountTarget(
  run: ToolRunner,
  target: string,
  options: { readonly mode: 'rw' | 'ro'; readonly bind: boolean },
): Promise<void> {
  const flags = ['remount', ...(options.bind ? ['bind'] : []), options.mode].join(',');
  const outcome = await run({
    file: 'mount',
    // Internal-only: the helper of a FUSE file system would start a second server.
    args: ['--no-canonicalize', '--internal-only', '-o', flags, '--', target],
    timeoutMs: MOUNT_MS_MAX,
    purpose: `remount of ${target}`,
  });
  if (outcome.code !== 0) throw new AppError('MOUNT_FAILED', `remount ${options.mode} of ${target} failed: ${outcome.stderr}`, { target });
}

/**
 * Unmounts everything that is stacked at the target; nothing there: fine. Never lazy: a user that is left would go on writing.
 *
 * @throws AppError DRIVER_FAILED when it is busy and still mounted; DEADLINE_EXCEEDED when unknown
 */
export async function unmountTarget(run: ToolRunner, target: string, signal?: AbortSignal): Promise<void> {
  for (let round = 0; round < STACKED_MOUNTS_MAX; round += 1) {
    // One after the other: each call takes away the topmost mount.
    const before = findMount(await readMountTable(), target);
    if (before === undefined) return;
    const outcome = await run({
      file: 'umount',
      args: ['--no-canonicalize', '--', target],
      timeoutMs: UNMOUNT_MS_MAX,
      signal,
      purpose: `unmount of ${target}`,
    });
    if (outcome.code !== 0 && isSameMount(before, findMount(await readMountTable(), target))) {
      throw new AppError('DRIVER_FAILED', `${target} is still mounted: ${outcome.stderr}`, { target });
    }
  }
  throw new AppError('DRIVER_FAILED', `more than ${String(STACKED_MOUNTS_MAX)} mounts are stacked at ${target}`, { target });
}

/** Takes the target out of the tree at once; open descriptors live on, so it is no fence. Nothing there: fine. */
export async function detachTarget(run: ToolRunner, target: string): Promise<void> {
  if (findMount(await readMountTable(), target) === undefined) return;
  const outcome = await run({
    file: 'umount',
    // Internal-only and lazy: no helper that would ask a dead server first.
    args: ['--no-canonicalize', '--internal-only', '--lazy', '--', target],
    timeoutMs: DETACH_MS_MAX,
    purpose: `detach of ${target}`,
  });
  if (outcome.code !== 0 && findMount(await readMountTable(), target) !== undefined) {
    throw new AppError('DRIVER_FAILED', `${target} could not be detached: ${outcome.stderr}`, { target });
  }
}

/** Pure: the arguments of mount(8). */
export function mountTool(call: MountCall): {
  file: string;
  args: string[];
  timeoutMs: number;
  purpose: string;
  secrets: readonly string[];
} {
  const options = [...call.options, call.mode];
  const unsafe = options.find((option) => !isSafeOption(option));
  if (unsafe !== undefined)
    throw new AppError('MOUNT_FAILED', `a mount option for ${call.target} holds a comma, quote or control character`);
  return {
    file: 'mount',
    args: ['--no-canonicalize', '-t', call.type, '-o', options.join(','), '--', call.source, call.target],
    timeoutMs: MOUNT_MS_MAX,
    purpose: `mount at ${call.target}`,
    secrets: call.secrets ?? [],
  };
}

/** A killed or failed mount(8) may have mounted or not: the kernel's table decides where it can. */
async function settleFailedMount(run: ToolRunner, target: string, error: unknown): Promise<never> {
  const stillRunning = hasReason(error, 'DEADLINE_EXCEEDED', 'CANCELLED') && error.failure.fields['ended'] === 'no';
  if (stillRunning) throw error;
  // What a failed call has left (a bind whose second step failed) is taken away, so that the failure is one without effect.
  await unmountTarget(run, target);
  if (hasReason(error, 'DEADLINE_EXCEEDED'))
    throw new AppError('MOUNT_FAILED', `${error.message}; it was ended and nothing is mounted`, { target });
  throw error;
}

function isSameMount(before: MountEntry, after: MountEntry | undefined): boolean {
  return after !== undefined && after.id === before.id;
}

function isSafeOption(option: string): boolean {
  return option.length > 0 && !/[,"'\p{Cc}]/u.test(option);
}

/** mount.nfs gives up on a dead server after 2 minutes by default (nfs(5), retry=2); we do not wait so long. */
const MOUNT_MS_MAX = 60_000;
/** Long enough to write back what is dirty on a slow disk. */
const UNMOUNT_MS_MAX = 60_000;
const DETACH_MS_MAX = 10_000;
/** A driver stacks none; more than a few mean that somebody else mounts there in a loop. */
const STACKED_MOUNTS_MAX = 8;
