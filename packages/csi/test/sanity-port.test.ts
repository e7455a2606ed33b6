import { expect } from 'chai';
import type { WireVolume } from '../src/messages.js';
import { CsiWorld, GLOBAL, MIB, mount } from './support/csi-world.js';

/**
 * What csi-sanity checks beside arguments (arguments.test.ts), written anew so that `npm test` guards it without Go: counts,
 * exact sizes, tenfold calls, and its way of cleaning up, which calls everything once more for volumes that are gone.
 */
describe('csi-sanity without go', () => {
  let world: CsiWorld;
  beforeEach(async () => {
    world = await CsiWorld.open();
  });
  afterEach(async () => {
    await world.close();
  });

  const SIZE = 10 * MIB;
  const CAP = { volume_capability: mount() };
  const STAGING = '/tmp/csi-staging';
  const TARGET = '/tmp/csi-mount/target';
  const request = (name: string, more: object = {}): object => ({
    name,
    volume_capabilities: [mount()],
    capacity_range: { required_bytes: SIZE },
    ...more,
  });
  const idOf = (volume: WireVolume): { readonly volume_id: string } => ({ volume_id: volume.volume_id });
  const times = async (count: number, call: () => Promise<unknown>): Promise<void> => {
    for (let round = 0; round < count; round += 1) await call();
  };

  it('ListVolumes is one longer after a create and as long as before after the delete', async () => {
    const count = async (): Promise<number> => (await world.call('ListVolumes')).entries.length;
    await world.createVolume('other');
    const { volume } = await world.call('CreateVolume', request('sanity'));
    expect(await count()).to.equal(2);
    await world.call('DeleteVolume', idOf(volume));
    expect(await count()).to.equal(1);
  });

  it('CreateVolume with required = limit has exactly that size, and twice the size under the name is ALREADY_EXISTS', async () => {
    const sized = (bytes: number): object => request('sanity', { capacity_range: { required_bytes: bytes, limit_bytes: bytes } });
    expect((await world.call('CreateVolume', sized(SIZE))).volume.capacity_bytes).to.equal(String(SIZE));
    await world.refused('ALREADY_EXISTS', 'CreateVolume', sized(2 * SIZE));
  });

  it('CreateVolume with mutable parameters works, changes them again and refuses others afterwards', async () => {
    const { volume } = await world.call('CreateVolume', request('sanity', { mutable_parameters: { 'label/tier': 'gold' } }));
    expect(world.cluster.find('sanity')?.labels).to.deep.equal({ tier: 'gold' });
    await world.call('ControllerModifyVolume', { ...idOf(volume), mutable_parameters: { 'label/tier': 'gold' } });
    await world.refused('INVALID_ARGUMENT', 'ControllerModifyVolume', { ...idOf(volume), mutable_parameters: { XXX_FakeKey: 'x' } });
  });

  it('CreateVolume from a snapshot and from a volume names the source', async () => {
    const source = await world.createVolume('source');
    const snapshot = await world.createSnapshot('snapshot', source);
    for (const wanted of [{ snapshot: { snapshot_id: snapshot.snapshot_id } }, { volume: idOf(source) }]) {
      const [kind = ''] = Object.keys(wanted);
      const { volume } = await world.call('CreateVolume', request(`from-${kind}`, { volume_content_source: wanted, capacity_range: null }));
      expect(volume.content_source).to.deep.include(wanted);
    }
  });

  it('ValidateVolumeCapabilities of a volume that exists with no capabilities is INVALID_ARGUMENT, with one it is confirmed', async () => {
    const volume = await world.createVolume('sanity');
    await world.refused('INVALID_ARGUMENT', 'ValidateVolumeCapabilities', idOf(volume));
    const { confirmed } = await world.call('ValidateVolumeCapabilities', { ...idOf(volume), volume_capabilities: [mount()] });
    expect(confirmed?.volume_capabilities).to.have.length(1);
  });

  it('ControllerPublishVolume takes volumes up to the limit of the node and none beyond', async () => {
    const limited = await CsiWorld.open({ nodes: [{ name: 'n1', labels: { 'volplane.csi/max-volumes': '3' }, drivers: [GLOBAL] }] });
    try {
      expect((await limited.call('NodeGetInfo')).max_volumes_per_node).to.equal('3');
      for (const name of ['a1', 'a2', 'a3'])
        await limited.call('ControllerPublishVolume', { ...idOf(await limited.createVolume(name)), node_id: 'n1', ...CAP });
      await limited.refused('RESOURCE_EXHAUSTED', 'ControllerPublishVolume', {
        ...idOf(await limited.createVolume('a4')),
        node_id: 'n1',
        ...CAP,
      });
    } finally {
      await limited.close();
    }
  });

  it('the life of a volume in the topology of its node works with every call made ten times, and once more when it is gone', async () => {
    const { node_id, accessible_topology } = await world.call('NodeGetInfo');
    const { volume } = await world.call(
      'CreateVolume',
      request('sanity', { accessibility_requirements: { requisite: [accessible_topology] } }),
    );
    const id = idOf(volume);
    const staged = { ...id, ...CAP, staging_target_path: STAGING };
    await times(10, () => world.call('ControllerPublishVolume', { ...id, node_id, ...CAP }));
    await times(10, () => world.call('NodeStageVolume', staged));
    await times(10, () => world.call('NodePublishVolume', { ...staged, target_path: TARGET }));
    expect(world.host.mounts.filter((entry) => entry.target === TARGET)).to.have.length(1);
    await world.call('NodeGetVolumeStats', { ...id, volume_path: TARGET });
    const cleanUp = async (): Promise<void> => {
      await world.call('NodeUnpublishVolume', { ...id, target_path: TARGET });
      await world.call('NodeUnstageVolume', { ...id, staging_target_path: STAGING });
      await world.call('ControllerUnpublishVolume', { ...id, node_id });
      await world.call('DeleteVolume', id);
    };
    await times(11, cleanUp);
    expect(world.cluster.volumes.size).to.equal(0);
    expect(world.host.at(TARGET)).to.equal(undefined);
  });

  it('NodePublishVolume makes its target in a folder that is there, NodeUnpublishVolume takes it away, staging stays empty', async () => {
    const volume = await world.createVolume('sanity');
    await world.publish(volume, TARGET);
    expect(world.host.folders.has(TARGET)).to.equal(true);
    expect(world.host.at('/stage'), 'nothing is mounted where the caller calls rmdir').to.equal(undefined);
    await world.call('NodeUnpublishVolume', { ...idOf(volume), target_path: TARGET });
    expect(world.host.folders.has(TARGET)).to.equal(false);
  });

  it('NodeUnstageVolume of a volume that never was staged is fine', async () => {
    const volume = await world.createVolume('sanity');
    await world.call('NodeUnstageVolume', { ...idOf(volume), staging_target_path: STAGING });
  });

  it('NodeExpandVolume after the publish grows to exactly what is asked for', async () => {
    const volume = await world.createVolume('sanity');
    await world.publish(volume, TARGET);
    const range = { capacity_range: { required_bytes: 2 * SIZE } };
    const controller = await world.call('ControllerExpandVolume', { ...idOf(volume), ...range, ...CAP });
    expect(controller.capacity_bytes).to.equal(String(2 * SIZE));
    const node = await world.call('NodeExpandVolume', { ...idOf(volume), volume_path: TARGET, ...range, ...CAP });
    expect(node.capacity_bytes).to.equal(String(2 * SIZE));
  });

  it('ListSnapshots with max_entries 2 has two, and its token with no bound has all the others at once', async () => {
    const volume = await world.createVolume('sanity');
    const made = new Set<string>();
    for (const name of ['s1', 's2', 's3', 's4', 's5']) made.add((await world.createSnapshot(name, volume)).snapshot_id);
    const first = await world.call('ListSnapshots', { max_entries: 2 });
    expect(first.entries).to.have.length(2);
    const rest = await world.call('ListSnapshots', { max_entries: 0, starting_token: first.next_token });
    expect(rest.next_token).to.equal('');
    expect(new Set([...first.entries, ...rest.entries].map(({ snapshot }) => snapshot.snapshot_id))).to.deep.equal(made);
    for (const { snapshot } of rest.entries) {
      expect(snapshot).to.include({ source_volume_id: volume.volume_id, ready_to_use: true });
      expect(snapshot.creation_time).to.not.equal(null);
    }
  });

  it('ListSnapshots is one longer after a create and as long as before after the delete', async () => {
    const count = async (): Promise<number> => (await world.call('ListSnapshots')).entries.length;
    const volume = await world.createVolume('sanity');
    const { snapshot_id } = await world.createSnapshot('listSnapshots-snapshot-1', volume);
    expect(await count()).to.equal(1);
    await world.call('DeleteSnapshot', { snapshot_id });
    expect(await count()).to.equal(0);
  });
});
