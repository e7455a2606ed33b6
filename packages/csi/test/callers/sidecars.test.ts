import { expect } from 'chai';
import { gate, refusal } from '@volplane/testkit';
import { CsiClient } from '../support/csi-client.js';
import { block, CsiWorld, MIB, mount } from '../support/csi-world.js';

/** What the sidecars of Kubernetes' controllers and nodes do to a plugin. */
describe('csi as the sidecars of kubernetes call it', () => {
  let world: CsiWorld;
  beforeEach(async () => {
    world = await CsiWorld.open();
  });
  afterEach(async () => {
    await world.close();
  });

  const RWO = mount(7);

  describe('a sidecar', () => {
    it('that starts before the control plane waits by Probe, then learns every capability', async () => {
      const late = await CsiWorld.open({ withNode: false });
      try {
        late.cluster.fail('listDrivers', refusal('NO_MANAGER'));
        expect((await late.call('Probe')).ready?.value).to.equal(false);
        let ready = false;
        while (!ready) ready = (await late.call('Probe')).ready?.value === true;
        expect((await late.call('ControllerGetCapabilities')).capabilities.map(({ rpc }) => rpc.type)).to.include.members([1, 2, 5, 9]);
      } finally {
        await late.close();
      }
    });

    it('keeps its long connection while kubelet comes and goes', async () => {
      await world.call('Probe');
      for (let round = 0; round < 20; round += 1) {
        const kubelet = new CsiClient(world.server.path);
        await kubelet.call('NodeGetCapabilities', {});
        kubelet.close();
      }
      await world.call('Probe');
    });

    it('livenessprobe is answered while the control plane hangs', async () => {
      const hanging = gate();
      const late = await CsiWorld.open({ withNode: false, hangingDrivers: hanging.opened });
      try {
        for (let round = 0; round < 5; round += 1)
          expect((await late.call('Probe', {}, { timeoutMs: 30_000 })).ready?.value).to.equal(false);
      } finally {
        hanging.open();
        await late.close();
      }
    });

    it('node-driver-registrar gets the name although nothing else is there yet', async () => {
      world.cluster.fail('listDrivers', refusal('NO_MANAGER'), 1_000);
      expect((await world.call('GetPluginInfo', {}, { timeoutMs: 30_000 })).name).to.equal('csi.volplane.io');
    });
  });

  describe('the provisioner', () => {
    const request = {
      name: 'pvc-8f6b1c2e-0d9a-4d6e-9a3f-0123456789ab',
      capacity_range: { required_bytes: 10 * MIB },
      volume_capabilities: [mount(7, { fs_type: 'ext4' })],
    };

    it('with --extra-create-metadata finds the claim in the labels of the volume', async () => {
      const parameters = {
        'csi.storage.k8s.io/pvc/name': 'data',
        'csi.storage.k8s.io/pvc/namespace': 'shop',
        'csi.storage.k8s.io/pv/name': request.name,
      };
      await world.call('CreateVolume', { ...request, parameters });
      expect(world.cluster.find(request.name)?.labels).to.deep.equal(parameters);
    });

    it('that repeats itself within milliseconds makes one volume', async () => {
      const answers = await Promise.all(Array.from({ length: 8 }, () => world.call('CreateVolume', request, { timeoutMs: 10_000 })));
      expect(new Set(answers.map(({ volume }) => volume.volume_id)).size).to.equal(1);
      expect(world.cluster.volumes.size).to.equal(1);
    });

    it('gets at least the capacity that it asked for', async () => {
      const { volume } = await world.call('CreateVolume', request);
      expect(Number(volume.capacity_bytes)).to.be.at.least(10 * MIB);
    });

    it('with WaitForFirstConsumer gets a local volume on the node where the pod waits', async () => {
      const on = (node: string): object => ({
        segments: { 'csi.volplane.io/node': node, 'csi.volplane.io/zone': node === 'n1' ? 'a' : 'b' },
      });
      const requirement = { requisite: [on('n1'), on('n2')], preferred: [on('n2'), on('n1')] };
      const { volume } = await world.call('CreateVolume', {
        ...request,
        parameters: { driver: 'local' },
        accessibility_requirements: requirement,
      });
      expect(volume.accessible_topology).to.deep.equal([{ segments: { 'csi.volplane.io/node': 'n2' } }]);
    });

    it('hears RESOURCE_EXHAUSTED for a full node, so that the pod goes elsewhere', async () => {
      world.cluster.node('n2').capacityBytes = MIB;
      const requirement = {
        requisite: [{ segments: { 'csi.volplane.io/node': 'n2' } }],
        preferred: [{ segments: { 'csi.volplane.io/node': 'n2' } }],
      };
      await world.refused('RESOURCE_EXHAUSTED', 'CreateVolume', {
        ...request,
        parameters: { driver: 'local' },
        accessibility_requirements: requirement,
      });
    });

    it('deletes what does not name the source that it asked for: restored and cloned volumes name it', async () => {
      const source = await world.createVolume('source');
      const snapshot = await world.createSnapshot('snapshot', source);
      for (const [name, wanted] of [
        ['restored', { snapshot: { snapshot_id: snapshot.snapshot_id } }],
        ['cloned', { volume: { volume_id: source.volume_id } }],
      ] as const) {
        const { volume } = await world.call('CreateVolume', { ...request, name, volume_content_source: wanted });
        expect(volume.content_source).to.deep.include(wanted);
        expect(Number(volume.capacity_bytes)).to.be.at.least(10 * MIB);
      }
    });

    it('undoes a create of unknown outcome, and the name is free again', async () => {
      world.cluster.fail('createVolume', refusal('UNKNOWN_OUTCOME'));
      await world.refused('UNAVAILABLE', 'CreateVolume', request);
      const { volume } = await world.call('CreateVolume', request);
      await world.call('DeleteVolume', { volume_id: volume.volume_id });
      expect((await world.call('CreateVolume', request)).volume.volume_id).to.not.equal(volume.volume_id);
    });

    it('with --enable-capacity asks for each segment of the topology and class (storageCapacity)', async () => {
      world.cluster.node('n1').capacityBytes = 100 * MIB;
      world.cluster.node('n2').capacityBytes = 50 * MIB;
      const room = async (segments: object, more: object = {}): Promise<string> =>
        (await world.call('GetCapacity', { accessible_topology: { segments }, parameters: { driver: 'local' }, ...more }))
          .available_capacity;
      expect(await room({ 'csi.volplane.io/node': 'n2' })).to.equal(String(50 * MIB));
      expect(await room({ 'csi.volplane.io/zone': 'a' })).to.equal(String(100 * MIB));
      expect(await room({ 'csi.volplane.io/zone': 'moon' })).to.equal('0');
      expect(await room({ 'csi.volplane.io/node': 'n2' }, { parameters: { driver: 'plain' }, volume_capabilities: [block()] })).to.equal(
        '0',
      );
    });

    it('hears UNAVAILABLE when the outcome is unknown, never a final failure', async () => {
      for (const reason of ['UNKNOWN_OUTCOME', 'DEADLINE_EXCEEDED', 'NO_MANAGER', 'STORE_UNAVAILABLE'] as const) {
        world.cluster.fail('createVolume', refusal(reason));
        await world.refused('UNAVAILABLE', 'CreateVolume', request);
      }
    });
  });

  describe('the attacher', () => {
    it('detaches a volume that is gone, and from a node that is gone', async () => {
      const volume = await world.createVolume('v1');
      await world.call('ControllerUnpublishVolume', { volume_id: volume.volume_id, node_id: 'removed-node' });
      await world.call('DeleteVolume', { volume_id: volume.volume_id });
      await world.call('ControllerUnpublishVolume', { volume_id: volume.volume_id, node_id: 'n1' });
    });

    it('sends the provisioner’s own key in the volume context, which the plugin never returned', async () => {
      const volume = await world.createVolume('v1');
      expect(volume.volume_context).to.deep.equal({});
      await world.call('ControllerPublishVolume', {
        volume_id: volume.volume_id,
        node_id: 'n1',
        volume_capability: RWO,
        volume_context: { 'storage.kubernetes.io/csiProvisionerIdentity': '1795-csi.volplane.io' },
      });
    });

    it('finds in ListVolumes where each volume is', async () => {
      const volume = await world.createVolume('v1');
      await world.call('ControllerPublishVolume', { volume_id: volume.volume_id, node_id: 'n2', volume_capability: RWO });
      const { entries } = await world.call('ListVolumes');
      expect(entries[0]?.status.published_node_ids).to.deep.equal(['n2']);
    });
  });

  it('the resizer is told that kubelet has nothing left to do', async () => {
    const volume = await world.createVolume('v1');
    const answer = await world.call('ControllerExpandVolume', {
      volume_id: volume.volume_id,
      capacity_range: { required_bytes: 32 * MIB },
    });
    expect(answer.node_expansion_required).to.equal(false);
  });

  it('the resizer modifies by a VolumeAttributesClass, again and again, and hears INVALID_ARGUMENT of what cannot be', async () => {
    const { volume_id } = await world.createVolume('v1');
    const modify = { volume_id, mutable_parameters: { 'label/tier': 'gold', takeover: 'lease' } };
    for (let round = 0; round < 3; round += 1) await world.call('ControllerModifyVolume', modify);
    expect(world.cluster.find('v1')).to.deep.include({ labels: { tier: 'gold' }, takeover: 'lease' });
    await world.refused('INVALID_ARGUMENT', 'ControllerModifyVolume', { volume_id, mutable_parameters: { iops: '3000' } });
  });

  it('the snapshotter repeats CreateSnapshot until it is ready and gets one snapshot', async () => {
    const volume = await world.createVolume('v1');
    const ids = await Promise.all(Array.from({ length: 4 }, () => world.createSnapshot('snapshot-1', volume)));
    expect(new Set(ids.map((snapshot) => snapshot.snapshot_id)).size).to.equal(1);
  });

  it('the snapshotter finds snapshots that were there before it by their ids', async () => {
    const made = await world.createSnapshot('old', await world.createVolume('v1'));
    const { entries } = await world.call('ListSnapshots', { snapshot_id: made.snapshot_id });
    expect(entries.map(({ snapshot }) => snapshot)).to.deep.equal([made]);
    expect((await world.call('GetSnapshot', { snapshot_id: made.snapshot_id })).snapshot).to.deep.equal(made);
  });

  it('the external health monitor finds volumes of nodes that are gone', async () => {
    const volume = await world.createVolume('v1');
    await world.call('ControllerPublishVolume', { volume_id: volume.volume_id, node_id: 'n2', volume_capability: mount() });
    expect((await world.call('ControllerListVolumeHealth')).entries).to.deep.equal([]);
    world.cluster.node('n2').state = 'gone';
    const { entries } = await world.call('ControllerListVolumeHealth');
    expect(entries.map(({ volume_id, health_statuses }) => [volume_id, health_statuses[0]?.reason])).to.deep.equal([
      [volume.volume_id, 'HolderGone'],
    ]);
    const one = await world.call('ControllerGetVolumeHealth', { volume_id: volume.volume_id });
    expect(one.volume_health).to.deep.equal(entries[0]);
  });
});
