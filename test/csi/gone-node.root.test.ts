import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { hasTool, isRoot, waitFor } from '@volplane/testkit';
import { volctl } from '../../services/ctl/test/volctl.js';
import { CsiCluster, IMAGES } from './support/csi-cluster.js';
import { refusalOf, SINGLE, VolumeUser, type VolumeRef } from './support/volume-user.js';

const CALL = { signal: new AbortController().signal, timeoutMs: 20_000 };

/**
 * ControllerUnpublishVolume for a node whose agent was killed, with real managers, agents, guardians and images: it succeeds
 * on evidence alone, and says so otherwise.
 */
describe('csi unpublish for a node that is gone', () => {
  let cluster: CsiCluster;
  let user: VolumeUser;
  let byPolicy: Readonly<Record<'lease' | 'manual', VolumeRef>>;
  before(async function () {
    if (!isRoot() || !(await hasTool('mkfs.ext4'))) this.skip();
    cluster = await CsiCluster.start({
      nodes: ['n1', 'n2'],
      driver: 'image',
      drivers: [IMAGES],
      // One of two nodes is half of them: more than the usual brake lets take over at once.
      managerArgs: ['--session-ttl-ms=10000', '--brake-share=100'],
    });
    user = new VolumeUser(cluster);
    byPolicy = { lease: await on2('lease'), manual: await on2('manual') };
    await cluster.kill('n2');
  });
  after(async () => {
    // Skipped suites have none.
    await (cluster as CsiCluster | undefined)?.stop();
  });

  /** A volume of this takeover policy, published on n2 with a file in it. */
  async function on2(takeover: string): Promise<VolumeRef> {
    const volume = await user.create(takeover, { parameters: { takeover } });
    // A node that has just started is unguarded for a moment, and gives no promise until its guardian answers.
    await waitFor(() => user.publish(volume, takeover, 'n2').then(() => true), { what: 'the volume is published on n2' });
    // To the disk: what was not flushed is lost with the node.
    await writeFile(join(user.target(takeover), 'file'), takeover, { flush: true });
    return volume;
  }

  async function detach(volume: VolumeRef): Promise<void> {
    await cluster.controller().call('ControllerUnpublishVolume', { ...volume, node_id: 'n2' });
  }

  async function explained(name: string): Promise<string> {
    const { code, stdout } = await volctl(['explain', name], { env: { VOLPLANE_ADDRESS: cluster.managerAddress } });
    expect(code).to.equal(0);
    return stdout;
  }

  it('is UNAVAILABLE while its session goes on: it may answer in a moment', async () => {
    expect((await refusalOf(detach(byPolicy.lease))).code).to.equal('UNAVAILABLE');
  });

  it('is FAILED_PRECONDITION without evidence, says what would free the volume, and nobody else gets it', async () => {
    await waitFor(async () => (await cluster.agent('n1').getNode({ name: 'n2' }, CALL)).state === 'gone', { what: 'n2 is gone' });
    const refused = await refusalOf(detach(byPolicy.manual));
    expect(refused.code).to.equal('FAILED_PRECONDITION');
    expect(refused.message).to.contain('no evidence').and.contain('n2').and.contain('declare');
    const attach = await refusalOf(cluster.controller().call('ControllerPublishVolume', { ...byPolicy.manual, node_id: 'n1', ...SINGLE }));
    expect(attach.code).to.equal('FAILED_PRECONDITION');
    expect(attach.message).to.contain('n2');
    expect(await readFile(join(user.target('manual'), 'file'), 'utf8'), 'it is in use there indeed').to.equal('manual');
  });

  it('succeeds once the lease has ended, because the guardian has cut the mount off, and says that this was the evidence', async () => {
    await detach(byPolicy.lease);
    const failed = await readFile(join(user.target('lease'), 'file')).catch((error: unknown) => error);
    expect(failed, 'the mount on n2 answers nothing but errors').to.have.property('code', 'EIO');
    expect(await explained('lease')).to.match(/Evidence:\n.* C n2: /);
    await detach(byPolicy.lease);
    await user.publish(byPolicy.lease, 'next', 'n1');
    expect(await readFile(join(user.target('next'), 'file'), 'utf8')).to.equal('lease');
    await user.unpublish(byPolicy.lease, 'next', 'n1');
  });

  it('succeeds on the word of somebody who declared the node lost, and keeps whose word it was', async () => {
    const { planRevision } = await cluster.agent('n1').planNodeLost({ name: 'n2' }, CALL);
    await cluster.agent('n1').declareNodeLost({ name: 'n2', planRevision, note: 'power supply burnt' }, CALL);
    await detach(byPolicy.manual);
    expect(await explained('manual')).to.match(/Evidence:\n.* D n2: .*power supply burnt/);
    const { entries } = await cluster.controller().call('ListVolumes', {});
    const entry = entries.find((one) => one.volume.volume_id === byPolicy.manual.volume_id);
    expect(entry?.status.published_node_ids).to.deep.equal([]);
  });
});
