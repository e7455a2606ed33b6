import { stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { AppError } from '@volplane/base';

export interface FolderLock {
  /** Safe to call again. */
  release(): Promise<void>;
}

/**
 * Makes this process the only one of this machine (of its network namespace) that works in `folder`.
 *
 * The lock is a listening socket in Linux's abstract namespace, named by the folder's device and inode: the kernel frees it with the
 * process, however that ends, so that no stale lock can be left.
 *
 * @throws AppError DISK_FAILED when another process has it
 */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const { dev, ino } = await stat(folder);
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const inUse = error.code === 'EADDRINUSE';
      reject(new AppError('DISK_FAILED', inUse ? `the folder ${folder} is in use by another process` : `the folder ${folder} cannot be locked`, { path: folder }, error));
    });
    server.listen(`\0volplane-lock-${String(dev)}-${String(ino)}`, resolve);
  });
  server.unref();
  return {
    release: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
      }),
  };
}
