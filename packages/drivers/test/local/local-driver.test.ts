import { join } from 'node:path';
import { driverContract } from '@volplane/testkit';
import { LocalDriver } from '../../src/local/local-driver.js';
import { folderWorld } from '../support/folder-world.js';

driverContract('local, plain folders, without the right to mount', () =>
  folderWorld({
    driver: (context, folder) => new LocalDriver(context, { name: 'local', root: folder.path }),
    place: (folder, name) => join(folder.path, 'volumes', name),
    options: () => ({}),
    badOptions: [{ typo: 'x' }],
    context: { mayMount: false },
    traits: { readOnlyEnforced: false, busyRefused: false, erasesData: true },
  }),
);
