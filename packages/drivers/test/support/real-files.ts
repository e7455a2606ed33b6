import { open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DriverWorldFiles } from '@volplane/testkit';

/** Files of a really mounted volume. What the kernel refuses is a refused write; anything else fails the test. */
export const realFiles: DriverWorldFiles = {
  write: (path, file, text) => isDone(writeFile(join(path, file), text)),
  async read(path, file) {
    try {
      return await readFile(join(path, file), 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  },
  async hold(path, file) {
    const handle = await open(join(path, file), 'w');
    return {
      write: (text) => isDone(handle.write(text).then(() => handle.sync())),
      close: async () => {
        await isDone(handle.close());
      },
    };
  },
};

async function isDone(work: Promise<unknown>): Promise<boolean> {
  try {
    await work;
    return true;
  } catch (error) {
    if (REFUSALS.has((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
}

const REFUSALS: ReadonlySet<string> = new Set(['EROFS', 'EIO', 'ENOTCONN', 'ECONNABORTED', 'ESHUTDOWN']);
