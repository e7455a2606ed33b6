import { systemRandom } from '@volplane/base';
import type { VolumeName } from '@volplane/domain';
import { contractUid, contractVolume } from '@volplane/testkit';
import { noSteps } from '../../src/driver-context.js';
import { FileThreads } from '../../src/files/file-threads.js';
import { SharedDriver } from '../../src/shared/shared-driver.js';
import { realContext } from '../support/context.js';

/**
 * A program that creates and removes volumes in the root of its first argument, many at once, until it is killed. It tells each
 * acknowledged call as a line: `+index` or `-index`.
 */
const root = process.argv[2] ?? '';
const files = new FileThreads();
const driver = new SharedDriver(realContext({ random: systemRandom, onStep: noSteps, files: () => files }), {
  ...{ name: 'shared', root, accessModes: ['multi-node-multi-writer'], trashKeepMs: 0, ownMounts: false },
});
const calm = new AbortController().signal;

await Promise.all(
  Array.from({ length: 16 }, async (_, lane) => {
    for (let index = lane; ; index += 16) {
      const volume = contractVolume({ options: {} }, { name: `volume-${String(index)}` as VolumeName, uid: contractUid(index) });
      // One after the other in a lane, sixteen lanes at once.
      await driver.create(volume);
      process.stdout.write(`+${String(index)}\n`);
      if (index % 3 !== 0) continue;
      await driver.remove(volume, calm);
      process.stdout.write(`-${String(index)}\n`);
    }
  }),
);
