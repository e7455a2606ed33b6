import { lstat, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { systemClock } from '@volplane/base';
import { findMount, systemMounts } from '@volplane/host';
import { hasTool, isRoot, mountsBelow, waitFor } from '@volplane/testkit';
import { CsiCluster, IMAGES } from './support/csi-cluster.js';
import { MIB, refusalOf, SINGLE, VolumeUser } from './support/volume-user.js';

/** The CSI door of real managers and agents, with real etcd, NATS and images: what crosses processes and crashes. */
describe('csi services', () => {
  let cluster: CsiCluster;
  let user: VolumeUser;
  before(async function () {
    if (!isRoot() || !(await hasTool('mkfs.ext4')) || !(await hasTool('mkfs.xfs'))) this.skip();
    cluster = await CsiCluster.start({
      nodes: ['n1', 'n2'],
      driver: 'image',
      drivers: [IMAGES, { kind: 'image', name: 'disks', root: 'FOLDER/disks-NODE', scope: 'local' }],
      agentArgs: ['--csi-controller=true', '--labels=zone=NODE', '--csi-topology=zone'],
      managerArgs: ['--csi-topology=zone'],
    });
    user = new VolumeUser(cluster);
  });
  after(async () => {
    // Skipped suites have none.
    await (cluster as CsiCluster | undefined)?.stop();
  });

  it('serve Identity, Controller and Node on the one socket of an agent', async () => {
    const all = cluster.node('n1');
    const { capabilities } = await all.call('GetPluginCapabilities', {});
    expect(capabilities.map(({ service }) => service?.type)).to.include(1);
    const request = { name: 'one-socket', volume_capabilities: [SINGLE.volume_capability], capacity_range: { required_bytes: 16 * MIB } };
    const { volume } = await all.call('CreateVolume', request);
    const { node_id } = await all.call('NodeGetInfo', {});
    await all.call('ControllerPublishVolume', { volume_id: volume.volume_id, node_id, ...SINGLE });
    const { entries } = await all.call('ListVolumes', {});
    expect(entries.find((entry) => entry.volume.volume_id === volume.volume_id)?.status.published_node_ids).to.deep.equal(['n1']);
    await user.detach({ volume_id: volume.volume_id });
    await all.call('DeleteVolume', { volume_id: volume.volume_id });
  });

  it('carry read-only, mount flags and the group of the pod down to the kernel', async () => {
    const id = await user.create('flags');
    const mount = { mount_flags: ['noexec', 'nosuid', 'noatime'], volume_mount_group: '4711' };
    const grouped = { volume_capability: { mount, access_mode: { mode: 1 } } };
    await user.publish(id, 'flags', 'n1', grouped);
    const { gid, mode } = await stat(user.target('flags'));
    expect({ gid, isGroupKept: (mode & 0o2070) === 0o2070 }).to.deep.equal({ gid: 4711, isGroupKept: true });
    const entry = findMount(await systemMounts(systemClock).table(), user.target('flags'));
    expect(entry?.options).to.include.members(['rw', ...mount.mount_flags]);
    const more = { ...id, staging_target_path: join(cluster.folder, 'staging', 'flags'), target_path: user.target('reader') };
    await cluster.node('n1').call('NodePublishVolume', { ...more, readonly: true, ...SINGLE });
    const failed = await writeFile(join(user.target('reader'), 'file'), 'no').catch((error: unknown) => error);
    expect(failed).to.have.property('code', 'EROFS');
    await cluster.node('n1').call('NodeUnpublishVolume', { ...id, target_path: user.target('reader') });
    await user.unpublish(id, 'flags');
    await user.delete(id);
  });

  it('tell capacity, sizes and places that are those of the storage', async () => {
    const whole = await cluster.controller().call('GetCapacity', {});
    expect(Number(whole.available_capacity)).to.be.above(MIB);
    const nowhere = await cluster
      .controller()
      .call('GetCapacity', { accessible_topology: { segments: { 'csi.volplane.io/zone': 'elsewhere' } } });
    expect(nowhere.available_capacity).to.equal('0');
    const { accessible_topology } = await cluster.node('n2').call('NodeGetInfo', {});
    expect(accessible_topology.segments).to.deep.equal({ 'csi.volplane.io/node': 'n2', 'csi.volplane.io/zone': 'n2' });
  });

  it('make a local volume where the pod waits, reachable from that node alone, as its copies are', async () => {
    const on = (node: string): object => ({ segments: { 'csi.volplane.io/node': node, 'csi.volplane.io/zone': node } });
    const waiting = { requisite: [on('n1'), on('n2')], preferred: [on('n2'), on('n1')] };
    const local = {
      parameters: { driver: 'disks' },
      volume_capabilities: [SINGLE.volume_capability],
      capacity_range: { required_bytes: 16 * MIB },
    };
    const { volume } = await cluster.controller().call('CreateVolume', { name: 'near', ...local, accessibility_requirements: waiting });
    const only2 = [{ segments: { 'csi.volplane.io/node': 'n2' } }];
    expect(volume.accessible_topology).to.deep.equal(only2);
    const id = { volume_id: volume.volume_id };
    const refused = await refusalOf(user.attach(id, 'n1'));
    expect(refused.code).to.equal('FAILED_PRECONDITION');
    expect(refused.message).to.contain('lives on node n2');
    await user.publish(id, 'near', 'n2');
    const { entries } = await cluster.controller().call('ListVolumes', {});
    expect(entries.find((entry) => entry.volume.volume_id === volume.volume_id)?.status.published_node_ids).to.deep.equal(['n2']);
    const { snapshot } = await cluster.controller().call('CreateSnapshot', { name: 'near-1', source_volume_id: volume.volume_id });
    const from = { volume_content_source: { snapshot: { snapshot_id: snapshot.snapshot_id } } };
    const copy = await cluster.controller().call('CreateVolume', { name: 'near-copy', ...local, ...from });
    expect(copy.volume.accessible_topology).to.deep.equal(only2);
    await user.unpublish(id, 'near', 'n2');
    await user.delete({ volume_id: copy.volume.volume_id });
    await cluster.controller().call('DeleteSnapshot', { snapshot_id: snapshot.snapshot_id });
    await user.delete(id);
  });

  it('snapshot, restore, grow and clone what was written', async () => {
    // xfs grows while it is mounted wherever it may be mounted at all; ext4 wants CAP_SYS_RESOURCE for it.
    const xfs = { parameters: { fs: 'xfs' } };
    const id = await user.create('data', { ...xfs, capacity_range: { required_bytes: 300 * MIB } });
    await user.publish(id, 'data');
    await writeFile(join(user.target('data'), 'file'), 'before');
    const { snapshot } = await cluster.controller().call('CreateSnapshot', { name: 'snap', source_volume_id: id.volume_id });
    await writeFile(join(user.target('data'), 'file'), 'after');
    const restored = await user.create('restored', {
      volume_content_source: { snapshot: { snapshot_id: snapshot.snapshot_id } },
      ...xfs,
      capacity_range: { required_bytes: 400 * MIB },
    });
    await user.publish(restored, 'restored');
    expect(await readFile(join(user.target('restored'), 'file'), 'utf8')).to.equal('before');
    const path = { ...restored, volume_path: user.target('restored') };
    const [before] = (await cluster.node('n1').call('NodeGetVolumeStats', path)).usage;
    expect(Number(before?.total)).to.be.above(320 * MIB);
    await cluster.controller().call('ControllerExpandVolume', { ...restored, capacity_range: { required_bytes: 600 * MIB } });
    const [after] = (await cluster.node('n1').call('NodeGetVolumeStats', path)).usage;
    expect(Number(after?.total)).to.be.above(500 * MIB);
    for (const [one, name] of [[restored, 'restored'] as const, [id, 'data'] as const]) await user.unpublish(one, name);
    const clone = await user.create('clone', { ...xfs, volume_content_source: { volume: id }, capacity_range: null });
    await user.publish(clone, 'clone');
    expect(await readFile(join(user.target('clone'), 'file'), 'utf8')).to.equal('after');
    await user.unpublish(clone, 'clone');
    await cluster.controller().call('DeleteSnapshot', { snapshot_id: snapshot.snapshot_id });
    for (const one of [id, restored, clone]) await user.delete(one);
  });

  it('hand out a block device at a file', async () => {
    const capability = { volume_capability: { block: {}, access_mode: { mode: 1 } } };
    const id = await user.create('disk', { volume_capabilities: [capability.volume_capability] });
    await cluster.controller().call('ControllerPublishVolume', { ...id, node_id: 'n1', ...capability });
    await cluster.node('n1').call('NodePublishVolume', { ...id, target_path: user.target('disk'), ...capability });
    expect((await lstat(user.target('disk'))).isBlockDevice()).to.equal(true);
    const { usage } = await cluster.node('n1').call('NodeGetVolumeStats', { ...id, volume_path: user.target('disk') });
    expect(usage[0]?.total).to.equal(String(16 * MIB));
    await cluster.node('n1').call('NodeUnpublishVolume', { ...id, target_path: user.target('disk') });
    await user.detach(id);
    await user.delete(id);
  });

  it('log no secret of a request, answered or refused', async () => {
    const secrets = { password: 'hunter2-in-secrets' };
    const id = await user.create('secretive', { secrets });
    await user.publish(id, 'secretive', 'n1', { ...SINGLE, secrets });
    const refused = await refusalOf(user.create('secretive', { secrets, parameters: { flavour: 'x' } }));
    expect(refused.message).to.not.contain(secrets.password);
    await user.unpublish(id, 'secretive');
    await cluster.controller().call('DeleteVolume', { ...id, secrets });
    for (const process of ['manager', 'n1']) {
      const log = await readFile(join(cluster.folder, `${process}.log`), 'utf8');
      expect(log.length, 'it logs every detail').to.be.above(1_000);
      expect(log).to.not.contain(secrets.password);
    }
  });

  it('end uses on a node while no manager is there', async () => {
    const id = await user.create('cutoff');
    await user.publish(id, 'cutoff');
    await cluster.kill('manager');
    await user.leaveNode(id, 'cutoff');
    expect(await mountsBelow(join(cluster.folder, 'pods', 'cutoff'))).to.deep.equal([]);
    await cluster.startManager();
    await waitFor(async () => (await cluster.controller().call('Probe', {})).ready?.value, { what: 'the controller is back' });
    await user.detach(id);
    await user.delete(id);
  });

  it('go on after a killed agent: the socket it left is taken over, targets stay, and every call may be repeated', async () => {
    const id = await user.create('crash');
    await user.publish(id, 'crash');
    await writeFile(join(user.target('crash'), 'file'), 'data');
    await cluster.kill('n1');
    await cluster.startAgent('n1');
    expect(await readFile(join(user.target('crash'), 'file'), 'utf8')).to.equal('data');
    await waitFor(
      async () => {
        await user.publish(id, 'crash');
        return true;
      },
      { what: 'the node takes its volume again' },
    );
    await user.unpublish(id, 'crash');
    await user.delete(id);
  });
});
