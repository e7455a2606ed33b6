import { open, readFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { sleep, systemClock } from '@volplane/base';
import { findMount, readMountTable } from '@volplane/host';
import { hasTool, isRoot, waitFor } from '@volplane/testkit';
import { expect } from 'chai';
import { imageDriver } from '../cluster/power.js';
import { context, persist, TestCluster } from '../cluster/test-cluster.js';
import { NODE, usable } from './calls.js';
import { agentOf, bringBack, takeDown } from './outages.js';
import { LEASE_MOUNTS, OUTAGES, type Fate } from './table.js';

/**
 * The row of the run-flat table (docs/operations.md) for mounts under the policy `lease`, on real processes and real file systems: each
 * is judged by a descriptor that was open when the outage began.
 */
describe('mounts under the policy lease, run flat', function () {
  this.timeout(300_000);
  let cluster: TestCluster;

  before(async function () {
    if (!isRoot() || !(await hasTool('xfs_io')) || !(await hasTool('mkfs.ext4'))) this.skip();
    cluster = await TestCluster.start({ managers: 2, agents: 1, sessionTtlMs: SESSION_TTL_MS, drivers: imageDriver });
  });

  after(() => cluster?.stop());

  for (const [index, outage] of OUTAGES.entries()) {
    const fate = LEASE_MOUNTS[outage];
    it(`${fate === 'stays' ? 'stay' : `are ${fate}`} with ${outage} down, and can be used again afterwards`, async () => {
      const name = `lease-${String(index)}`;
      const manager = cluster.client(...cluster.managers);
      const wish = { name, driver: 'image', node: NODE, accessMode: 'single-node-writer', takeover: 'lease' } as const;
      await persist(() => manager.createVolume(wish, context()));
      const { path } = await persist(() => manager.mountVolume({ name, node: NODE, mountId: 'c1' }, context()));
      const file = await open(join(path, 'held'), 'w');
      try {
        expect(await isWritten(file)).to.equal(true);
        await takeDown(cluster, outage);
        const downMs = systemClock.monotonicMs();
        const isOpenAtOnce = await isWritten(file);
        // A machine that was busy for so long has ended the session meanwhile.
        if (systemClock.monotonicMs() - downMs < SESSION_TTL_MS / 4) expect(isOpenAtOnce, 'at once').to.equal(true);
        await judge(fate, { name, path, file });
      } finally {
        await file.close().catch(() => undefined);
      }
      await bringBack(cluster, outage);
      await cluster.settled();

      const own = cluster.client(agentOf(cluster));
      const again = await waitFor(() => own.mountVolume({ name, mountId: 'c2' }, context()), { what: 'a mount afterwards' });
      await usable(again.path);
      for (const mountId of ['c1', 'c2']) await persist(() => own.unmountVolume({ name, mountId }, context()));
      await persist(() => own.removeVolume({ name }, context()));
    });
  }

  async function judge(fate: Fate, { name, path, file }: { name: string; path: string; file: FileHandle }): Promise<void> {
    if (fate === 'stays') {
      // What is looked at is what a session's end would do, so there is nothing but time to wait for.
      await sleep(systemClock, SESSION_TTL_MS + 1_000);
      expect(await isWritten(file)).to.equal(true);
      return;
    }
    await waitFor(async () => !(await isWritten(file)), { what: 'the open descriptor to be cut off', timeoutMs: 60_000 });
    await waitFor(async () => findMount(await readMountTable(), path) === undefined, { what: 'the mount to be gone' });
    const byGuardian = await guardianCutOff(path);
    if (fate === 'cut off by the guardian') expect(byGuardian).to.equal(true);
    else expect(byGuardian || agentCutOff(name)).to.equal(true);
  }

  async function guardianCutOff(path: string): Promise<boolean> {
    const log = await readFile(join(cluster.dataDir(agentOf(cluster)), 'guardian', 'guardian.log'), 'utf8');
    return log.split('\n').some((line) => line.includes('deadline passed, mount is aborted') && line.includes(path));
  }

  function agentCutOff(name: string): boolean {
    return agentOf(cluster).lines.some(
      (line) => line.includes('session ended, lease-bound mount is aborted') && line.includes(`"${name}"`),
    );
  }
});

/** Whether a write through the open descriptor reaches the storage. */
async function isWritten(file: FileHandle): Promise<boolean> {
  try {
    await file.write('x');
    await file.sync();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EIO' || (error as NodeJS.ErrnoException).code === 'ESHUTDOWN') return false;
    throw error;
  }
}

const SESSION_TTL_MS = 4_000;
