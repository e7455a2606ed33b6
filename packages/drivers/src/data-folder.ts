import { join } from 'node:path';
import type { FileCall } from './files/file-call.js';

/** The folder that users get, in drivers that give a folder. */
export const DATA_FOLDER = '_data';

/** Makes it in a folder that is being staged. */
export function dataFolderCalls(stagedFolder: string): readonly FileCall[] {
  const path = join(stagedFolder, DATA_FOLDER);
  return [
    { do: 'make-folder', path, mode: DATA_MODE },
    // Whatever the umask of the agent is.
    { do: 'set-mode', path, mode: DATA_MODE },
  ];
}

/** As moby's. */
const DATA_MODE = 0o755;
