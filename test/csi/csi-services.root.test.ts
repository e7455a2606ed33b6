import { lstat, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { hasTool, isRoot, mountsBelow, waitFor } from '@volplane/testkit';
import { CsiRefusal } from '../../packages/csi/test/support/csi-client.js';
import { callPlugin } from '../../packages/docker-plugin/test/plugin-client.js';
import { CsiCluster } from './support/csi-cluster.js';

const MIB = 2 ** 20;
const CALL = { signal: new AbortController().signal, timeoutMs: 20_000 };
const CAPABILITY = { volume_capability: { mount: {}, access_mode: { mode: 1 } } };

/** The CSI door of real managers and agents, with real etcd, NATS and images: what crosses doors, processes and crashes. */
describe('csi services', () => {
  let cluster: CsiCluster;
  before(async function () {
    if (!isRoot() || !(await hasTool('mkfs.ext4')) || !(await hasTool('mkfs.xfs'))) this.skip();
    cluster = await CsiCluster.start({
      nodes: ['n1', 'n2'],
      driver: 'image',
      drivers: [{ kind: 'image', name: 'image', root: 'FOLDER', scope: 'global', unguarded: true }],
      agentArgs: ['--docker-plugins=FOLDER/plugins-NODE', '--docker-engines='],
    });
  });
  after(async () => {
    // Skipped suites have none.
    await (cluster as CsiCluster | undefined)?.stop();
  });

  async function create(name: string, more: object = {}): Promise<{ readonly volume_id: string }> {
    const wanted = { volume_capabilities: [CAPABILITY.volume_capability], capacity_range: { required_bytes: 16 * MIB } };
    const { volume } = await cluster.controller().call('CreateVolume', { name, ...wanted, ...more });
    return { volume_id: volume.volume_id };
  }

  function target(name: string): string {
    return join(cluster.folder, 'pods', name, 'mount');
  }

  async function publish(id: { readonly volume_id: string }, name: string): Promise<void> {
    await cluster.controller().call('ControllerPublishVolume', { ...id, node_id: 'n1', ...CAPABILITY });
    const staged = { ...id, staging_target_path: join(cluster.folder, 'staging', name), ...CAPABILITY };
    await cluster.node('n1').call('NodeStageVolume', staged);
    await cluster.node('n1').call('NodePublishVolume', { ...staged, target_path: target(name) });
  }

  async function unpublish(id: { readonly volume_id: string }, name: string): Promise<void> {
    await leaveNode(id, name);
    await repeated('ControllerUnpublishVolume', () => cluster.controller().call('ControllerUnpublishVolume', { ...id, node_id: 'n1' }));
  }

  async function leaveNode(id: { readonly volume_id: string }, name: string): Promise<void> {
    const node = cluster.node('n1');
    const staging = { staging_target_path: join(cluster.folder, 'staging', name) };
    await repeated('NodeUnpublishVolume', () => node.call('NodeUnpublishVolume', { ...id, target_path: target(name) }));
    await repeated('NodeUnstageVolume', () => node.call('NodeUnstageVolume', { ...id, ...staging }));
  }

  /** As orchestrators do: a volume is busy while a process that was just started still has a copy of all mounts. */
  async function repeated(method: string, call: () => Promise<unknown>): Promise<void> {
    await waitFor(async () => (await call()) !== undefined, { what: `${method} is answered` });
  }

  async function refusal(work: Promise<unknown>): Promise<CsiRefusal> {
    try {
      await work;
    } catch (error) {
      if (error instanceof CsiRefusal) return error;
      throw error;
    }
    return expect.fail('the call was not refused');
  }

  it('make one volume that every door sees once, and that one holder keeps from all others', async () => {
    const id = await create('one');
    const seen = await cluster.agent('n2').listVolumes({ filter: { names: ['one'] } }, CALL);
    expect(seen.volumes.map((view) => view.name)).to.deep.equal(['one']);
    await publish(id, 'one');
    await writeFile(join(target('one'), 'greeting'), 'hello');
    const docker = join(cluster.folder, 'shared', 'plugins-n2', 'volplane.sock');
    const mounted = await callPlugin(docker, 'VolumeDriver.Mount', { Name: 'one', ID: 'c'.repeat(64) });
    expect(mounted.body['Err']).to.contain('n1').and.contain('VOLUME_HELD');
    await unpublish(id, 'one');
    const again = await callPlugin(docker, 'VolumeDriver.Mount', { Name: 'one', ID: 'c'.repeat(64) });
    expect(again.body['Err'] ?? '').to.equal('');
    expect(await readFile(join(String(again.body['Mountpoint']), 'greeting'), 'utf8')).to.equal('hello');
    const refused = await refusal(cluster.controller().call('ControllerPublishVolume', { ...id, node_id: 'n1', ...CAPABILITY }));
    expect(refused.code).to.equal('FAILED_PRECONDITION');
    expect(refused.message).to.contain('n2');
    await callPlugin(docker, 'VolumeDriver.Unmount', { Name: 'one', ID: 'c'.repeat(64) });
    const other = cluster.agent('n2');
    await other.mountVolume({ name: 'one', mountId: 'by-grpc' }, CALL);
    await refusal(cluster.controller().call('ControllerPublishVolume', { ...id, node_id: 'n1', ...CAPABILITY }));
    await other.unmountVolume({ name: 'one', mountId: 'by-grpc' }, CALL);
    await cluster.controller().call('DeleteVolume', id);
  });

  it('snapshot, restore, grow and clone what was written', async () => {
    // xfs grows while it is mounted wherever it may be mounted at all; ext4 wants CAP_SYS_RESOURCE for it.
    const xfs = { parameters: { fs: 'xfs' } };
    const id = await create('data', { ...xfs, capacity_range: { required_bytes: 300 * MIB } });
    await publish(id, 'data');
    await writeFile(join(target('data'), 'file'), 'before');
    const { snapshot } = await cluster.controller().call('CreateSnapshot', { name: 'snap', source_volume_id: id.volume_id });
    await writeFile(join(target('data'), 'file'), 'after');
    const restored = await create('restored', {
      volume_content_source: { snapshot: { snapshot_id: snapshot.snapshot_id } },
      ...xfs,
      capacity_range: { required_bytes: 400 * MIB },
    });
    await publish(restored, 'restored');
    expect(await readFile(join(target('restored'), 'file'), 'utf8')).to.equal('before');
    const path = { ...restored, volume_path: target('restored') };
    const [before] = (await cluster.node('n1').call('NodeGetVolumeStats', path)).usage;
    expect(Number(before?.total)).to.be.above(320 * MIB);
    await cluster.controller().call('ControllerExpandVolume', { ...restored, capacity_range: { required_bytes: 600 * MIB } });
    const [after] = (await cluster.node('n1').call('NodeGetVolumeStats', path)).usage;
    expect(Number(after?.total)).to.be.above(500 * MIB);
    for (const [one, name] of [[restored, 'restored'] as const, [id, 'data'] as const]) await unpublish(one, name);
    const clone = await create('clone', { ...xfs, volume_content_source: { volume: id }, capacity_range: null });
    await publish(clone, 'clone');
    expect(await readFile(join(target('clone'), 'file'), 'utf8')).to.equal('after');
    await unpublish(clone, 'clone');
    await cluster.controller().call('DeleteSnapshot', { snapshot_id: snapshot.snapshot_id });
    for (const one of [id, restored, clone]) await cluster.controller().call('DeleteVolume', one);
  });

  it('hand out a block device at a file', async () => {
    const capability = { volume_capability: { block: {}, access_mode: { mode: 1 } } };
    const id = await create('disk', { volume_capabilities: [capability.volume_capability] });
    await cluster.controller().call('ControllerPublishVolume', { ...id, node_id: 'n1', ...capability });
    await cluster.node('n1').call('NodePublishVolume', { ...id, target_path: target('disk'), ...capability });
    expect((await lstat(target('disk'))).isBlockDevice()).to.equal(true);
    const { usage } = await cluster.node('n1').call('NodeGetVolumeStats', { ...id, volume_path: target('disk') });
    expect(usage[0]?.total).to.equal(String(16 * MIB));
    await cluster.node('n1').call('NodeUnpublishVolume', { ...id, target_path: target('disk') });
    await repeated('ControllerUnpublishVolume', () => cluster.controller().call('ControllerUnpublishVolume', { ...id, node_id: 'n1' }));
    await cluster.controller().call('DeleteVolume', id);
  });

  it('end uses on a node while no manager is there', async () => {
    const id = await create('cutoff');
    await publish(id, 'cutoff');
    await cluster.kill('manager');
    await leaveNode(id, 'cutoff');
    expect(await mountsBelow(join(cluster.folder, 'pods', 'cutoff'))).to.deep.equal([]);
    await cluster.startManager();
    await waitFor(async () => (await cluster.controller().call('Probe', {})).ready?.value, { what: 'the controller is back' });
    await repeated('ControllerUnpublishVolume', () => cluster.controller().call('ControllerUnpublishVolume', { ...id, node_id: 'n1' }));
    await cluster.controller().call('DeleteVolume', id);
  });

  it('go on after a killed agent: the socket it left is taken over, targets stay, and every call may be repeated', async () => {
    const id = await create('crash');
    await publish(id, 'crash');
    await writeFile(join(target('crash'), 'file'), 'data');
    await cluster.kill('n1');
    await cluster.startAgent('n1');
    expect(await readFile(join(target('crash'), 'file'), 'utf8')).to.equal('data');
    await waitFor(
      async () => {
        await publish(id, 'crash');
        return true;
      },
      { what: 'the node takes its volume again' },
    );
    await unpublish(id, 'crash');
    await cluster.controller().call('DeleteVolume', id);
  });
});
