import { join } from 'node:path';
import { systemClock, systemRandom } from '@volplane/base';
import { makeTestFolder, mountsBelow, type DriverWorld } from '@volplane/testkit';
import type { DriverContext } from '../../src/driver-context.js';
import { PluginClient } from '../../src/plugin/plugin-client.js';
import { PluginDriver } from '../../src/plugin/plugin-driver.js';
import { realContext } from '../support/context.js';
import { realFiles } from '../support/real-files.js';
import { FakePlugin } from './fake-plugin.js';

/** A hosted plugin with folders as its storage; its count of mounts must come out even. */
export async function pluginWorld(context: Partial<DriverContext>): Promise<DriverWorld> {
  const folder = await makeTestFolder();
  const plugin = await FakePlugin.start(folder.path);
  const client = new PluginClient({
    name: 'fake',
    address: { kind: 'unix', path: plugin.socket },
    clock: systemClock,
    random: systemRandom,
  });
  const parts = realContext(context);
  return {
    driver: (onStep) =>
      new PluginDriver({ ...parts, ...(onStep !== undefined && { onStep }) }, client, {
        name: 'fake',
        root: join(folder.path, 'mounts'),
        scope: 'global',
      }),
    options: { color: 'red' },
    badOptions: [{ adopt: '' }],
    readOnlyEnforced: parts.mayMount,
    busyRefused: parts.mayMount,
    erasesData: true,
    keyedByUid: true,
    files: realFiles,
    putForeign: async () => undefined,
    hasForeign: async () => true,
    leaks: async () => [
      ...(await mountsBelow(folder.path)),
      ...[...plugin.volumes]
        .filter(([, { mounts }]) => parts.mayMount && mounts > 0)
        .map(([name, { mounts }]) => `${name} has ${String(mounts)} mounts in the plugin`),
    ],
    end: async () => {
      await plugin.stop();
      await folder.remove();
    },
  };
}
