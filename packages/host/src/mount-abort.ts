import { stat, writeFile } from 'node:fs/promises';
import { AppError } from '@volplane/base';
import { detachTarget } from './mount-call.js';
import { findMount, readMountTable, type MountEntry } from './mount-table.js';
import type { ToolRunner } from './tool-call.js';

/** How a mount can be cut off: see {@link abortMethod}. */
export type AbortMethod = 'shutdown' | 'fuse';

/** Which cut a file system type has; undefined: none, and no lease may be promised for it. Pure. */
export function abortMethod(fsType: string): AbortMethod | undefined {
  if (SHUTDOWN_TYPES.has(fsType)) return 'shutdown';
  if (fsType === 'fuse' || fsType === 'fuseblk' || fsType.startsWith('fuse.')) return 'fuse';
  return undefined;
}

/** Undefined when the mount can be aborted alone, else why not. Pure. */
export function abortRefusal(table: readonly MountEntry[], entry: MountEntry): string | undefined {
  if (abortMethod(entry.fsType) === undefined) return `a mount of type ${entry.fsType} cannot be cut off`;
  if (entry.root !== '/') return `it is folder ${entry.root} of a bigger file system, which would be shut down whole`;
  const system = table.find((other) => other.target === '/');
  if (system !== undefined && isSameDevice(system, entry)) return "it is the node's root file system";
  return undefined;
}

/**
 * Cuts off every open descriptor of the mount at `target`, flushes what the kernel had already accepted for its block
 * device, and detaches it. Nothing mounted there: fine.
 *
 * When it resolves no later write of this node reaches the storage. For ext4 and xfs the shutdown alone is not enough:
 * committed metadata lies dirty in the cache of the block device and would be written back up to half a minute later.
 * For FUSE, requests that the FUSE server had already taken may still be carried out by it.
 *
 * @throws AppError CAPABILITY_MISSING when the mount has no cut of its own; DRIVER_UNAVAILABLE when a tool is missing
 *   or the flush does not end (the cut itself is done, late writes cannot be ruled out)
 */
export async function abortMount(run: ToolRunner, target: string): Promise<void> {
  const table = await readMountTable();
  const entry = findMount(table, target);
  if (entry === undefined) return;
  const refusal = abortRefusal(table, entry);
  if (refusal !== undefined) throw new AppError('CAPABILITY_MISSING', `the mount at ${target} cannot be aborted: ${refusal}`, { target });
  if (abortMethod(entry.fsType) === 'fuse') await abortFuse(run, entry);
  else await shutdownFileSystem(run, entry);
  await detachTarget(run, target);
}

async function shutdownFileSystem(run: ToolRunner, entry: MountEntry): Promise<void> {
  const outcome = await run({
    file: 'xfs_io',
    args: ['-x', '-c', 'shutdown', entry.target],
    timeoutMs: SHUTDOWN_MS_MAX,
    purpose: `shutdown of the file system at ${entry.target}`,
  });
  // xfs_io exits 0 whatever happens and tells failures in words; a second shutdown answers EIO or nothing.
  if ((outcome.code !== 0 || outcome.stderr !== '') && !/input\/output error/i.test(outcome.stderr)) {
    throw new AppError('DRIVER_UNAVAILABLE', `shutdown of the file system at ${entry.target} failed: ${outcome.stderr}`, {
      target: entry.target,
    });
  }
  await thawFileSystem(run, entry);
  await flushBlockDevice(run, entry);
}

/**
 * On a file system that a snapshot holds frozen, writers would wait for ever once it is detached, and could not even be
 * killed. Shut down, it can be thawed: they get their error.
 */
async function thawFileSystem(run: ToolRunner, entry: MountEntry): Promise<void> {
  const outcome = await run({
    file: 'fsfreeze',
    args: ['--unfreeze', entry.target],
    timeoutMs: SHUTDOWN_MS_MAX,
    purpose: `thaw of the file system at ${entry.target}`,
  });
  // EINVAL: it was not frozen.
  if (outcome.code !== 0 && !/invalid argument|input\/output error/i.test(outcome.stderr)) {
    throw new AppError('DRIVER_UNAVAILABLE', `the file system at ${entry.target} is shut down, but could not be thawed: ${outcome.stderr}`);
  }
}

async function flushBlockDevice(run: ToolRunner, entry: MountEntry): Promise<void> {
  try {
    const outcome = await run({ file: 'sync', args: ['--', entry.source], timeoutMs: FLUSH_MS_MAX, purpose: `flush of ${entry.source}` });
    // An I/O error means that the storage took nothing more, which is as good.
    if (outcome.code !== 0 && !/input\/output error/i.test(outcome.stderr)) throw new Error(outcome.stderr);
  } catch (error) {
    const text = `the file system at ${entry.target} is shut down, but ${entry.source} could not be flushed: earlier writes may still reach the storage`;
    throw new AppError('DRIVER_UNAVAILABLE', text, { target: entry.target }, error);
  }
}

async function abortFuse(run: ToolRunner, entry: MountEntry): Promise<void> {
  await ensureFuseControl(run);
  // The kernel names a connection by the whole device number of its mount.
  const connection = entry.device.major * 2 ** KERNEL_MINOR_BITS + entry.device.minor;
  try {
    await writeFile(`${FUSE_CONTROL}/${String(connection)}/abort`, '1');
  } catch (error) {
    // Gone: its server ended, and every descriptor answers ENOTCONN already.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw new AppError(
      'DRIVER_UNAVAILABLE',
      `the FUSE connection of ${entry.target} could not be aborted`,
      { target: entry.target },
      error,
    );
  }
}

/** The control file system is not mounted everywhere (containers, small systems). */
async function ensureFuseControl(run: ToolRunner): Promise<void> {
  if (findMount(await readMountTable(), FUSE_CONTROL) !== undefined) return;
  try {
    await stat(FUSE_CONTROL);
  } catch (error) {
    throw new AppError('DRIVER_UNAVAILABLE', 'this kernel has no FUSE, so no FUSE mount can be aborted', {}, error);
  }
  const outcome = await run({
    file: 'mount',
    args: ['-t', 'fusectl', '--', 'fusectl', FUSE_CONTROL],
    timeoutMs: SHUTDOWN_MS_MAX,
    purpose: 'mount of the FUSE control files',
  });
  if (outcome.code !== 0 && findMount(await readMountTable(), FUSE_CONTROL) === undefined) {
    throw new AppError('DRIVER_UNAVAILABLE', `${FUSE_CONTROL} cannot be mounted, so no FUSE mount can be aborted: ${outcome.stderr}`);
  }
}

function isSameDevice(one: MountEntry, other: MountEntry): boolean {
  return one.device.major === other.device.major && one.device.minor === other.device.minor;
}

/** ext2 and ext3 are run by the ext4 code of the kernel. */
const SHUTDOWN_TYPES: ReadonlySet<string> = new Set(['ext2', 'ext3', 'ext4', 'xfs']);
const FUSE_CONTROL = '/sys/fs/fuse/connections';
/** MINORBITS of the kernel's own dev_t. */
const KERNEL_MINOR_BITS = 20;
const SHUTDOWN_MS_MAX = 10_000;
const FLUSH_MS_MAX = 10_000;
