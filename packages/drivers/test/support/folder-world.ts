import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { VolumeDriver } from '@volplane/ports';
import { loopsBelow, makeTestFolder, mountsBelow, type DriverWorld, type TestFolder } from '@volplane/testkit';
import type { DriverContext } from '../../src/driver-context.js';
import { realContext } from './context.js';
import { realFiles } from './real-files.js';

interface FolderWorldPlan {
  readonly driver: (context: DriverContext, folder: TestFolder) => VolumeDriver;
  /** Where the folder of a volume stands. */
  readonly place: (folder: TestFolder, name: string) => string;
  readonly options: (folder: TestFolder) => DriverWorld['options'];
  readonly badOptions: DriverWorld['badOptions'];
  readonly context?: Partial<DriverContext>;
  readonly prepare?: (folder: TestFolder) => Promise<void>;
  /** Mounts that the driver keeps for all volumes. */
  readonly isPermanent?: (target: string) => boolean;
  readonly putForeign?: (folder: TestFolder, name: string) => Promise<void>;
  readonly hasForeign?: (folder: TestFolder, name: string) => Promise<boolean>;
  /** Links cannot stand in place of a volume. */
  readonly noLinks?: boolean;
  readonly traits: Pick<DriverWorld, 'readOnlyEnforced' | 'busyRefused' | 'erasesData' | 'remountsWhileAborted' | 'expandsWhileMounted'> & {
    readonly sizeBytes?: number;
  };
}

/** The world of a driver that keeps one folder a volume, on the real file system and with real mounts. */
export async function folderWorld(plan: FolderWorldPlan): Promise<DriverWorld> {
  const folder = await makeTestFolder();
  await plan.prepare?.(folder);
  const before = new Set(await leaksOf(folder));
  const putLink = linkTrap(plan, folder);
  return {
    driver: (onStep) => plan.driver(realContext({ ...plan.context, ...(onStep === undefined ? {} : { onStep }) }), folder),
    options: plan.options(folder),
    badOptions: plan.badOptions,
    ...plan.traits,
    files: realFiles,
    putForeign: (volume) => (plan.putForeign ?? putForeignIn(plan))(folder, volume.name),
    hasForeign: (volume) => (plan.hasForeign ?? hasForeignIn(plan))(folder, volume.name),
    ...(plan.noLinks === true ? {} : { putLink }),
    leaks: async () => (await leaksOf(folder)).filter((leak) => !before.has(leak) && plan.isPermanent?.(leak) !== true),
    end: () => folder.remove(),
  };
}

function putForeignIn(plan: FolderWorldPlan): (folder: TestFolder, name: string) => Promise<void> {
  return async (folder, name) => {
    const place = plan.place(folder, name);
    await mkdir(place, { recursive: true });
    await writeFile(join(place, 'precious'), 'foreign');
  };
}

function hasForeignIn(plan: FolderWorldPlan): (folder: TestFolder, name: string) => Promise<boolean> {
  return async (folder, name) => (await readFile(join(plan.place(folder, name), 'precious'), 'utf8')) === 'foreign';
}

function linkTrap(plan: FolderWorldPlan, folder: TestFolder): NonNullable<DriverWorld['putLink']> {
  return async (volume) => {
    const outside = join(folder.path, 'outside');
    await mkdir(outside);
    await writeFile(join(outside, 'precious'), 'outside');
    const place = plan.place(folder, volume.name);
    await mkdir(dirname(place), { recursive: true });
    await symlink(outside, place);
    return { isOutsideUntouched: async () => (await readFile(join(outside, 'precious'), 'utf8')) === 'outside' };
  };
}

async function leaksOf(folder: TestFolder): Promise<readonly string[]> {
  return [...(await mountsBelow(folder.path)), ...(await loopsBelow(folder.path))];
}
