import { expect } from 'chai';
import { fakeApi, gate } from '@volplane/testkit';
import type { WireVolume } from '../../src/messages.js';
import { CsiClient, CsiRefusal, type Answers, type Method } from '../support/csi-client.js';
import { block, CsiWorld, MIB, mount } from '../support/csi-world.js';

/** What kubelet does to a plugin; its sidecars: sidecars.test.ts. Numbers are issues of kubernetes/kubernetes. */
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

    it('deletes nothing that another door uses as well, and leaves its own use beside that', async () => {
      const volume = await world.createVolume('shared-use');
      await world.publish(volume, '/pods/p9/mount');
      await world.call('NodeUnpublishVolume', { volume_id: volume.volume_id, target_path: '/pods/p9/mount' });
      const [name = ''] = volume.volume_id.split(':');
      await fakeApi(world.cluster, 'n1').mountVolume({ name, node: 'n1', mountId: 'docker:c1' }, CONTEXT);
      const before = world.uses(volume);
      await world.refused('FAILED_PRECONDITION', 'DeleteVolume', { volume_id: volume.volume_id });
      expect(world.uses(volume)).to.deep.equal(before);
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

    it('hands the fsGroup of a pod over as volume_mount_group, and the files belong to it', async () => {
      const grouped = mount(7, { volume_mount_group: '2000' });
      const volume = await world.createVolume('v1', { volume_capabilities: [RWO] });
      await kubelet('NodeStageVolume', staged(volume, grouped));
      await kubelet('NodePublishVolume', published(volume, 'p1', grouped));
      expect(world.host.groups.get(podPath('p1'))).to.equal(2000);
    });

    it('publishes a block volume at a file', async () => {
      const raw = block(7);
      const volume = await world.createVolume('v1', { volume_capabilities: [raw] });
      const file = '/var/lib/kubelet/plugins/kubernetes.io/csi/volumeDevices/publish/pvc-1/p1';
      await kubelet('NodeStageVolume', staged(volume, raw));
      await kubelet('NodePublishVolume', { ...published(volume, 'p1', raw), target_path: file });
      expect(world.host.files.has(file)).to.equal(true);
      await kubelet('NodeUnpublishVolume', { volume_id: volume.volume_id, target_path: file });
      expect(world.host.files.has(file)).to.equal(false);
    });

    it('82917: gives a publish up and unpublishes while the work goes on, and nothing is left behind', async () => {
      const hanging = gate();
      const slow = await CsiWorld.open({ hangingNodeMounts: hanging.opened });
      const late = new CsiClient(slow.server.path);
      try {
        const volume = await slow.createVolume('v1', { volume_capabilities: [RWO] });
        const publish = late.call('NodePublishVolume', published(volume), { timeoutMs: 400 }).catch((error: unknown) => error);
        expect(await publish).to.be.instanceOf(CsiRefusal);
        const unpublish = slow.call('NodeUnpublishVolume', { volume_id: volume.volume_id, target_path: podPath('p1') });
        hanging.open();
        await unpublish;
        expect(slow.host.at(podPath('p1'))).to.equal(undefined);
        expect(slow.uses(volume)).to.deep.equal([]);
      } finally {
        late.close();
        await slow.close();
      }
    });

    it('unpublishes after a restart a target of a volume that is gone, and the target goes', async () => {
      const volume = await world.createVolume('v1', { volume_capabilities: [RWO] });
      await kubelet('NodePublishVolume', published(volume));
      world.cluster.volumes.clear();
      await kubelet('NodeUnpublishVolume', { volume_id: volume.volume_id, target_path: podPath('p1') });
      expect(world.host.at(podPath('p1'))).to.equal(undefined);
    });
  });
});

const CONTEXT = { signal: new AbortController().signal, timeoutMs: 10_000 };
