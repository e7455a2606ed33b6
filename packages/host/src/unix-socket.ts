import { chmod, lstat, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { AppError, type Clock } from '@volplane/base';

/**
 * Makes `path` free for a new socket: one that nobody answers on is what a killed process left, and is unlinked.
 *
 * @throws AppError INVALID_ARGUMENT for a path that the kernel would cut; FOREIGN_DATA when a living process serves the path or
 * a file that is no socket has it
 */
export async function freeSocketPath(path: string, clock: Clock): Promise<void> {
  if (Buffer.byteLength(path) > SOCKET_PATH_BYTES_MAX) {
    const bytes = String(SOCKET_PATH_BYTES_MAX);
    throw new AppError('INVALID_ARGUMENT', `socket path ${path} is too long, at most ${bytes} bytes are allowed`, { field: 'path', path });
  }
  const found = await lstat(path).catch(ignoreAbsent);
  if (found === undefined) return;
  if (!found.isSocket()) throw new AppError('FOREIGN_DATA', `${path} exists and is no socket; move it away`, { path });
  if (await answers(path, clock)) {
    throw new AppError('FOREIGN_DATA', `another process serves the socket ${path}; stop it, or use another path`, { path });
  }
  await unlink(path).catch(ignoreAbsent);
}

/**
 * Lets only the given users connect.
 *
 * @throws AppError FOREIGN_DATA when the socket was taken away meanwhile
 */
export async function protectSocket(path: string, mode: number): Promise<void> {
  try {
    await chmod(path, mode);
  } catch (error) {
    throw new AppError('FOREIGN_DATA', `the socket ${path} was taken away while it was opened`, { path }, error);
  }
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
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
  throw error;
}
