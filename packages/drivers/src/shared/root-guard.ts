import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError, SharedWork } from '@volplane/base';
import { findMount } from '@volplane/host';
import type { DriverContext } from '../driver-context.js';
import { hasCode, withFsFaults } from '../fs-fault.js';

export interface RootGuardConfig {
  readonly root: string;
  /** A file system must be mounted here: the root itself, or a folder above it. */
  readonly mountPoint?: string;
  /** `<root>/.volplane-root` must hold this text. */
  readonly rootId?: string;
}

/**
 * Makes sure that the root is the file system that it should be, and that it answers, before anything is read or written
 * there: a root that is not mounted is an ordinary empty folder of this node, and volumes made there exist nowhere else.
 */
export class RootGuard {
  readonly #checks: SharedWork<void>;

  constructor(context: DriverContext, config: RootGuardConfig) {
    this.#checks = new SharedWork(() => checkRoot(context, config));
  }

  /** Calls that come while a check is under way share the next: for a root with a server each starts a program. @throws AppError DRIVER_UNAVAILABLE */
  check(): Promise<void> {
    return this.#checks.run();
  }
}

/** Written by the operator once; starts with a dot, so it is never a volume. */
export const ROOT_ID_FILE = '.volplane-root';

async function idAt(root: string): Promise<string | undefined> {
  try {
    return (await readFile(join(root, ROOT_ID_FILE), 'utf8')).trim();
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

async function checkRoot(context: DriverContext, config: RootGuardConfig): Promise<void> {
  const { mountPoint, rootId, root } = config;
  if (mountPoint !== undefined && findMount(await context.mounts.table(), mountPoint) === undefined) {
    throw new AppError('DRIVER_UNAVAILABLE', `nothing is mounted at ${mountPoint} on this node, so ${root} is not the shared storage`, {
      root,
    });
  }
  await context.mounts.probe(root);
  if (rootId === undefined) return;
  const found = await withFsFaults(`a look at ${root}`, () => idAt(root));
  if (found === rootId) return;
  const fault = found === undefined ? `has no file ${ROOT_ID_FILE}` : `says in ${ROOT_ID_FILE} that it is another storage`;
  throw new AppError('DRIVER_UNAVAILABLE', `${root} ${fault}, so it is not touched`, { root });
}
