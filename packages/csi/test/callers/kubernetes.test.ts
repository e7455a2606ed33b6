import { expect } from 'chai';
import { gate, refusal } from '@volplane/testkit';
import type { WireVolume } from '../../src/messages.js';
import { CsiClient, type Answers, type Method } from '../support/csi-client.js';
import { CsiWorld, MIB, mount } from '../support/csi-world.js';

/** What Kubernetes' sidecars and kubelet do to a plugin. Numbers are issues of kubernetes/kubernetes. */
describe('csi as kubernetes calls it', () => {
  let world: CsiWorld;
  beforeEach(async () => {
    world = await CsiWorld.open();
  });
  afterEach(async () => {
    await world.close();
  });

  /** kubelet opens a connection for every single call. */
  async function kubelet<M extends Method>(method: M, request: object): Promise<Answers[M]> {
    const client = new CsiClient(world.server.path);
    try {
      return await client.call(method, request, { timeoutMs: 120_000 });
    } finally {
      client.close();
    }
  }

  const RWO = mount(7);
  const STAGING = '/var/lib/kubelet/plugins/kubernetes.io/csi/csi.volplane.io/0a1b/globalmount';
  const podPath = (pod: string): string => `/var/lib/kubelet/pods/${pod}/volumes/kubernetes.io~csi/pvc-1/mount`;
  const staged = (volume: WireVolume, capability = RWO): object => ({
    volume_id: volume.volume_id,
    staging_target_path: STAGING,
    volume_capability: capability,
    volume_context: { 'storage.kubernetes.io/csiProvisionerIdentity': '1795-csi.volplane.io' },
  });
  const published = (volume: WireVolume, pod = 'p1', capability = RWO, context: object = {}): object => ({
    ...staged(volume, capability),
    target_path: podPath(pod),
    volume_context: { 'storage.kubernetes.io/csiProvisionerIdentity': '1795-csi.volplane.io', ...context },
  });

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
      for (let round = 0; round < 20; round += 1) await kubelet('NodeGetCapabilities', {});
      await world.call('Probe');
    });

    it('livenessprobe is answered while the control plane hangs', async () => {
      const hanging = gate();
      const late = await CsiWorld.open({ withNode: false, hangingDrivers: hanging.opened });
      try {
        for (let round = 0; round < 5; round += 1)
          expect((await late.call('Probe', {}, { timeoutMs: 3_000 })).ready?.value).to.equal(false);
      } finally {
        hanging.open();
        await late.close();
      }
    });

    it('node-driver-registrar gets the name although nothing else is there yet', async () => {
      world.cluster.fail('listDrivers', refusal('NO_MANAGER'), 1_000);
      expect((await world.call('GetPluginInfo', {}, { timeoutMs: 1_000 })).name).to.equal('csi.volplane.io');
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

  it('the snapshotter repeats CreateSnapshot until it is ready and gets one snapshot', async () => {
    const volume = await world.createVolume('v1');
    const ids = await Promise.all(Array.from({ length: 4 }, () => world.createSnapshot('snapshot-1', volume)));
    expect(new Set(ids.map((snapshot) => snapshot.snapshot_id)).size).to.equal(1);
  });

  describe('access modes of claims', () => {
    const modes = { ReadWriteOnce: 7, ReadWriteOncePod: 6, ReadWriteMany: 5, ReadOnlyMany: 3 };
    for (const [name, mode] of Object.entries(modes)) {
      it(`${name} goes all the way`, async () => {
        const volume = await world.createVolume('v1', { volume_capabilities: [mount(mode)] });
        await world.call('ControllerPublishVolume', { volume_id: volume.volume_id, node_id: 'n1', volume_capability: mount(mode) });
        await kubelet('NodeStageVolume', staged(volume, mount(mode)));
        await kubelet('NodePublishVolume', published(volume, 'p1', mount(mode)));
        expect(world.host.at(podPath('p1'))?.options).to.deep.equal([name === 'ReadOnlyMany' ? 'ro' : 'rw']);
      });
    }

    it('ReadWriteOnce is shared by the pods of one node', async () => {
      const volume = await world.createVolume('v1', { volume_capabilities: [RWO] });
      await kubelet('NodeStageVolume', staged(volume));
      await kubelet('NodePublishVolume', published(volume, 'p1'));
      await kubelet('NodePublishVolume', published(volume, 'p2'));
    });

    it('ReadWriteOnce without SINGLE_NODE_MULTI_WRITER is too', async () => {
      const volume = await world.createVolume('v1');
      await kubelet('NodeStageVolume', staged(volume, mount(1)));
      await kubelet('NodePublishVolume', published(volume, 'p1', mount(1)));
      await kubelet('NodePublishVolume', published(volume, 'p2', mount(1)));
    });
  });

  describe('kubelet', () => {
    it('goes through the whole life of a volume, with a new connection for each call', async () => {
      const volume = await world.createVolume('v1', { volume_capabilities: [RWO] });
      await world.call('ControllerPublishVolume', { volume_id: volume.volume_id, node_id: 'n1', volume_capability: RWO });
      await kubelet('NodeGetCapabilities', {});
      await kubelet('NodeStageVolume', staged(volume));
      await kubelet('NodePublishVolume', published(volume));
      await kubelet('NodeGetVolumeStats', { volume_id: volume.volume_id, volume_path: podPath('p1'), staging_target_path: STAGING });
      const place = { volume_path: podPath('p1'), staging_target_path: STAGING };
      await kubelet('NodeExpandVolume', { volume_id: volume.volume_id, ...place, capacity_range: { required_bytes: 32 * MIB } });
      await kubelet('NodeUnpublishVolume', { volume_id: volume.volume_id, target_path: podPath('p1') });
      await kubelet('NodeUnstageVolume', { volume_id: volume.volume_id, staging_target_path: STAGING });
      await world.call('ControllerUnpublishVolume', { volume_id: volume.volume_id, node_id: 'n1' });
      await world.call('DeleteVolume', { volume_id: volume.volume_id });
      expect(world.cluster.volumes.size).to.equal(0);
      expect(world.host.mounts).to.have.length(1);
    });

    it('publishes again with new tokens of the pod (requiresRepublish) and finds nothing to do', async () => {
      const volume = await world.createVolume('v1', { volume_capabilities: [RWO] });
      const tokens = (value: string): object => ({
        'csi.storage.k8s.io/pod.name': 'web',
        'csi.storage.k8s.io/ephemeral': 'false',
        'csi.storage.k8s.io/serviceAccount.tokens': value,
      });
      await kubelet('NodePublishVolume', published(volume, 'p1', RWO, tokens('one')));
      await kubelet('NodePublishVolume', published(volume, 'p1', RWO, tokens('two')));
      expect(world.uses(volume)).to.have.length(1);
    });

    it('106902: detaches although unstaging failed; nobody uses the volume, so it is released', async () => {
      const volume = await world.createVolume('v1', { volume_capabilities: [RWO] });
      await world.call('ControllerPublishVolume', { volume_id: volume.volume_id, node_id: 'n1', volume_capability: RWO });
      await kubelet('NodeStageVolume', staged(volume));
      await world.call('ControllerUnpublishVolume', { volume_id: volume.volume_id, node_id: 'n1' });
      expect(world.cluster.find('v1')?.held.size).to.equal(0);
      await world.call('ControllerPublishVolume', { volume_id: volume.volume_id, node_id: 'n2', volume_capability: RWO });
    });

    it('106902: detaches by force while a pod still has the target; the volume stays until the target is gone', async () => {
      const volume = await world.createVolume('v1', { volume_capabilities: [RWO] });
      await world.publish(volume, podPath('p1'), { volume_capability: mount(1) });
      await world.refused('FAILED_PRECONDITION', 'ControllerUnpublishVolume', { volume_id: volume.volume_id, node_id: 'n1' });
      await world.refused('FAILED_PRECONDITION', 'ControllerPublishVolume', {
        volume_id: volume.volume_id,
        node_id: 'n2',
        volume_capability: RWO,
      });
      await kubelet('NodeUnpublishVolume', { volume_id: volume.volume_id, target_path: podPath('p1') });
      await world.call('ControllerUnpublishVolume', { volume_id: volume.volume_id, node_id: 'n1' });
    });

    it('94108, 94745: deletes before unstaging; what is only staged goes, what is published stays', async () => {
      const idle = await world.createVolume('idle');
      await kubelet('NodeStageVolume', staged(idle, mount(1)));
      await world.call('DeleteVolume', { volume_id: idle.volume_id });
      await kubelet('NodeUnstageVolume', { volume_id: idle.volume_id, staging_target_path: STAGING });
      const used = await world.createVolume('used');
      await world.publish(used);
      await world.refused('FAILED_PRECONDITION', 'DeleteVolume', { volume_id: used.volume_id });
    });

    it('106729, 100182: publishes after a failed unstage without staging again, and the pod starts', async () => {
      const volume = await world.createVolume('v1', { volume_capabilities: [RWO] });
      await kubelet('NodeStageVolume', staged(volume));
      await kubelet('NodeUnstageVolume', { volume_id: volume.volume_id, staging_target_path: STAGING });
      await kubelet('NodePublishVolume', published(volume));
      expect(world.host.at(podPath('p1'))).to.not.equal(undefined);
    });

    it('86360, 121357: stages and unstages at the same moment, and the volume is whole afterwards', async () => {
      const volume = await world.createVolume('v1', { volume_capabilities: [RWO] });
      const calls = Array.from({ length: 6 }, (_, index) =>
        index % 2 === 0
          ? kubelet('NodeStageVolume', staged(volume))
          : kubelet('NodeUnstageVolume', { volume_id: volume.volume_id, staging_target_path: STAGING }),
      );
      await Promise.all(calls);
      await kubelet('NodeStageVolume', staged(volume));
      await kubelet('NodePublishVolume', published(volume));
      await kubelet('NodeUnpublishVolume', { volume_id: volume.volume_id, target_path: podPath('p1') });
      await kubelet('NodeUnstageVolume', { volume_id: volume.volume_id, staging_target_path: STAGING });
      expect(world.uses(volume)).to.deep.equal([]);
    });

    it('unpublishes after a restart a target of a volume that is gone, and the target goes', async () => {
      const volume = await world.createVolume('v1', { volume_capabilities: [RWO] });
      await kubelet('NodePublishVolume', published(volume));
      world.cluster.volumes.clear();
      await kubelet('NodeUnpublishVolume', { volume_id: volume.volume_id, target_path: podPath('p1') });
      expect(world.host.at(podPath('p1'))).to.equal(undefined);
    });
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
