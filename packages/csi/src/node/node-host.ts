import { chmod, chown, lstat, mkdir, open, realpath, rmdir, stat, statfs, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { findMount, findMountOf, isReadOnly, type HostMounts, type MountEntry } from '@volplane/host';
import { CsiError } from '../status.js';

/** The files and mounts of this node as the Node service uses them; tests hand in their own. */
export interface NodeHost {
  table(): Promise<readonly MountEntry[]>;
  /** Makes `source` appear at `target`, an existing folder or file. @throws AppError MOUNT_FAILED: nothing is mounted there */
  bind(source: string, target: string, how: { readonly flags: readonly string[]; readonly mode: 'rw' | 'ro' }): Promise<void>;
  /** Ends every mount at `target`; none: fine. @throws AppError DRIVER_FAILED when it is busy */
  unmount(target: string): Promise<void>;
  /** With everything above it; there already: fine. */
  ensureFolder(path: string): Promise<void>;
  /** An empty file to bind a device on, with the folders above it; there already: fine. */
  ensureFile(path: string): Promise<void>;
  /** Takes an empty folder or empty file away; gone: fine. @throws CsiError FAILED_PRECONDITION when it is something else, or cannot go */
  removeTarget(path: string): Promise<void>;
  /** The path without links. */
  resolve(path: string): Promise<string>;
  /** Room of the file system at `path`, in bytes and files. */
  usage(path: string): Promise<FileSystemUsage>;
  /** Gives the folder to the group: its members may write, and what is made inside belongs to the group. */
  giveToGroup(path: string, gid: number): Promise<void>;
}

export interface FileSystemUsage {
  readonly bytes: Room;
  readonly inodes: Room;
}

export interface Room {
  readonly total: bigint;
  readonly used: bigint;
  readonly available: bigint;
}

/** The real one. */
export function systemNodeHost(mounts: HostMounts): NodeHost {
  return {
    table: () => mounts.table(),
    bind: (source, target, { flags, mode }) => mounts.mount({ type: 'none', source, target, options: ['bind', ...flags], mode }),
    unmount: (target) => mounts.unmount(target),
    ensureFolder: async (path) => {
      await mkdir(path, { recursive: true, mode: 0o750 });
    },
    ensureFile: async (path) => {
      await mkdir(dirname(path), { recursive: true, mode: 0o750 });
      await (await open(path, 'a', 0o640)).close();
    },
    removeTarget,
    resolve: (path) => realpath(path),
    usage: async (path) => {
      const { bsize, blocks, bfree, bavail, files, ffree } = await statfs(path, { bigint: true });
      return {
        bytes: { total: blocks * bsize, used: (blocks - bfree) * bsize, available: bavail * bsize },
        inodes: { total: files, used: files - ffree, available: ffree },
      };
    },
    giveToGroup: async (path, gid) => {
      const found = await stat(path);
      await chown(path, found.uid, gid);
      // Set-group-id, and what the owner may the group may.
      await chmod(path, (found.mode & 0o7777) | 0o2000 | ((found.mode & 0o700) >> 3));
    },
  };
}

/**
 * The mount at `target` when it shows exactly `source`: same file system, same place in it. Read from the table alone, so a
 * dead server cannot hang it.
 */
export function findBind(table: readonly MountEntry[], source: string, target: string): MountEntry | undefined {
  const at = findMount(table, target);
  const below = findMountOf(table, source);
  if (at === undefined || below === undefined) return undefined;
  const inside = source.slice(below.target === '/' ? 0 : below.target.length);
  const root = below.root === '/' ? inside || '/' : `${below.root}${inside}`;
  const isSameDevice = at.device.major === below.device.major && at.device.minor === below.device.minor;
  return isSameDevice && at.root === root ? at : undefined;
}

/** Whether a mount has the mode that was asked for: a read-only one never serves a writer, nor the other way round. */
export function hasMode(entry: MountEntry, mode: 'rw' | 'ro'): boolean {
  return entry.options.includes('ro') === (mode === 'ro') || (mode === 'ro' && isReadOnly(entry));
}

async function removeTarget(path: string): Promise<void> {
  try {
    // Not what a link points to: that is somewhere else.
    const found = await lstat(path);
    if (found.isDirectory()) await rmdir(path);
    else if (found.isFile() && found.size === 0) await unlink(path);
    else {
      const what = found.isSymbolicLink() ? 'is a link' : 'holds something';
      const text = `${path} ${what} that was not put there by this plugin; it was left alone: take it away, then repeat the call`;
      throw new CsiError('FAILED_PRECONDITION', text);
    }
  } catch (error) {
    if (error instanceof CsiError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    if (code === 'ENOENT') return;
    if (code === 'ENOTEMPTY' || code === 'EEXIST') {
      throw new CsiError(
        'FAILED_PRECONDITION',
        `folder ${path} holds files that were not put there by this plugin; they were left alone`,
        error,
      );
    }
    if (code === 'EBUSY') {
      const text = `${path} is busy: something is mounted there again, or below it; unmount that, then repeat the call`;
      throw new CsiError('FAILED_PRECONDITION', text, error);
    }
    throw new CsiError(
      'FAILED_PRECONDITION',
      `${path} cannot be taken away (${code}): see to its folder and its file system, then repeat the call`,
      error,
    );
  }
}
