import { expect } from 'chai';
import { fakeApi, refusal } from '@volplane/testkit';
import type { WireVolume } from '../src/messages.js';
import { mountEntry } from './support/fake-node-host.js';
import { block, CsiWorld, MIB, mount } from './support/csi-world.js';

const TARGET = '/pods/p1/mount';
const OTHER = '/pods/p2/mount';

describe('csi node', () => {
  let world: CsiWorld;
  beforeEach(async () => {
    world = await CsiWorld.open();
  });
  afterEach(async () => {
    await world.close();
  });

  const stage = (volume: WireVolume, capability = mount(), path = '/stage'): object => ({
    volume_id: volume.volume_id,
    staging_target_path: path,
    volume_capability: capability,
  });
  const publish = (volume: WireVolume, target = TARGET, capability = mount(), more: object = {}): object => ({
    ...stage(volume, capability),
    target_path: target,
    ...more,
  });
  const unpublish = (volume: WireVolume, target = TARGET): object => ({ volume_id: volume.volume_id, target_path: target });
  const unstage = (volume: WireVolume, path = '/stage'): object => ({ volume_id: volume.volume_id, staging_target_path: path });

  describe('staging', () => {
    it('holds the volume on the node and makes the folder', async () => {
      const volume = await world.createVolume('v1');
      await world.call('NodeStageVolume', stage(volume));
      expect(world.uses(volume)[0]).to.match(/^csi-stage:.*\/stage$/);
      expect(world.host.folders).to.include('/stage');
    });

    it('again is fine, with another capability ALREADY_EXISTS', async () => {
      const volume = await world.createVolume('v1');
      for (let round = 0; round < 3; round += 1) await world.call('NodeStageVolume', stage(volume));
      expect(world.uses(volume)).to.have.length(1);
      await world.refused('ALREADY_EXISTS', 'NodeStageVolume', stage(volume, mount(1, { mount_flags: ['noatime'] })));
    });

    it('leaves the staging path empty, so that it keeps no file system busy', async () => {
      const volume = await world.createVolume('v1');
      await world.call('NodeStageVolume', stage(volume));
      expect(world.host.at('/stage')).to.equal(undefined);
    });

    it('is undone, and undoing it again is fine', async () => {
      const volume = await world.createVolume('v1');
      await world.call('NodeStageVolume', stage(volume));
      await world.call('NodeUnstageVolume', unstage(volume));
      await world.call('NodeUnstageVolume', unstage(volume));
      expect(world.uses(volume)).to.deep.equal([]);
    });

    it('of a volume that another node holds is refused', async () => {
      const volume = await world.createVolume('v1');
      await world.call('ControllerPublishVolume', { volume_id: volume.volume_id, node_id: 'n2', volume_capability: mount() });
      await world.refused('FAILED_PRECONDITION', 'NodeStageVolume', stage(volume));
    });

    it('what the volume cannot be is FAILED_PRECONDITION', async () => {
      const volume = await world.createVolume('v1');
      for (const wanted of [mount(5), block(), mount(1, { fs_type: 'xfs' }), mount(1, { mount_flags: ['data=journal'] })]) {
        await world.refused('FAILED_PRECONDITION', 'NodeStageVolume', stage(volume, wanted));
      }
    });
  });

  describe('publishing', () => {
    it('shows the volume at the target, and takes the target away again', async () => {
      const volume = await world.createVolume('v1');
      await world.publish(volume);
      expect(world.host.at(TARGET)?.root).to.equal(`/fake/n1/${world.cluster.find('v1')?.uid ?? ''}`);
      expect(world.host.at(TARGET)?.options).to.deep.equal(['rw']);
      await world.call('NodeUnpublishVolume', unpublish(volume));
      await world.call('NodeUnpublishVolume', unpublish(volume));
      expect(world.host.at(TARGET)).to.equal(undefined);
      expect(world.host.folders).to.not.include(TARGET);
      expect(world.uses(volume).some((id) => id.startsWith('csi-publish'))).to.equal(false);
    });

    it('ends the mount before the use: with the use gone the volume may go to another node', async () => {
      const volume = await world.createVolume('v1');
      await world.publish(volume);
      world.cluster.fail('unmountVolume', refusal('NODE_UNAVAILABLE'));
      await world.refused('UNAVAILABLE', 'NodeUnpublishVolume', unpublish(volume));
      expect(world.host.at(TARGET)).to.equal(undefined);
      expect(world.uses(volume)).to.have.length(3);
    });

    it('with mount flags sets them, with readonly makes the mount itself read-only', async () => {
      const volume = await world.createVolume('v1', { volume_capabilities: [mount(5)] });
      await world.call('NodePublishVolume', publish(volume, TARGET, mount(5, { mount_flags: ['noexec', 'noatime', 'rw'] })));
      expect(world.host.at(TARGET)?.options).to.deep.equal(['rw', 'noexec', 'noatime']);
      await world.call('NodePublishVolume', publish(volume, OTHER, mount(5), { readonly: true }));
      expect(world.host.at(OTHER)?.options).to.deep.equal(['ro']);
    });

    for (const mode of [2, 3]) {
      it(`for readers only is read-only without being asked: mode ${mode}`, async () => {
        const volume = await world.createVolume('v1', { volume_capabilities: [mount(5)] });
        await world.call('NodePublishVolume', publish(volume, TARGET, mount(mode)));
        expect(world.host.at(TARGET)?.options).to.deep.equal(['ro']);
        expect(world.cluster.find('v1')?.held.get(world.cluster.node('n1').name)?.mode).to.equal('ro');
      });
    }

    it('shows a block volume at a file', async () => {
      const volume = await world.createVolume('v1', { volume_capabilities: [block()] });
      await world.call('NodePublishVolume', publish(volume, '/pods/p1/dev', block()));
      expect(world.host.files).to.include('/pods/p1/dev');
      expect(world.host.at('/pods/p1/dev')).to.not.equal(undefined);
    });

    it('gives the volume to the mount group, and not when it only reads', async () => {
      const volume = await world.createVolume('v1', { volume_capabilities: [mount(5)] });
      await world.call('NodePublishVolume', publish(volume, TARGET, mount(5, { volume_mount_group: '2000' })));
      await world.call('NodePublishVolume', publish(volume, OTHER, mount(5, { volume_mount_group: '2000' }), { readonly: true }));
      expect([...world.host.groups]).to.deep.equal([[TARGET, 2000]]);
      // The last stands for "no group" in chown(2).
      for (const volume_mount_group of ['staff', '-1', String(2 ** 32 - 1)])
        await world.refused('INVALID_ARGUMENT', 'NodePublishVolume', publish(volume, '/x', mount(5, { volume_mount_group })));
      expect(world.uses(volume)).to.have.length(2);
    });

    it('takes targets as long as the system takes paths, and tells apart those that differ at their beginning alone', async () => {
      const volume = await world.createVolume('v1');
      const tail = `/${'d'.repeat(200)}`.repeat(19);
      for (const target of [`/a${tail}`, `/b${tail}`]) {
        await world.call('NodePublishVolume', publish(volume, target));
        await world.call('NodeGetVolumeStats', { volume_id: volume.volume_id, volume_path: target });
      }
      expect(world.uses(volume)).to.have.length(2);
      await world.refused('INVALID_ARGUMENT', 'NodePublishVolume', publish(volume, `/${'d'.repeat(4096)}`));
      await world.call('NodeUnpublishVolume', { volume_id: volume.volume_id, target_path: `/a${tail}` });
      expect(world.host.at(`/b${tail}`)).to.not.equal(undefined);
      expect(world.uses(volume)).to.have.length(1);
    });

    it('does not mount a second time over what is there', async () => {
      const volume = await world.createVolume('v1');
      for (let round = 0; round < 3; round += 1) await world.call('NodePublishVolume', publish(volume));
      expect(world.host.mounts.filter((entry) => entry.target === TARGET)).to.have.length(1);
    });

    it('puts a writable mount in the place of its own that is read-only', async () => {
      const volume = await world.createVolume('v1');
      await world.call('NodePublishVolume', publish(volume));
      const [shown] = world.host.mounts.splice(-1);
      world.host.mounts.push({ ...(shown ?? mountEntry({})), options: ['ro'] });
      await world.call('NodePublishVolume', publish(volume));
      const here = world.host.mounts.filter((entry) => entry.target === TARGET);
      expect(here.map(({ options }) => options)).to.deep.equal([['rw']]);
    });

    it('over a foreign mount is FAILED_PRECONDITION, and nothing is left behind', async () => {
      const volume = await world.createVolume('v1');
      world.host.mounts.push(mountEntry({ id: 99, target: TARGET, root: '/elsewhere' }));
      await world.refused('FAILED_PRECONDITION', 'NodePublishVolume', publish(volume));
      expect(world.uses(volume)).to.deep.equal([]);
      expect(world.host.at(TARGET)?.id).to.equal(99);
    });

    it('that fails once the volume is shown keeps the use', async () => {
      const volume = await world.createVolume('v1');
      world.host.giveToGroup = () => Promise.reject(refusal('MOUNT_FAILED'));
      const request = publish(volume, TARGET, mount(1, { volume_mount_group: '2000' }));
      await world.refused('FAILED_PRECONDITION', 'NodePublishVolume', request);
      expect(world.host.at(TARGET)).to.not.equal(undefined);
      expect(world.uses(volume)).to.have.length(1);
    });

    it('that cannot be mounted leaves nothing behind', async () => {
      const volume = await world.createVolume('v1');
      world.host.bindFault = refusal('MOUNT_FAILED');
      await world.refused('FAILED_PRECONDITION', 'NodePublishVolume', publish(volume));
      expect(world.uses(volume)).to.deep.equal([]);
    });

    it('of a volume that fails as soon as it is mounted leaves no use behind that would keep it from other nodes', async () => {
      const volume = await world.createVolume('v1');
      world.host.resolveFault = refusal('DRIVER_UNAVAILABLE');
      await world.refused('UNAVAILABLE', 'NodePublishVolume', publish(volume));
      expect(world.uses(volume)).to.deep.equal([]);
    });

    it('again, when the target does not show what the driver has now, keeps the use of before', async () => {
      const volume = await world.createVolume('v1');
      await world.call('NodePublishVolume', publish(volume));
      const [shown] = world.host.mounts.splice(-1);
      world.host.mounts.push({ ...(shown ?? mountEntry({})), root: '/of-an-earlier-life' });
      await world.refused('FAILED_PRECONDITION', 'NodePublishVolume', publish(volume));
      expect(world.uses(volume)).to.have.length(1);
      await world.call('NodeUnpublishVolume', unpublish(volume));
      expect(world.uses(volume)).to.deep.equal([]);
    });

    it('whose outcome is unknown keeps the use, so that no other node gets the volume meanwhile', async () => {
      const volume = await world.createVolume('v1');
      world.host.bindFault = refusal('DEADLINE_EXCEEDED');
      await world.refused('UNAVAILABLE', 'NodePublishVolume', publish(volume));
      expect(world.uses(volume)).to.have.length(1);
      await world.call('NodeUnpublishVolume', unpublish(volume));
      expect(world.uses(volume)).to.deep.equal([]);
    });

    it('of a local volume of another node is FAILED_PRECONDITION', async () => {
      const requirement = { accessibility_requirements: { requisite: [{ segments: { 'csi.volplane.io/node': 'n2' } }] } };
      const volume = await world.createVolume('v1', { parameters: { driver: 'local' }, ...requirement });
      await world.refused('FAILED_PRECONDITION', 'NodePublishVolume', publish(volume));
    });
  });

  describe('publishing a second time', () => {
    const table: readonly (readonly [
      string,
      number,
      readonly [string | undefined, string | undefined, string | undefined, string | undefined],
    ])[] = [
      // same target same terms, same target other terms, other target same terms, other target other terms
      ['MULTI_NODE_MULTI_WRITER', 5, [undefined, 'ALREADY_EXISTS', undefined, undefined]],
      ['SINGLE_NODE_MULTI_WRITER', 7, [undefined, 'ALREADY_EXISTS', undefined, undefined]],
      ['SINGLE_NODE_SINGLE_WRITER', 6, [undefined, 'ALREADY_EXISTS', 'FAILED_PRECONDITION', 'FAILED_PRECONDITION']],
      // Strict callers do not do it; kubelet does for several pods of one node.
      ['SINGLE_NODE_WRITER', 1, [undefined, 'ALREADY_EXISTS', undefined, undefined]],
    ];
    for (const [name, mode, expected] of table) {
      it(`as ${name} is answered by the table of the specification`, async () => {
        const volume = await world.createVolume('v1', { volume_capabilities: [mount(mode)] });
        await world.call('NodePublishVolume', publish(volume, TARGET, mount(mode)));
        const seconds = [
          publish(volume, TARGET, mount(mode)),
          publish(volume, TARGET, mount(mode), { readonly: true }),
          publish(volume, OTHER, mount(mode)),
          publish(volume, '/pods/p3/mount', mount(mode), { readonly: true }),
        ];
        const got: (string | undefined)[] = [];
        for (const request of seconds) {
          got.push(
            await world.call('NodePublishVolume', request).then(
              () => undefined,
              (error: unknown) => (error instanceof Error && 'code' in error ? String(error.code) : String(error)),
            ),
          );
        }
        expect(got).to.deep.equal(expected);
      });
    }

    for (const [first, second] of [
      [6, 1],
      [1, 6],
    ] as const) {
      it(`is FAILED_PRECONDITION where one of the two wants the volume alone: mode ${first}, then ${second}`, async () => {
        const volume = await world.createVolume('v1');
        await world.call('NodePublishVolume', publish(volume, TARGET, mount(first)));
        await world.refused('FAILED_PRECONDITION', 'NodePublishVolume', publish(volume, OTHER, mount(second)));
      });
    }
  });

  describe('targets that are gone without having been unpublished', () => {
    it('are forgotten when the plugin starts', async () => {
      const volume = await world.createVolume('v1');
      await world.publish(volume);
      await world.host.unmount(TARGET);
      const again = await CsiWorld.open({ cluster: world.cluster, host: world.host });
      try {
        await again.untilSwept(() => !world.uses(volume).some((id) => id.startsWith('csi-publish')));
      } finally {
        await again.close();
      }
    });

    it('do not keep a volume from being unstaged', async () => {
      const volume = await world.createVolume('v1');
      await world.publish(volume);
      await world.host.unmount(TARGET);
      await world.call('NodeUnstageVolume', unstage(volume));
      expect(world.uses(volume)).to.deep.equal(['csi-attach:rw']);
    });

    it('do not keep a single writer out', async () => {
      const volume = await world.createVolume('v1');
      await world.call('NodePublishVolume', publish(volume, TARGET, mount(6)));
      await world.host.unmount(TARGET);
      await world.call('NodePublishVolume', publish(volume, OTHER, mount(6)));
    });
  });

  it('ends what is in use while no manager answers, and begins nothing', async () => {
    const volume = await world.createVolume('v1');
    const other = await world.createVolume('v2');
    await world.publish(volume);
    world.cluster.managersAnswer = false;
    await world.refused('UNAVAILABLE', 'NodePublishVolume', publish(other));
    await world.call('NodeUnpublishVolume', unpublish(volume));
    await world.call('NodeUnstageVolume', unstage(volume));
    expect(world.uses(volume)).to.deep.equal(['csi-attach:rw']);
  });

  it('never takes a local volume of the same name for a global one', async () => {
    const volume = await world.createVolume('v1');
    const context = { signal: new AbortController().signal, timeoutMs: 1_000 };
    await fakeApi(world.cluster, 'n1').createVolume({ name: 'v1', driver: 'local' }, context);
    await world.refused('FAILED_PRECONDITION', 'ControllerPublishVolume', {
      volume_id: volume.volume_id,
      node_id: 'n1',
      volume_capability: mount(),
    });
    await world.refused('FAILED_PRECONDITION', 'ControllerPublishVolume', { volume_id: 'v1', node_id: 'n1', volume_capability: mount() });
    await world.refused('FAILED_PRECONDITION', 'NodePublishVolume', publish(volume));
    expect(world.cluster.volumes.get('n1/v1')?.held.size).to.equal(0);
  });

  it('forgets nothing that other doors use', async () => {
    const volume = await world.createVolume('v1');
    const context = { signal: new AbortController().signal, timeoutMs: 1_000 };
    await fakeApi(world.cluster, 'n1').mountVolume({ name: 'v1', mountId: 'container-1' }, context);
    await world.publish(volume);
    await world.host.unmount(TARGET);
    await world.call('NodeUnstageVolume', unstage(volume));
    expect(world.uses(volume)).to.include('container-1');
  });

  it('tells room in bytes and files at the target and at the staging path', async () => {
    const volume = await world.createVolume('v1');
    await world.publish(volume);
    for (const volume_path of [TARGET, '/stage']) {
      const { usage } = await world.call('NodeGetVolumeStats', { volume_id: volume.volume_id, volume_path });
      expect(usage).to.deep.equal([
        { total: '100', used: '40', available: '60', unit: 1 },
        { total: '10', used: '4', available: '6', unit: 2 },
      ]);
    }
  });

  it('tells the size of a block volume', async () => {
    const volume = await world.createVolume('v1', { volume_capabilities: [block()] });
    await world.call('NodePublishVolume', publish(volume, TARGET, block()));
    const { usage } = await world.call('NodeGetVolumeStats', { volume_id: volume.volume_id, volume_path: TARGET });
    expect(usage.map(({ total, unit }) => [total, unit])).to.deep.equal([[String(16 * MIB), 1]]);
  });

  it('grows a volume that its caller did not grow before', async () => {
    const volume = await world.createVolume('v1');
    await world.publish(volume);
    const request = { volume_id: volume.volume_id, volume_path: TARGET };
    const range = { capacity_range: { required_bytes: 32 * MIB, limit_bytes: 64 * MIB } };
    expect((await world.call('NodeExpandVolume', { ...request, ...range })).capacity_bytes).to.equal(String(32 * MIB));
    expect((await world.call('NodeExpandVolume', request)).capacity_bytes).to.equal(String(32 * MIB));
    await world.refused('OUT_OF_RANGE', 'NodeExpandVolume', { ...request, capacity_range: { limit_bytes: 16 * MIB } });
  });

  it('tells its name, its topology and how many volumes it takes', async () => {
    const limited = await CsiWorld.open({ nodes: [{ name: 'n1', labels: { zone: 'a', 'volplane.csi/max-volumes': '7' }, drivers: [] }] });
    try {
      expect(await limited.call('NodeGetInfo')).to.deep.equal({
        node_id: 'n1',
        max_volumes_per_node: '7',
        accessible_topology: { segments: { 'csi.volplane.io/node': 'n1', 'csi.volplane.io/zone': 'a' } },
      });
    } finally {
      await limited.close();
    }
  });

  for (const [what, superOptions, health] of [
    ['an aborted mount', ['rw', 'shutdown'], { status: 2, reason: 'Aborted' }],
    ['a mount that went read-only after an error', ['ro', 'emergency_ro'], { status: 1, reason: 'ErrorsReadOnly' }],
    ['a mount that is gone', undefined, { status: 2, reason: 'TargetNotMounted' }],
  ] as const) {
    it(`tells ${what} as a condition up to 1.12, and as health from 1.13`, async () => {
      const volume = await world.createVolume('v1');
      await world.publish(volume);
      const [bound] = world.host.mounts.filter((entry) => entry.target === TARGET);
      await world.host.unmount(TARGET);
      if (superOptions !== undefined) world.host.mounts.push(mountEntry({ ...bound, superOptions }));
      const stats = await world.call('NodeGetVolumeStats', { volume_id: volume.volume_id, volume_path: TARGET });
      expect(stats.volume_condition?.abnormal).to.equal(true);
      const { volume_health } = await world.call('NodeGetVolumeHealth', { volume_id: volume.volume_id });
      expect(volume_health.health_statuses).to.have.length(1);
      expect(volume_health.health_statuses[0]).to.include(health);
    });
  }

  it('tells storage that does not answer', async () => {
    world.cluster.fail('getCapacity', refusal('DRIVER_UNAVAILABLE'));
    const { backend_health } = await world.call('NodeGetStorageHealth');
    expect(backend_health).to.have.length(1);
    expect(backend_health[0]).to.include({ status: 2, reason: 'StorageUnreachable' });
  });
});
