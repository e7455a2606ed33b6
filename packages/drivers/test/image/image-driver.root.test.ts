import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { driverContract, hasTool, isRoot, type TestFolder } from '@volplane/testkit';
import { mayGrowMountedExt4 } from '../../src/image/image-file.js';
import { ImageDriver, type ImageDriverConfig } from '../../src/image/image-driver.js';
import { folderWorld } from '../support/folder-world.js';

const MIB = 1024 ** 2;

const configFor = (folder: TestFolder, parts: Partial<ImageDriverConfig> = {}): ImageDriverConfig => ({
  name: 'image',
  root: join(folder.path, 'images'),
  scope: 'local',
  mountRoot: join(folder.path, 'mounts'),
  defaultSizeBytes: 16 * MIB,
  fsType: 'ext4',
  preallocate: false,
  trashKeepMs: 0,
  ...parts,
});
const BAD_OPTIONS = [
  { typo: 'x' },
  { fs: 'ntfs' },
  { access: 'raw' },
  { size: 'big' },
  { size: '1k' },
  { fs: 'xfs', size: '16m' },
  { fs: 'ext4', access: 'block' },
];

driverContract('image, local', async () =>
  isRoot() && (await hasTool('xfs_io'))
    ? await folderWorld({
        driver: (context, folder) => new ImageDriver(context, configFor(folder)),
        place: (folder, name) => join(folder.path, 'images', name),
        prepare: async (folder) => {
          await mkdir(join(folder.path, 'images'));
        },
        options: () => ({}),
        badOptions: BAD_OPTIONS,
        traits: {
          readOnlyEnforced: true,
          busyRefused: true,
          erasesData: true,
          expandsWhileMounted: await mayGrowMountedExt4(),
          sizeBytes: 16 * MIB,
        },
      })
    : undefined,
);

driverContract('image, global, on a file system that all nodes see', async () =>
  isRoot() && (await hasTool('xfs_io'))
    ? await folderWorld({
        driver: (context, folder) =>
          new ImageDriver(context, configFor(folder, { scope: 'global', mountPoint: join(folder.path, 'images'), preallocate: true })),
        place: (folder, name) => join(folder.path, 'images', name),
        prepare: async (folder) => {
          // Room for every volume of the longest test: ext4 gives freed blocks out again only once its journal has committed.
          await folder.mountImage('images', { type: 'ext4', sizeMib: 1024 });
        },
        options: () => ({ fs: 'ext4' }),
        badOptions: BAD_OPTIONS,
        traits: {
          readOnlyEnforced: true,
          busyRefused: true,
          erasesData: true,
          expandsWhileMounted: await mayGrowMountedExt4(),
          sizeBytes: 8 * MIB,
        },
      })
    : undefined,
);
