import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { driverContract, isRoot } from '@volplane/testkit';
import { LocalDriver } from '../../src/local/local-driver.js';
import { folderWorld } from '../support/folder-world.js';

const BAD_OPTIONS = [{ typo: 'x' }, { device: '/dev/sda1' }, { o: 'ro' }, { type: 'ext4' }, { size: '10g' }, { size: 'much' }];

driverContract('local, plain folders, as root', async () =>
  isRoot()
    ? await folderWorld({
        driver: (context, folder) => new LocalDriver(context, { name: 'local', root: folder.path }),
        place: (folder, name) => join(folder.path, 'volumes', name),
        options: () => ({}),
        badOptions: BAD_OPTIONS,
        traits: { readOnlyEnforced: true, busyRefused: false, erasesData: true },
      })
    : undefined,
);

driverContract('local, bind mounts', async () =>
  isRoot()
    ? await folderWorld({
        driver: (context, folder) => new LocalDriver(context, { name: 'local', root: folder.path }),
        place: (folder, name) => join(folder.path, 'volumes', name),
        prepare: async (folder) => {
          await mkdir(join(folder.path, 'device'));
        },
        options: (folder) => ({ type: 'none', o: 'bind', device: join(folder.path, 'device') }),
        badOptions: BAD_OPTIONS,
        traits: { readOnlyEnforced: true, busyRefused: true, erasesData: false },
      })
    : undefined,
);
