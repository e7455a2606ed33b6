import { readlinkSync } from 'node:fs';
import { open, readdir, readlink } from 'node:fs/promises';

/** What is called on a file handle of this process, and on which path. */
interface HandleCall {
  readonly call: 'truncate' | 'sync' | 'datasync';
  readonly path: string;
}

/**
 * Tells each call before it is made. Whether something is on the disk shows only when the machine ends: so the calls are watched instead.
 *
 * @param file - any file that can be read
 * @returns what ends it
 */
export async function watchHandles(file: string, tell: (call: HandleCall) => void): Promise<() => void> {
  const handle = await open(file, 'r');
  await handle.close();
  const methods = Object.getPrototypeOf(handle) as Record<string, (...args: unknown[]) => unknown>; // Node's own class, which it does not export
  const ends = (['truncate', 'sync', 'datasync'] as const).map((call) => {
    const original = methods[call];
    methods[call] = function (this: { readonly fd: number }, ...args) {
      tell({ call, path: readlinkSync(`/proc/self/fd/${String(this.fd)}`) });
      return original?.apply(this, args);
    };
    return () => {
      if (original !== undefined) methods[call] = original;
    };
  });
  return () => {
    for (const end of ends) end();
  };
}

/** The paths that this process has open. */
export async function openPaths(): Promise<readonly string[]> {
  return await Promise.all((await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')));
}
