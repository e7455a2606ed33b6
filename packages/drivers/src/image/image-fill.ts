import { AppError } from '@volplane/base';
import type { DriverVolume } from '@volplane/ports';
import type { DriverContext } from '../driver-context.js';
import { hasCode } from '../fs-fault.js';
import { copyImage, fileBytes, growFile, makeImage } from './image-file.js';
import { growContent } from './image-growth.js';
import type { ImageMounts } from './image-mounts.js';
import { imageSizeBytes, type ImagePlan } from './image-plan.js';
import { copyFrozen, snapshotPath, type SnapshotPlace } from './image-snapshots.js';

export interface ImageFillRequest {
  readonly volume: DriverVolume;
  readonly plan: ImagePlan;
  readonly source:
    { readonly place: SnapshotPlace; readonly snapshot: string | undefined; readonly content: ImagePlan['content'] } | undefined;
  readonly defaultSizeBytes: number;
  readonly preallocate: boolean;
  /** For a short mount while a clone is made bigger than its source. */
  readonly workPath: string;
}

/**
 * How the image of a volume that is made gets its content: a new file system, or a copy of the source.
 *
 * @returns `content` is what it will hold; `fill` makes the file at a path, in a folder that is not yet the volume
 * @throws AppError DRIVER_FAILED when source and options do not fit
 */
export function fillImage(
  context: DriverContext,
  mounts: ImageMounts,
  request: ImageFillRequest,
): { readonly content: ImagePlan['content']; readonly fill: (image: string, signal: AbortSignal) => Promise<void> } {
  const { volume, plan, source, defaultSizeBytes, preallocate } = request;
  if (source === undefined) {
    const sizeBytes = imageSizeBytes(volume, plan, { defaultBytes: defaultSizeBytes });
    return {
      content: plan.content,
      fill: (image, signal) => makeImage(context, image, { content: plan.content, sizeBytes, preallocate, signal }),
    };
  }
  const named = volume.options['fs'] !== undefined || volume.options['access'] !== undefined;
  if (named && plan.content !== source.content) {
    const text = `volume ${volume.name} asks for ${plan.content}, but its source ${source.place.volume} holds ${source.content}`;
    throw new AppError('DRIVER_FAILED', text, { volume: volume.name });
  }
  return { content: source.content, fill: (image, signal) => cloneImage(context, mounts, { ...request, source }, image, signal) };
}

async function cloneImage(
  context: DriverContext,
  mounts: ImageMounts,
  request: ImageFillRequest & { readonly source: NonNullable<ImageFillRequest['source']> },
  image: string,
  signal: AbortSignal,
): Promise<void> {
  const { volume, source, preallocate } = request;
  const { content, place } = source;
  const from = source.snapshot === undefined ? place.image : snapshotPath(place, source.snapshot);
  const sourceBytes = await sourceSize(from, request);
  const sizeBytes = imageSizeBytes(volume, { ...request.plan, content }, { defaultBytes: sourceBytes, sourceBytes });
  if (source.snapshot === undefined) await copyFrozen(context, place, image, signal);
  else await copyImage(context, from, image, signal);
  await context.onStep('source copied');
  await growFile(context, image, { sizeBytes, preallocate, signal });
  if (sizeBytes === sourceBytes || content === 'block') return;
  const staged = { volume: volume.name, image, target: `${request.workPath}.clone`, workPath: request.workPath };
  await growContent(context, mounts, { ...staged, content }, signal);
}

async function sourceSize(
  from: string,
  request: ImageFillRequest & { readonly source: NonNullable<ImageFillRequest['source']> },
): Promise<number> {
  try {
    return await fileBytes(from);
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'ENOTDIR')) throw error;
    const { snapshot, place } = request.source;
    const text = `volume ${request.volume.name} is not made, because snapshot ${snapshot ?? ''} of volume ${place.volume} does not exist`;
    throw new AppError('DRIVER_FAILED', text, { volume: request.volume.name });
  }
}
