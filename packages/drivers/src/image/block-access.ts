import { mkdir, readFile, unlink, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { AppError } from '@volplane/base';
import type { MountMode } from '@volplane/domain';
import { attachLoopDevice, detachLoopDevice, findLoopDevices, findMount } from '@volplane/host';
import type { DriverContext } from '../driver-context.js';
import { fsFault, hasCode, withFsFaults } from '../fs-fault.js';

/** One raw image and where its device is handed out on this node. */
export interface BlockImage {
  readonly volume: string;
  readonly image: string;
  /** A file on which the device node is bound: the kernel's mount table then says what is handed out. */
  readonly target: string;
}

/** Hands the device out at the target; handed out already: fine. Read-only is a matter of the device itself. @throws AppError MOUNT_FAILED */
export async function mountBlock(context: DriverContext, block: BlockImage, mode: MountMode, signal: AbortSignal): Promise<void> {
  const present = await blockDevice(context, block);
  if (present !== undefined && (mode === 'ro' || !(await isReadOnlyDevice(present)))) return;
  await unmountBlock(context, block, signal);
  const device = await attachLoopDevice(context.run, block.image, { readOnly: mode === 'ro' });
  await context.onStep('attached');
  await withFsFaults(`mount of volume ${block.volume}`, async () => {
    await mkdir(dirname(block.target), { recursive: true, mode: 0o700 });
    await writeFile(block.target, '', { flag: 'a', mode: 0o600 });
  });
  await context.mounts.mount({ type: 'none', source: device, target: block.target, options: ['bind'], mode }, signal);
}

/** Nothing handed out: fine. @throws AppError DRIVER_FAILED while the device is open */
export async function unmountBlock(context: DriverContext, block: BlockImage, signal: AbortSignal): Promise<void> {
  await context.mounts.unmount(block.target, signal);
  await context.onStep('unmounted');
  await removeTarget(block);
  for (const device of await findLoopDevices(block.image)) {
    // One after the other: there is more than one only after a crash.
    await detachLoopDevice(context.run, device, block.image);
  }
  const [left] = await findLoopDevices(block.image);
  if (left !== undefined)
    throw new AppError('DRIVER_FAILED', `volume ${block.volume} is still in use: ${left} is open`, { volume: block.volume });
}

/** The device that is handed out at the target, and still stands over the image. */
export async function blockDevice(context: DriverContext, block: BlockImage): Promise<string | undefined> {
  const entry = findMount(await context.mounts.table(), block.target);
  if (entry === undefined) return undefined;
  const device = `/dev${entry.root}`;
  return (await findLoopDevices(block.image)).includes(device) ? device : undefined;
}

async function isReadOnlyDevice(device: string): Promise<boolean> {
  return await withFsFaults(
    `a look at ${device}`,
    async () => (await readFile(device.replace('/dev/', '/sys/block/') + '/ro', 'utf8')).trim() === '1',
  );
}

async function removeTarget(block: BlockImage): Promise<void> {
  try {
    await unlink(block.target);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw fsFault(error, `unmount of volume ${block.volume}`);
  }
}
