import { hasReason, sleep, systemClock } from '@volplane/base';
import type { MountView } from '@volplane/domain';
import type { VolplaneClient } from '@volplane/rpc';
import { waitFor } from '@volplane/testkit';
import { cutPower, imageDriver } from '../cluster/power.js';
import { context, persist, TestCluster, type ServiceProcess } from '../cluster/test-cluster.js';

/**
 * Kills a node (agent and guardian) that has an exclusive volume with the policy `lease` mounted, and lets another one ask for it until
 * it is answered with the mount.
 *
 * @returns from the kill to that answer, in milliseconds, a round each
 */
export async function measureTakeovers(ttlMs: number, rounds: number): Promise<readonly number[]> {
  const cluster = await TestCluster.start({ managers: 2, agents: 2, sessionTtlMs: ttlMs, drivers: imageDriver });
  try {
    const tookMs: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      // One after the other, the two nodes in turn.
      tookMs.push(await measureOne(cluster, `volume-${String(round)}`, round % 2));
    }
    return tookMs;
  } finally {
    await cluster.stop();
  }
}

async function measureOne(cluster: TestCluster, name: string, holderIndex: number): Promise<number> {
  const holder = cluster.agents[holderIndex];
  const taker = cluster.agents[1 - holderIndex];
  if (holder === undefined || taker === undefined) throw new Error('the cluster has two nodes');
  const manager = cluster.client(...cluster.managers);
  const request = { name, driver: 'image', accessMode: 'single-node-writer', takeover: 'lease' } as const;
  await persist(() => manager.createVolume(request, context()));
  const other = cluster.client(taker);
  // A guardian takes longer to start than its agent: neither node shall be found without one.
  await waitFor(() => other.mountVolume({ name, mountId: 'warm' }, context()), { what: `${taker.name} to mount ${name}` });
  await persist(() => other.unmountVolume({ name, mountId: 'warm' }, context()));
  const own = cluster.client(holder);
  await waitFor(() => own.mountVolume({ name, mountId: 'before' }, context()), { what: `${holder.name} to mount ${name}` });
  const startMs = systemClock.monotonicMs();
  await cutPower(holder, cluster.dataDir(holder));
  await untilMounted(other, name);
  const tookMs = systemClock.monotonicMs() - startMs;
  await persist(() => other.unmountVolume({ name, mountId: 'after' }, context()));
  await bringBack(cluster, holder);
  await persist(() => manager.removeVolume({ name }, context()));
  return tookMs;
}

/** As an orchestrator does that was told who holds the volume. */
async function untilMounted(client: VolplaneClient, name: string): Promise<MountView> {
  for (;;) {
    try {
      return await client.mountVolume({ name, mountId: 'after' }, context());
    } catch (error) {
      if (!hasReason(error, 'VOLUME_HELD')) throw error;
      await sleep(systemClock, ASK_AGAIN_MS);
    }
  }
}

async function bringBack(cluster: TestCluster, holder: ServiceProcess): Promise<void> {
  await holder.start();
  await cluster.settled();
}

const ASK_AGAIN_MS = 50;
