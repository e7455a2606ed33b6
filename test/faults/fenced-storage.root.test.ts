import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { MountView, VolumeView } from '@volplane/domain';
import type { VolplaneClient } from '@volplane/rpc';
import { isRoot, rejection, waitFor } from '@volplane/testkit';
import { expect } from 'chai';
import { persist } from '../cluster/test-cluster.js';
import type { ClusterNode } from './cluster-node.js';
import { startEpochStorage, type EpochStorage } from './epoch-storage.js';
import { callContext, FaultCluster } from './fault-cluster.js';
import type { RecordHead } from './writer-lines.js';

const PROGRAM = fileURLToPath(new URL('fence-program.mjs', import.meta.url));

/**
 * Takeover on evidence B, whole: a driver of the kind `mount` with a fence program, a storage that checks epochs, and a writer that nobody
 * stops. What the writer is told is the storage's word, not that of anything on its node.
 */
describe('a storage that is fenced by a program', function () {
  this.timeout(300_000);
  let cluster: FaultCluster;
  let logFolder: string;
  let storage: EpochStorage;

  before(async function () {
    if (!isRoot()) this.skip();
    logFolder = await mkdtemp(join(tmpdir(), 'volplane-logs-'));
    storage = await startEpochStorage();
    await mkdir(join(logFolder, 'export'));
    cluster = await FaultCluster.start({ managers: 1, nodes: 2, ttlMs: 5_000, logFolder, drivers: () => [fencedExport()] });
  });

  after(async () => {
    await cluster?.stop();
    await storage?.stop();
    if (logFolder !== undefined) await rm(logFolder, { recursive: true });
  });

  it('refuses the writer of a node whose agent was killed, before anybody else has written', async () => {
    const { volume, first, second, own } = await written('killed');
    await first.agent.kill();
    // The writer goes on through the end of the session and until the fence.
    const taken = await takenOver('killed', second);
    await waitFor(() => first.writers.ended(own.writer), { what: 'the old writer to be refused' });
    const late = await first.writers.stop(own, 'killed');
    expect(late.end).to.match(/epoch \d+ is over: \d+ /);
    expect(storage.records(volume.uid), 'all that is stored is what was acknowledged').to.have.length(late.acked);
    await expectEvidence('killed', first, own.epoch);
    expect(await appends(second, { writer: 'killed-new', node: second.name, epoch: taken.epoch }, volume)).to.equal(true);
    first.agent.start();
    await cluster.settled();
  });

  it('refuses the late write of a machine that was paused whole', async () => {
    const { volume, first, second, own } = await written('paused');
    await first.signalAll('SIGSTOP');
    await takenOver('paused', second);
    const before = storage.records(volume.uid).length;
    await first.signalAll('SIGCONT');
    await waitFor(() => first.writers.ended(own.writer), { what: 'the late writer to be refused' });
    expect((await first.writers.stop(own, 'paused')).end).to.match(/epoch \d+ is over: \d+ /);
    expect(storage.records(volume.uid)).to.have.length(before);
    await expectEvidence('paused', first, own.epoch);
    await cluster.settled();
  });

  it('is not taken for fenced while its program fails, and the reason is told', async () => {
    const { volume, first, second, own } = await written('locked');
    storage.locked = true;
    await first.agent.kill();
    const refused = await waitFor(
      async () => {
        const error = await rejection(mount('locked', second));
        return error.reason === 'VOLUME_HELD' && error.message.includes('the array is locked') ? error : undefined;
      },
      { what: 'the refusal to tell why', timeoutMs: 60_000 },
    );
    expect(refused.failure.fields['freedBy']).to.contain('repair the fence of driver export');
    const { client } = parts();
    expect((await persist(() => client.getVolume({ name: 'locked' }, callContext()))).attachments.map(({ node }) => node)).to.deep.equal([
      first.name,
    ]);
    const acked = first.writers.acked(own.writer);
    await waitFor(() => first.writers.acked(own.writer) > acked, { what: 'the holder to write on' });

    storage.locked = false;
    await takenOver('locked', second);
    await waitFor(() => first.writers.ended(own.writer), { what: 'the old writer to be refused' });
    const late = await first.writers.stop(own, 'locked');
    expect(storage.records(volume.uid)).to.have.length(late.acked);
    await expectEvidence('locked', first, own.epoch);
    first.agent.start();
    await cluster.settled();
  });

  /** An export that every node mounts, here by a bind mount, fenced by a call of its storage. */
  function fencedExport(): object {
    const command = [process.execPath, PROGRAM, `${storage.base}/{uid}`, '{epoch}'];
    return {
      kind: 'mount',
      name: 'export',
      type: 'none',
      source: join(logFolder, 'export'),
      options: ['bind'],
      accessModes: ['single-node-writer'],
      fence: command,
      admit: command,
    };
  }

  /** The volume is mounted on node 1, and written at the storage with the epoch of that mount. */
  async function written(name: string): Promise<{ volume: VolumeView; first: ClusterNode; second: ClusterNode; own: RecordHead }> {
    const { client, first, second } = parts();
    const volume = await persist(() => client.createVolume({ name, driver: 'export', node: first.name }, callContext()));
    expect(volume.takeover, 'the default where the storage can be fenced').to.equal('storage');
    const held = await waitFor(() => mount(name, first), { what: 'the first mount' });
    const own = { writer: `${name}-old`, node: first.name, epoch: held.epoch };
    expect(await appends(first, own, volume)).to.equal(true);
    return { volume, first, second, own };
  }

  async function appends(node: ClusterNode, head: RecordHead, volume: VolumeView): Promise<boolean> {
    node.writers.start(head, { url: storage.url(volume.uid) });
    return await waitFor(() => node.writers.acked(head.writer) > 0, { what: `a record of ${head.writer}` });
  }

  function mount(name: string, node: ClusterNode): Promise<MountView> {
    return parts().client.mountVolume({ name, node: node.name, mountId: `${name}-${node.name}` }, callContext(20_000));
  }

  async function takenOver(name: string, by: ClusterNode): Promise<MountView> {
    return await waitFor(() => mount(name, by), { what: 'the takeover', timeoutMs: 60_000 });
  }

  /** The receipt is kept with the volume, and told. */
  async function expectEvidence(name: string, from: ClusterNode, epoch: number): Promise<void> {
    const { client } = parts();
    const { evidence, summary } = await persist(() => client.explainVolume({ name }, callContext()));
    expect(evidence.at(-1)).to.include({ kind: 'B', node: from.name, epoch });
    expect(evidence.at(-1)?.detail).to.match(/^epochs below \d+ are refused$/);
    expect(summary).to.match(/that of node-1, on evidence B at .*: epochs below \d+ are refused/);
  }

  function parts(): { readonly client: VolplaneClient; readonly first: ClusterNode; readonly second: ClusterNode } {
    const [manager] = cluster.managers;
    const [first, second] = cluster.nodes;
    if (manager === undefined || first === undefined || second === undefined) throw new Error('one manager and two nodes were asked for');
    return { client: manager.client, first, second };
  }
});
