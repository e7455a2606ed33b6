import { open, readFile, stat } from 'node:fs/promises';
import { AppError } from '@volplane/base';
import type { DriverContext } from '../driver-context.js';
import type { ImageFsType, ImagePlan } from './image-plan.js';

/** A new image: sparse, or with all its room taken at once, formatted unless it is raw. @throws AppError; Node's own error */
export async function makeImage(
  context: DriverContext,
  path: string,
  options: {
    readonly content: ImagePlan['content'];
    readonly sizeBytes: number;
    readonly preallocate: boolean;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const { content, sizeBytes, preallocate, signal } = options;
  await growFile(context, path, { sizeBytes, preallocate, signal });
  if (content === 'ext4') {
    await tool(context, 'mkfs.ext4', ['-q', '-F', '-m', '0', '-E', 'nodiscard', path], signal);
    // A volume is empty when it is new: some images fill an empty volume, and lost+found would keep them from it.
    await tool(context, 'debugfs', ['-w', '-R', 'rmdir lost+found', path], signal);
  }
  if (content === 'xfs') await tool(context, 'mkfs.xfs', ['-q', '-f', '-K', path], signal);
}

/** Makes the file at least `sizeBytes` long, durably. Made when missing; never shrinks. */
export async function growFile(
  context: DriverContext,
  path: string,
  options: { readonly sizeBytes: number; readonly preallocate: boolean; readonly signal: AbortSignal },
): Promise<void> {
  const { sizeBytes, preallocate, signal } = options;
  const file = await open(path, 'a', 0o600);
  try {
    if ((await file.stat()).size < sizeBytes) await file.truncate(sizeBytes);
    await file.sync();
  } finally {
    await file.close();
  }
  if (!preallocate) return;
  const outcome = await context.run({
    file: 'fallocate',
    args: ['--length', String(sizeBytes), '--', path],
    timeoutMs: TOOL_MS_MAX,
    signal,
    purpose: `room for ${path}`,
  });
  if (outcome.code !== 0) throw new AppError('NO_CAPACITY', `${String(sizeBytes)} bytes could not be taken for ${path}: ${outcome.stderr}`);
}

/** A copy that shares blocks with its source where the file system below can, and is sparse elsewhere; durable when it resolves. */
export async function copyImage(context: DriverContext, from: string, to: string, signal: AbortSignal): Promise<void> {
  const outcome = await context.run({
    file: 'cp',
    args: ['--reflink=auto', '--sparse=always', '--', from, to],
    timeoutMs: COPY_MS_MAX,
    signal,
    purpose: `copy of ${from}`,
  });
  if (/no space left/i.test(outcome.stderr)) throw new AppError('NO_CAPACITY', `copy of ${from}: the storage is full`);
  if (outcome.code !== 0) throw new AppError('DRIVER_UNAVAILABLE', `copy of ${from} failed: ${outcome.stderr}`);
  await syncFile(to);
}

/** Bytes of the file as its users see it. @throws Node's own error */
export async function fileBytes(path: string): Promise<number> {
  return (await stat(path)).size;
}

/** Lets the mounted file system fill its device. Full already: fine. @throws AppError DRIVER_FAILED */
export async function growMounted(
  context: DriverContext,
  mounted: { readonly fsType: ImageFsType; readonly device: string; readonly path: string },
  signal: AbortSignal,
): Promise<void> {
  if (mounted.fsType === 'xfs') await tool(context, 'xfs_growfs', ['-d', mounted.path], signal);
  else await tool(context, 'resize2fs', [mounted.device], signal);
}

/** Lets an ext4 that is mounted nowhere fill its file; it is checked first, as resize2fs demands. */
export async function growIdleExt4(context: DriverContext, image: string, signal: AbortSignal): Promise<void> {
  await tool(context, 'e2fsck', ['-f', '-p', image], signal, E2FSCK_CORRECTED);
  await tool(context, 'resize2fs', [image], signal);
}

/** The kernel grows a mounted ext4 only for CAP_SYS_RESOURCE, which containers and some machines lack. */
export async function mayGrowMountedExt4(): Promise<boolean> {
  const status = await readFile('/proc/self/status', 'utf8');
  const capabilities = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  return capabilities === undefined || ((BigInt(`0x${capabilities}`) >> CAP_SYS_RESOURCE) & 1n) === 1n;
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

async function tool(context: DriverContext, file: string, args: readonly string[], signal: AbortSignal, alsoFine = 0): Promise<void> {
  const outcome = await context.run({ file, args, timeoutMs: TOOL_MS_MAX, signal, purpose: `${file} on ${args.at(-1) ?? ''}` });
  if (outcome.code === 0 || outcome.code === alsoFine) return;
  throw new AppError('DRIVER_FAILED', `${file} on ${args.at(-1) ?? ''} failed: ${outcome.stderr || outcome.stdout}`);
}

/** Formatting a sparse file of terabytes takes seconds. */
const TOOL_MS_MAX = 120_000;
/** Without shared blocks a copy goes at the speed of the disk: some 100 GiB in this time. */
const COPY_MS_MAX = 30 * 60_000;
/** e2fsck(8): errors were there and have been corrected. */
const E2FSCK_CORRECTED = 1;
/** From linux/capability.h. */
const CAP_SYS_RESOURCE = 24n;
