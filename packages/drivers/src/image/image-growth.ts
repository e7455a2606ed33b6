import { AppError } from '@volplane/base';
import { findMount, growLoopDevice, isReadOnly } from '@volplane/host';
import type { DriverContext } from '../driver-context.js';
import { blockDevice } from './block-access.js';
import { growIdleExt4, growMounted, mayGrowMountedExt4 } from './image-file.js';
import type { ImageMounts, MountedImage } from './image-mounts.js';
import type { ImagePlan } from './image-plan.js';

type Image = Omit<MountedImage, 'fsType'>;

/** Why the volume cannot grow now, asked before anything is done; undefined = it can. */
export async function growthFault(context: DriverContext, image: Image, content: ImagePlan['content']): Promise<string | undefined> {
  const entry = findMount(await context.mounts.table(), image.target);
  if (content === 'block' || entry === undefined) return undefined;
  if (isReadOnly(entry)) return 'it is mounted read-only: unmount it first, or mount it for writing';
  if (content !== 'ext4' || (await mayGrowMountedExt4())) return undefined;
  return 'growing a mounted ext4 needs the right CAP_SYS_RESOURCE, which the agent does not have here: unmount it first, or use xfs';
}

/** Brings what is in the image to the size of the file, mounted or not. Done already: fine. */
export async function growContent(
  context: DriverContext,
  mounts: ImageMounts,
  image: Image & { readonly content: ImagePlan['content'] },
  signal: AbortSignal,
): Promise<void> {
  const { content } = image;
  if (content === 'block') {
    const device = await blockDevice(context, image);
    if (device !== undefined) await growLoopDevice(context.run, device);
    return;
  }
  const mounted = { ...image, fsType: content };
  if (content === 'ext4' && findMount(await context.mounts.table(), image.target) === undefined) {
    const device = await mounts.livingDevice(mounted);
    if (device !== undefined)
      throw new AppError('DRIVER_FAILED', `volume ${image.volume} is still in use: ${device} runs a file system`, { volume: image.volume });
    await growIdleExt4(context, image.image, signal);
    return;
  }
  // xfs grows only while it is mounted.
  await mounts.withMounted(mounted, signal, async (at) => {
    await growLoopDevice(context.run, at.device);
    await context.onStep('device grown');
    await growMounted(context, { ...at, fsType: content }, signal);
  });
}
