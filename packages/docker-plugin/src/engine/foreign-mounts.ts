import { readdir, readFile, readlink } from 'node:fs/promises';
import { findMountOf, isAtOrBelow, parseMountTable, readMountTable, type MountEntry } from '@volplane/host';

/**
 * True when what `path` shows is also mounted under another path on this machine: in a container, or for a copy that is under way. It
 * is the kernel's word that somebody uses the folder, whichever engine started it.
 *
 * Reads one mount table for each mount namespace, and touches no mounted file system.
 */
export async function isMountedElsewhere(path: string): Promise<boolean> {
  const own = await readMountTable();
  if (showsFolder(own, path, own)) return true;
  return (await foreignTables()).some((table) => showsFolder(table, path, own));
}

/** Whether `table` has, at another target, a mount of the folder that `path` is in `own`, or of a part of it. Pure. */
export function showsFolder(table: readonly MountEntry[], path: string, own: readonly MountEntry[]): boolean {
  const base = findMountOf(own, path);
  if (base === undefined) return false;
  const rest = path.slice(base.target === '/' ? 0 : base.target.length);
  const folder = `${base.root === '/' ? '' : base.root}${rest}` || '/';
  const { major, minor } = base.device;
  // Namespaces that were copied from this one have the volume's own mount too, at its own target: that is no use of it.
  return table.some(
    ({ device, root, target }) => device.major === major && device.minor === minor && target !== path && isAtOrBelow(folder, root),
  );
}

/** The tables of all other mount namespaces. A process that ends meanwhile has none. */
async function foreignTables(): Promise<readonly (readonly MountEntry[])[]> {
  const seen = new Set([await readlink('/proc/self/ns/mnt')]);
  const tables: (readonly MountEntry[])[] = [];
  for (const pid of await readdir('/proc')) {
    if (!/^[0-9]+$/.test(pid)) continue;
    try {
      // One process after the other: most share a namespace that was read already.
      const namespace = await readlink(`/proc/${pid}/ns/mnt`);
      if (seen.has(namespace)) continue;
      tables.push(parseMountTable(await readFile(`/proc/${pid}/mountinfo`, 'utf8')));
      seen.add(namespace);
    } catch {
      // It ended, or it is a thread of the kernel.
    }
  }
  return tables;
}
