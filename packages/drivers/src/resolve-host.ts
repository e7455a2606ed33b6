import { isIP } from 'node:net';
import { AppError, withTimeout } from '@volplane/base';
import type { DriverContext } from './driver-context.js';

/** The address of a server for `purpose` (a volume, named in the error), asked for at each mount, because servers move. @throws AppError MOUNT_FAILED */
export async function resolveHost(
  context: DriverContext,
  server: { readonly host: string; readonly purpose: string },
  signal: AbortSignal,
): Promise<string> {
  const { host, purpose } = server;
  if (isIP(host) !== 0) return host;
  const failed = (cause?: unknown): AppError =>
    new AppError('MOUNT_FAILED', `${purpose}: the address of its server ${host} cannot be resolved`, { host }, cause);
  try {
    return await withTimeout(context.clock, context.lookup(host), { timeoutMs: LOOKUP_MS_MAX, onTimeout: failed, signal });
  } catch (error) {
    throw error instanceof AppError ? error : failed(error);
  }
}

/** The resolver of libc gives up after 2 tries of 5 s by default. */
const LOOKUP_MS_MAX = 10_000;
