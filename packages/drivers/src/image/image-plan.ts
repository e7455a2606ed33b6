import { AppError } from '@volplane/base';
import type { StringMap } from '@volplane/domain';
import type { DriverVolume } from '@volplane/ports';
import { invalidOption } from '../invalid-option.js';
import { parseSizeBytes } from '../size-option.js';

export type ImageFsType = 'ext4' | 'xfs';

/** What a volume's image holds: a file system that is mounted, or raw blocks that are handed out as a device. */
export interface ImagePlan {
  readonly content: ImageFsType | 'block';
  /** Whole sectors; undefined when the volume asks for none. */
  readonly sizeBytes: number | undefined;
}

/** The help of `fs` begins with the default: doors read it there. */
export function imageOptions(fsType: ImageFsType): StringMap {
  return {
    size: 'Hard size such as 10g, where the call has no size of its own; the driver has a default.',
    fs: fsType === 'ext4' ? 'ext4 (default) or xfs: the file system in the image.' : 'xfs (default) or ext4: the file system in the image.',
    access: 'mount (default), or block: the volume is handed out as a block device, without a file system.',
  };
}

/** @throws AppError INVALID_OPTION */
export function planImage(options: StringMap, fsType: ImageFsType): ImagePlan {
  const known = imageOptions(fsType);
  for (const name of Object.keys(options))
    if (!Object.hasOwn(known, name)) throw invalidOption(name, 'is not one: use size, fs and access');
  const { fs, access, size } = { fs: options['fs'], access: options['access'], size: options['size'] };
  if (fs !== undefined && fs !== 'ext4' && fs !== 'xfs') throw invalidOption('fs', 'is ext4 or xfs');
  if (access !== undefined && access !== 'mount' && access !== 'block') throw invalidOption('access', 'is mount or block');
  if (access === 'block' && fs !== undefined)
    throw invalidOption('fs', 'means nothing with access block: such a volume has no file system of ours');
  const content = access === 'block' ? 'block' : (fs ?? fsType);
  if (size === undefined) return { content, sizeBytes: undefined };
  const sizeBytes = parseSizeBytes(size);
  if (sizeBytes === undefined) throw invalidOption('size', 'is not a size such as 10g');
  const fault = sizeFault(content, sizeBytes);
  if (fault !== undefined) throw invalidOption('size', fault);
  return { content, sizeBytes };
}

/**
 * The size that the volume gets: its own, its option's, its source's or the default, rounded up to whole sectors.
 *
 * @throws AppError INVALID_OPTION, INVALID_ARGUMENT
 */
export function imageSizeBytes(
  volume: DriverVolume,
  plan: ImagePlan,
  fallback: { readonly defaultBytes: number; readonly sourceBytes?: number },
): number {
  if (volume.sizeBytes !== undefined && plan.sizeBytes !== undefined && volume.sizeBytes !== plan.sizeBytes) {
    throw invalidOption('size', 'is another size than that of the call');
  }
  const wanted = volume.sizeBytes ?? plan.sizeBytes ?? fallback.sourceBytes ?? fallback.defaultBytes;
  const sizeBytes = roundedBytes(wanted);
  const fault = sizeFault(plan.content, sizeBytes) ?? cloneFault(sizeBytes, fallback.sourceBytes);
  if (fault !== undefined)
    throw new AppError('INVALID_ARGUMENT', `the size of volume ${volume.name} ${fault}`, { field: 'size_bytes', volume: volume.name });
  return sizeBytes;
}

/** Loop devices have whole sectors, file systems whole blocks. */
export function roundedBytes(sizeBytes: number): number {
  return Math.ceil(sizeBytes / BLOCK_BYTES) * BLOCK_BYTES;
}

export function minBytes(content: ImagePlan['content']): number {
  return MIN_BYTES[content];
}

export const IMAGE_BYTES_MAX = 16 * 1024 ** 4;

function sizeFault(content: ImagePlan['content'], sizeBytes: number): string | undefined {
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes > IMAGE_BYTES_MAX) return `is larger than ${String(IMAGE_BYTES_MAX)} bytes`;
  const least = MIN_BYTES[content];
  return sizeBytes < least ? `is smaller than ${String(least)} bytes, the least for ${content}` : undefined;
}

function cloneFault(sizeBytes: number, sourceBytes: number | undefined): string | undefined {
  return sourceBytes !== undefined && sizeBytes < sourceBytes
    ? `is smaller than its source, which has ${String(sourceBytes)} bytes`
    : undefined;
}

const BLOCK_BYTES = 4096;
/** mkfs.xfs refuses less than 300 MiB since xfsprogs 5.19; ext4 with its journal is of no use below 4 MiB. */
const MIN_BYTES = { ext4: 4 * 1024 ** 2, xfs: 300 * 1024 ** 2, block: BLOCK_BYTES } as const satisfies Record<ImagePlan['content'], number>;
