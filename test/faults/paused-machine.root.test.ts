import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MountView, VolumeExplanation, VolumeView } from '@volplane/domain';
import type { VolplaneClient } from '@volplane/rpc';
import { hasTool, isRoot, waitFor } from '@volplane/testkit';
import { expect } from 'chai';
import { persist } from '../cluster/test-cluster.js';
import type { ClusterNode } from './cluster-node.js';
import { startEpochStorage, type EpochStorage } from './epoch-storage.js';
import { callContext, FaultCluster } from './fault-cluster.js';
import type { Place, RecordHead } from './writer-lines.js';

/**
 * A machine that is paused whole and resumed: agent, guardian and writers stand still together for longer than the lease. That is beyond what
 * evidence C can promise (docs/operations.md), and what a storage that checks epochs is for.
 */
describe('a machine that is paused whole and resumed', function () {
  this.timeout(300_000);
  let cluster: FaultCluster;
  let logFolder: string;
  let storage: EpochStorage;

  before(async function () {
    if (!isRoot() || !(await hasTool('xfs_io')) || !(await hasTool('mkfs.ext4'))) this.skip();
    logFolder = await mkdtemp(join(tmpdir(), 'volplane-logs-'));
    storage = await startEpochStorage();
    cluster = await FaultCluster.start({ managers: 1, nodes: 2, ttlMs: 5_000, logFolder });
  });

  after(async () => {
    await cluster?.stop();
    await storage?.stop();
    if (logFolder !== undefined) await rm(logFolder, { recursive: true });
  });

  it('writes late where evidence C is all that there is', async () => {
    const { first, second, own, other } = await pausedAndTakenOver('on-c', (mount) => ({ folder: mount.path, isMount: true }));

    // The machine goes on. In which order its processes do is nobody's to say, and the writer may come first.
    const acked = first.writers.acked(own.writer);
    if (first.writers.pid !== undefined) process.kill(first.writers.pid, 'SIGCONT');
    await waitFor(() => first.writers.acked(own.writer) > acked, { what: 'the late write to be taken by the storage' });
    await first.signalAll('SIGCONT');

    // The guardian sees its deadline behind it and aborts, too late.
    await waitFor(() => first.writers.ended(own.writer), { what: 'the late writer to be cut off' });
    const late = await first.writers.stop(own, 'on-c');
    const rightful = await second.writers.stop(other, 'on-c');
    expect(late.lastStartMs).to.be.above(rightful.firstAckMs ?? Infinity);
    expect(late.epoch).to.be.below(rightful.epoch);
  });

  it('is refused its late write by a storage that checks epochs', async () => {
    const { volume, first, second, own, other } = await pausedAndTakenOver('on-b', (_, { uid }) => ({ url: storage.url(uid) }));

    await first.signalAll('SIGCONT');
    await waitFor(() => first.writers.ended(own.writer), { what: 'the late writer to be refused' });
    const late = await first.writers.stop(own, 'on-b');
    await second.writers.stop(other, 'on-b');
    expect(late.end).to.match(/epoch \d+ is over: \d+ has written/);
    const epochs = storage.records(volume.uid).map((record) => (JSON.parse(record) as { readonly epoch: number }).epoch);
    expect(epochs).to.deep.equal([...epochs].sort((one, next) => one - next));
    expect(epochs.filter((epoch) => epoch === own.epoch)).to.have.length(late.acked);
  });

  /** The volume is written on node 1, which is then paused, and on node 2, which took it over. */
  async function pausedAndTakenOver(
    name: string,
    place: (mount: MountView, volume: VolumeView) => Place,
  ): Promise<{ volume: VolumeView; first: ClusterNode; second: ClusterNode; own: RecordHead; other: RecordHead }> {
    const { client, first, second } = parts();
    const request = { name, driver: 'image', accessMode: 'single-node-writer', takeover: 'lease' } as const;
    const volume = await persist(() => client.createVolume(request, callContext()));
    const mount = (node: string): Promise<MountView> => client.mountVolume({ name, node, mountId: `${name}-${node}` }, callContext());
    const held = await waitFor(() => mount(first.name), { what: 'the first mount' });
    const own = { writer: `${name}-early`, node: first.name, epoch: held.epoch };
    first.writers.start(own, place(held, volume));
    await waitFor(() => first.writers.acked(own.writer) > 0, { what: 'the first record' });

    await first.signalAll('SIGSTOP');
    const taken = await waitFor(() => mount(second.name), { what: 'the takeover', timeoutMs: 60_000 });
    const explained: VolumeExplanation = await persist(() => client.explainVolume({ name }, callContext()));
    expect(explained.evidence.at(-1)).to.include({ kind: 'C', node: first.name, epoch: held.epoch });
    const other = { writer: `${name}-late`, node: second.name, epoch: taken.epoch };
    second.writers.start(other, place(taken, volume));
    await waitFor(() => second.writers.acked(other.writer) > 0, { what: 'a record of the new holder' });
    return { volume, first, second, own, other };
  }

  function parts(): { readonly client: VolplaneClient; readonly first: ClusterNode; readonly second: ClusterNode } {
    const [manager] = cluster.managers;
    const [first, second] = cluster.nodes;
    if (manager === undefined || first === undefined || second === undefined) throw new Error('one manager and two nodes were asked for');
    return { client: manager.client, first, second };
  }
});
