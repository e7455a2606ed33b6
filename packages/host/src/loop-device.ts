import { readdir, readFile } from 'node:fs/promises';
import { AppError } from '@volplane/base';
import type { ToolRunner } from './tool-call.js';

export interface LoopDevice {
  /** `/dev/loop3`. */
  readonly device: string;
  /** As the kernel names it now: follows renames, and ends with ` (deleted)` once it is. */
  readonly backingFile: string;
}

/**
 * The attached loop devices of this node. Read from sysfs, so what a process that is gone has attached is found too.
 *
 * @throws AppError DRIVER_UNAVAILABLE when sysfs cannot be read
 */
export async function listLoopDevices(): Promise<readonly LoopDevice[]> {
  let names: readonly string[];
  try {
    names = (await readdir('/sys/block')).filter((name) => name.startsWith('loop'));
  } catch (error) {
    throw new AppError('DRIVER_UNAVAILABLE', 'the loop devices of this node cannot be listed; is /sys mounted?', {}, error);
  }
  const attached = await Promise.all(names.map(async (name) => ({ device: `/dev/${name}`, backingFile: await backingFileOf(name) })));
  return attached.flatMap(({ device, backingFile }) => (backingFile === undefined ? [] : [{ device, backingFile }]));
}

/** The loop devices over the file at `path`, an absolute path without links. */
export async function findLoopDevices(path: string): Promise<readonly string[]> {
  return (await listLoopDevices()).filter(({ backingFile }) => backingFile === path).map(({ device }) => device);
}

/** Puts a fresh loop device over the file, whatever others are over it. @throws AppError DRIVER_UNAVAILABLE, DRIVER_FAILED */
export async function attachLoopDevice(run: ToolRunner, path: string, options: { readonly readOnly: boolean }): Promise<string> {
  const outcome = await run({
    file: 'losetup',
    args: ['--find', '--show', ...(options.readOnly ? ['--read-only'] : []), '--', path],
    timeoutMs: LOSETUP_MS_MAX,
    purpose: `loop device for ${path}`,
  });
  const device = outcome.stdout.trim();
  if (outcome.code === 0 && LOOP_DEVICE.test(device)) return device;
  throw new AppError('DRIVER_FAILED', `no loop device for ${path}: ${outcome.stderr || outcome.stdout}`);
}

/**
 * Takes the device away; one that is in use goes with its last user, by the kernel's own doing. Gone already: fine.
 *
 * The number may have been given to another file meanwhile, so the caller's own look is repeated here.
 */
export async function detachLoopDevice(run: ToolRunner, device: string, path: string): Promise<void> {
  if (!(await findLoopDevices(path)).includes(device)) return;
  const outcome = await run({ file: 'losetup', args: ['--detach', device], timeoutMs: LOSETUP_MS_MAX, purpose: `end of ${device}` });
  if (outcome.code !== 0 && (await findLoopDevices(path)).includes(device)) {
    throw new AppError('DRIVER_FAILED', `${device} could not be detached from ${path}: ${outcome.stderr}`);
  }
}

/** Makes the kernel take notice that the file has grown. */
export async function growLoopDevice(run: ToolRunner, device: string): Promise<void> {
  const outcome = await run({
    file: 'losetup',
    args: ['--set-capacity', device],
    timeoutMs: LOSETUP_MS_MAX,
    purpose: `growth of ${device}`,
  });
  if (outcome.code !== 0) throw new AppError('DRIVER_UNAVAILABLE', `${device} did not take the new size: ${outcome.stderr}`);
}

/**
 * True while the kernel runs a file system on this block device: mounted here, lazily detached and still open, or mounted
 * in another mount namespace, such as a container's, where umount(8) on the host does not reach.
 */
export async function hasFileSystem(device: string): Promise<boolean> {
  const name = device.replace(/^\/dev\//, '');
  const alive = await Promise.all(['ext4', 'xfs'].map((type) => isThere(`/sys/fs/${type}/${name}`)));
  return alive.includes(true);
}

async function backingFileOf(name: string): Promise<string | undefined> {
  try {
    return (await readFile(`/sys/block/${name}/loop/backing_file`, 'utf8')).replace(/\n$/, '');
  } catch {
    // Not attached, or detached at this moment.
    return undefined;
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await readdir(path);
    return true;
  } catch {
    // Both "no such device" and "this kernel has no such file system" mean that none runs.
    return false;
  }
}

const LOOP_DEVICE = /^\/dev\/loop\d+$/;
const LOSETUP_MS_MAX = 10_000;
