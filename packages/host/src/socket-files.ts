import { chmod, lstat, mkdir, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { AppError, type Clock } from '@volplane/base';

/** Which file a path names: device, inode and change time, as `stat -c %d:%i:%Z` prints them. */
export type FileIdentity = string;

/**
 * Makes `path` free for a new socket: a socket that nobody answers on is what a killed process left, and is unlinked.
 *
 * @throws AppError FOREIGN_DATA when something lives there: another process, or a file that is no socket; INVALID_ARGUMENT for a
 * path that the kernel would cut
 */
export async function freeSocketPath(path: string, clock: Clock): Promise<void> {
  if (Buffer.byteLength(path) > SOCKET_PATH_BYTES_MAX) {
    const bytes = String(SOCKET_PATH_BYTES_MAX);
    throw new AppError('INVALID_ARGUMENT', `socket path ${path} is too long, at most ${bytes} bytes are allowed`, { field: 'path', path });
  }
  await mkdir(dirname(path), { recursive: true, mode: 0o755 });
  const found = await lstat(path).catch(ignoreAbsent);
  if (found === undefined) return;
  if (!found.isSocket())
    throw new AppError('FOREIGN_DATA', `${path} exists and is no socket, so no socket can be opened there; move it away`, { path });
  if (await answers(path, clock)) {
    throw new AppError('FOREIGN_DATA', `another process serves ${path}; stop it, or use another socket`, {
      path,
    });
  }
  await unlink(path).catch(ignoreAbsent);
}

/** Who may connect: by default only root, as is right for plugins. @returns the identity of the socket as it is from now on */
export async function protectSocket(path: string, mode = 0o600): Promise<FileIdentity> {
  await chmod(path, mode);
  const identity = await findIdentity(path);
  if (identity === undefined) throw new AppError('FOREIGN_DATA', `the socket ${path} was taken away while it was opened`, { path });
  return identity;
}

/** Undefined when nothing is there. */
export async function findIdentity(path: string): Promise<FileIdentity | undefined> {
  const found = await lstat(path, { bigint: true }).catch(ignoreAbsent);
  return found === undefined ? undefined : `${String(found.dev)}:${String(found.ino)}:${String(found.ctimeMs / 1000n)}`;
}

/** Unlinks the socket unless another one took its place. */
export async function removeSocket(path: string, identity: FileIdentity): Promise<void> {
  if ((await findIdentity(path)) === identity) await unlink(path).catch(ignoreAbsent);
}

// sizeof(sockaddr_un.sun_path) less the closing zero. libuv cuts a longer path without a word and binds another file.
const SOCKET_PATH_BYTES_MAX = 107;

/** A listener accepts a local connection at once, even when its process is too busy to answer. */
const CONNECT_TIMEOUT_MS = 2_000;

function answers(path: string, clock: Clock): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    const settle = (finish: () => void): void => {
      cancel();
      socket.destroy();
      finish();
    };
    // A full backlog does not refuse: somebody listens, however slowly.
    const cancel = clock.after(CONNECT_TIMEOUT_MS, () => {
      settle(() => {
        resolve(true);
      });
    });
    socket.once('connect', () => {
      settle(() => {
        resolve(true);
      });
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      settle(() => {
        if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve(false);
        else reject(error);
      });
    });
  });
}

function ignoreAbsent(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
  throw error;
}
