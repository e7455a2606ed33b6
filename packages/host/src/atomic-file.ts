import { constants } from 'node:fs';
import { open, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Replaces the file at `path` with `content`, durably: after a crash at any moment the file is the old one or the new
 * one, whole, and once this resolves it is the new one.
 *
 * The temporary file is `path` + `.tmp`: calls for one path must not overlap, and what a crash left is replaced by the
 * next call. A symbolic link in its place is refused; one at `path` is replaced, not followed.
 *
 * @param mode - permissions of the file, less the umask; the mode of the file that is replaced is not kept
 * @throws Node's own error (`code`, `path`); the file at `path` is then the old one, or the new one not yet durable
 */
export async function writeFileAtomic(path: string, content: string | Uint8Array, options: { readonly mode?: number } = {}): Promise<void> {
  const temporary = `${path}.tmp`;
  try {
    await writeSynced(temporary, content, options.mode ?? FILE_MODE);
    await rename(temporary, path);
  } catch (error) {
    await discard(temporary);
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** Makes the names in the folder durable: files created, renamed and deleted in it. @throws Node's own error */
export async function syncDirectory(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Only the owner reads what a daemon stores, unless its caller says otherwise. */
const FILE_MODE = 0o600;

const REPLACE_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW;

async function writeSynced(path: string, content: string | Uint8Array, mode: number): Promise<void> {
  const file = await open(path, REPLACE_FLAGS, mode);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function discard(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch {
    // It was never made, or cannot be removed; the error of the write says more, and the next write replaces it.
  }
}
