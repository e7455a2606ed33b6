import { mkdir, rmdir } from 'node:fs/promises';
import { fsFault, hasCode, withFsFaults } from './fs-fault.js';

/** Makes the empty folder that something will be mounted on. There already: fine. */
export async function makeMountFolder(path: string): Promise<void> {
  await withFsFaults(`making of the folder ${path}`, () => mkdir(path, { recursive: true, mode: 0o700 }));
}

/** Takes it away again. What somebody wrote there while nothing was mounted is left. */
export async function removeMountFolder(path: string): Promise<void> {
  try {
    await rmdir(path);
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'ENOTEMPTY', 'EEXIST')) throw fsFault(error, `removal of the folder ${path}`);
  }
}
