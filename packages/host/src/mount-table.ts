import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { AppError, SharedWork } from '@volplane/base';

/** One line of /proc/self/mountinfo (proc(5)); paths have their escapes undone. */
export interface MountEntry {
  readonly id: number;
  readonly parentId: number;
  /** The st_dev of every file of the mount; major 0 for file systems without a block device. */
  readonly device: { readonly major: number; readonly minor: number };
  /** The folder of the file system that is mounted: `/` except for bind mounts of a sub-folder. */
  readonly root: string;
  readonly target: string;
  /** Options of this mount: `ro` or `rw`, `nosuid`, … */
  readonly options: readonly string[];
  readonly fsType: string;
  readonly source: string;
  /** Options of the file system, shared by all its mounts; ext4 adds `shutdown` here after an abort. */
  readonly superOptions: readonly string[];
}

/**
 * The mounts that this process sees, in mount order. Never touches a mounted file system, so a dead server cannot hang it.
 *
 * @throws AppError DRIVER_UNAVAILABLE when the kernel's table cannot be read
 */
export function readMountTable(): Promise<readonly MountEntry[]> {
  return reading.run();
}

/** Many calls look at once, at a table of thousands of lines that rarely changes: they share a read, and the parsed table while it is the same. */
const reading = new SharedWork(async () => {
  try {
    const text = latest.text.length > SMALL_CHARS ? await readFile(TABLE, 'utf8') : readFileSync(TABLE, 'utf8');
    if (text !== latest.text) latest = { text, table: parseMountTable(text) };
    return latest.table;
  } catch (error) {
    throw new AppError('DRIVER_UNAVAILABLE', "the kernel's mount table cannot be read; is /proc mounted?", {}, error);
  }
});

const TABLE = '/proc/self/mountinfo';
/** Some 400 mounts. A table of this kernel's memory is read here at once: 46 µs, where the four calls through the pool of libuv take 150 of them. */
const SMALL_CHARS = 64 * 1024;

let latest: { readonly text: string; readonly table: readonly MountEntry[] } = { text: '', table: [] };

/** Lines that do not parse are left out: a kernel to come may write some that we do not know. */
export function parseMountTable(text: string): readonly MountEntry[] {
  return text
    .split('\n')
    .map(parseMountLine)
    .filter((entry) => entry !== undefined);
}

/** The topmost mount at exactly `target`: the one that a path lookup reaches. */
export function findMount(table: readonly MountEntry[], target: string): MountEntry | undefined {
  return table.findLast((entry) => entry.target === target);
}

/** The mount that the absolute, link-free `path` lives on. */
export function findMountOf(table: readonly MountEntry[], path: string): MountEntry | undefined {
  let found: MountEntry | undefined;
  for (const entry of table) {
    if (isAtOrBelow(entry.target, path) && entry.target.length >= (found?.target.length ?? 0)) found = entry;
  }
  return found;
}

/** Every mount at `path` or below it: what would be destroyed by deleting the folder. */
export function findMountsBelow(table: readonly MountEntry[], path: string): readonly MountEntry[] {
  return table.filter((entry) => isAtOrBelow(path, entry.target));
}

/** A mount is read-only when the mount itself or its file system is. */
export function isReadOnly(entry: MountEntry): boolean {
  return entry.options.includes('ro') || entry.superOptions.includes('ro');
}

/** True when `path` is `folder` or lies in it; both absolute and normal. `/volumes-x` is not in `/volumes`. */
export function isAtOrBelow(folder: string, path: string): boolean {
  // Asked of every mount of the table: without a string made of each.
  return path.startsWith(folder) && (path.length === folder.length || folder.endsWith('/') || path[folder.length] === '/');
}

/** Shape: `36 35 98:0 /root /target opts [optional fields] - type source superopts`. */
function parseMountLine(line: string): MountEntry | undefined {
  const separator = line.indexOf(' - ');
  if (separator < 0) return undefined;
  const [id, parentId, device, root, target, options] = line.slice(0, separator).split(' ');
  const [fsType, source, superOptions] = line.slice(separator + 3).split(' ');
  const numbers = /^(\d+):(\d+)$/.exec(device ?? '');
  if (
    root === undefined ||
    target === undefined ||
    options === undefined ||
    fsType === undefined ||
    source === undefined ||
    numbers === null
  ) {
    return undefined;
  }
  return {
    id: Number(id),
    parentId: Number(parentId),
    device: { major: Number(numbers[1]), minor: Number(numbers[2]) },
    root: unescapeOctal(root),
    target: unescapeOctal(target),
    options: options.split(','),
    fsType,
    source: unescapeOctal(source),
    superOptions: (superOptions ?? '').split(','),
  };
}

/** The kernel writes space, tab, newline, backslash and `#` as a backslash and three octal digits, byte by byte. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}
