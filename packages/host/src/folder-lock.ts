import { constants } from 'node:fs';
import { open, readdir, unlink } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { AppError, systemRandom, type Random } from '@volplane/base';

export interface FolderLock {
  /** Safe to call again. */
  release(): Promise<void>;
}

/**
 * Makes this process the only owner of a folder, until it releases it or ends, however it ends.
 *
 * The lock is a listening socket in the folder, one name per process. Who comes listens first and then looks for others:
 * of two, the later look sees the other one, so never both go on (both may be refused; the next start wins). The kernel
 * closes the socket of a process that ends, and the name that is left answers nobody. Unlike a process id in a file this
 * needs no check of start times, and holds between containers that share the folder. The file system must be local.
 *
 * @throws AppError FOLDER_IN_USE; else Node's own error
 */
export async function lockFolder(folder: string, random: Random = systemRandom): Promise<FolderLock> {
  const own = `owner.${String(process.pid)}.${random.hex(8)}.sock`;
  const handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  // A socket's path has at most 107 bytes (unix(7)); through the open folder every path is short.
  const place = process.platform === 'linux' ? `/proc/self/fd/${String(handle.fd)}` : folder;
  let server: Server | undefined;
  const release = async (): Promise<void> => {
    if (server !== undefined) await close(server);
    await handle.close();
  };
  try {
    server = await listen(join(place, own));
    const others = (await readdir(folder)).filter((name) => OWNER.test(name) && name !== own);
    // One after the other: there is more than one only after several crashes.
    for (const name of others) await refuseIfAlive({ folder, place, name });
    return { release };
  } catch (error) {
    await release();
    throw error;
  }
}

const OWNER = /^owner\.(\d+)\.[0-9a-f]+\.sock$/;

function listen(path: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', reject);
    server.listen(path, () => {
      // The lock alone keeps no process alive.
      server.unref();
      resolve(server);
    });
  });
}

/** Node removes the name. */
function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => {
      resolve();
    });
  });
}

async function refuseIfAlive({
  folder,
  place,
  name,
}: {
  readonly folder: string;
  readonly place: string;
  readonly name: string;
}): Promise<void> {
  const path = join(place, name);
  if (await answers(path)) {
    const pid = OWNER.exec(name)?.[1] ?? '';
    throw new AppError('FOLDER_IN_USE', `the folder ${folder} is in use by another process (process id ${pid}, as that process sees it)`, {
      folder,
      pid,
    });
  }
  try {
    await unlink(path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}

/** False only for a socket that surely nobody listens on: one that is too busy or not ours to ask is somebody's. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error) => {
      const code = codeOf(error);
      resolve(code !== 'ECONNREFUSED' && code !== 'ENOENT');
    });
  });
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
