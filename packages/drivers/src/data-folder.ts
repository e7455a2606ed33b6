import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import type { DriverVolume } from '@volplane/ports';
import type { FileCall } from './files/file-call.js';
import { withFsFaults } from './fs-fault.js';
import type { VolumeFolders } from './volume-folders.js';

/** The folder that users get, in drivers that give a folder. */
export const DATA_FOLDER = '_data';

/** For {@link VolumeFolders.create}. */
export function dataFolderCalls(stagedFolder: string): readonly FileCall[] {
  const path = join(stagedFolder, DATA_FOLDER);
  return [
    { do: 'make-folder', path, mode: DATA_MODE },
    // Whatever the umask of the agent is.
    { do: 'set-mode', path, mode: DATA_MODE },
  ];
}

/** A link in place of the data folder would lead a mount, and then the user, elsewhere. @throws AppError FOREIGN_DATA */
export async function checkDataFolder(folders: VolumeFolders, volume: DriverVolume): Promise<void> {
  const path = join(folders.folder(volume.name), DATA_FOLDER);
  const found = await withFsFaults(`mount of volume ${volume.name}`, () => lstat(path));
  if (!found.isDirectory()) throw folders.foreign(volume, `${DATA_FOLDER} is not a folder`);
}

/** As moby's. */
const DATA_MODE = 0o755;
