import { silentLogger, systemClock } from '@volplane/base';
import { expect } from 'chai';
import { fakeApi, rejection } from '@volplane/testkit';
import type { ControllerContext } from '../src/controller/context.js';
import { createGroupSnapshot } from '../src/controller/group-snapshots.js';
import { takeSnapshot } from '../src/controller/snapshots.js';
import { DriverCatalog } from '../src/driver-catalog.js';
import { CSI_DEFAULTS } from '../src/options.js';
import { toCsiStatus } from '../src/status.js';
import { TopologyMap } from '../src/topology.js';
import { CsiWorld, GLOBAL, MIB, mount } from './support/csi-world.js';

const caps = { volume_capabilities: [mount()] };
const CONTEXT = { signal: new AbortController().signal, timeoutMs: 10_000 };

describe('csi snapshots', () => {
  let world: CsiWorld;
  beforeEach(async () => {
    world = await CsiWorld.open();
  });
  afterEach(async () => {
    await world.close();
  });

  it('of one name and source are one snapshot', async () => {
    const volume = await world.createVolume('v1');
    const first = await world.createSnapshot('s', volume);
    expect(await world.createSnapshot('s', volume)).to.deep.equal(first);
    expect(first).to.include({ source_volume_id: volume.volume_id, ready_to_use: true, size_bytes: String(16 * MIB) });
    expect(first.creation_time.seconds).to.match(/^\d+$/);
  });

  it('of one name and two sources are ALREADY_EXISTS', async () => {
    await world.createSnapshot('s', await world.createVolume('v1'));
    const other = await world.createVolume('w1');
    await world.refused('ALREADY_EXISTS', 'CreateSnapshot', { name: 's', source_volume_id: other.volume_id });
  });

  it('take names of 128 bytes', async () => {
    const volume = await world.createVolume('v1');
    const first = await world.createSnapshot('s'.repeat(128), volume);
    expect((await world.createSnapshot('s'.repeat(128), volume)).snapshot_id).to.equal(first.snapshot_id);
  });

  it('are restored into volumes that say so', async () => {
    const snapshot = await world.createSnapshot('s', await world.createVolume('v1'));
    const source = { volume_content_source: { snapshot: { snapshot_id: snapshot.snapshot_id } } };
    const { volume } = await world.call('CreateVolume', { name: 'restored', ...caps, ...source });
    expect(volume.content_source?.snapshot).to.deep.equal({ snapshot_id: snapshot.snapshot_id });
    expect(volume.capacity_bytes).to.equal(String(16 * MIB));
    expect((await world.call('CreateVolume', { name: 'restored', ...caps, ...source })).volume).to.deep.equal(volume);
  });

  it('are restored bigger where the driver can grow, and never smaller', async () => {
    const snapshot = await world.createSnapshot('s', await world.createVolume('v1'));
    const source = { volume_content_source: { snapshot: { snapshot_id: snapshot.snapshot_id } } };
    const { volume } = await world.call('CreateVolume', {
      name: 'bigger',
      ...caps,
      ...source,
      capacity_range: { required_bytes: 64 * MIB },
    });
    expect(volume.capacity_bytes).to.equal(String(64 * MIB));
    await world.refused('OUT_OF_RANGE', 'CreateVolume', { name: 'smaller', ...caps, ...source, capacity_range: { limit_bytes: 8 * MIB } });
  });

  it('that are not recorded yet are not taken for cut, whatever their name', async () => {
    const { volume_id } = await world.createVolume('v1');
    const api = fakeApi(world.cluster);
    const view = await api.getVolume({ name: volume_id.split(':')[0] ?? '' }, { signal: new AbortController().signal, timeoutMs: 1_000 });
    const controller = {
      catalog: { get: () => Promise.resolve({ info: GLOBAL }) },
      api: { createSnapshot: () => Promise.resolve({ ...view, snapshots: {} }) },
    } as unknown as ControllerContext; // as much of it as is asked for
    const cut = takeSnapshot(controller, view, 'constructor', { signal: new AbortController().signal, timeoutMs: 1_000 });
    expect((await rejection(cut)).reason).to.equal('UNKNOWN_OUTCOME');
  });

  it('are deleted, and deleting them again is fine', async () => {
    const snapshot = await world.createSnapshot('s', await world.createVolume('v1'));
    await world.call('DeleteSnapshot', { snapshot_id: snapshot.snapshot_id });
    await world.call('DeleteSnapshot', { snapshot_id: snapshot.snapshot_id });
    await world.refused('NOT_FOUND', 'GetSnapshot', { snapshot_id: snapshot.snapshot_id });
  });

  it('are listed by id, by source, and page by page', async () => {
    const volume = await world.createVolume('v1');
    const other = await world.createVolume('w1');
    const mine = [];
    for (const name of ['s1', 's2', 's3']) mine.push((await world.createSnapshot(name, volume)).snapshot_id);
    await world.createSnapshot('other', other);
    const ids = async (request: object): Promise<readonly string[]> =>
      (await world.call('ListSnapshots', request)).entries.map(({ snapshot }) => snapshot.snapshot_id);
    expect(await ids({ snapshot_id: mine[1] })).to.deep.equal([mine[1]]);
    expect(await ids({ source_volume_id: volume.volume_id })).to.deep.equal(mine);
    expect(await ids({ source_volume_id: other.volume_id, snapshot_id: mine[1] })).to.deep.equal([]);
    const first = await world.call('ListSnapshots', { max_entries: 2 });
    expect(first.entries).to.have.length(2);
    expect(await ids({ starting_token: first.next_token })).to.have.length(2);
  });

  it('of a local volume name its node', async () => {
    const requirement = { accessibility_requirements: { requisite: [{ segments: { 'csi.volplane.io/node': 'n2' } }] } };
    const volume = await world.createVolume('v1', { parameters: { driver: 'local' }, ...requirement });
    const snapshot = await world.createSnapshot('s', volume);
    expect(snapshot.snapshot_id).to.match(/@n2$/);
    expect((await world.call('GetSnapshot', { snapshot_id: snapshot.snapshot_id })).snapshot).to.deep.equal(snapshot);
    for (let round = 0; round < 2; round += 1) await world.call('DeleteSnapshot', { snapshot_id: snapshot.snapshot_id });
    world.cluster.node('n2').state = 'gone';
    await world.refused('UNAVAILABLE', 'DeleteSnapshot', { snapshot_id: snapshot.snapshot_id });
  });

  it('are listed for their own source alone', async () => {
    const snapshot = await world.createSnapshot('s', await world.createVolume('v1'));
    const other = await world.createVolume('w1');
    const list = async (filter: object): Promise<number> => (await world.call('ListSnapshots', filter)).entries.length;
    expect(await list({ source_volume_id: snapshot.source_volume_id })).to.equal(1);
    expect(await list({ snapshot_id: snapshot.snapshot_id, source_volume_id: snapshot.source_volume_id })).to.equal(1);
    for (const source_volume_id of [other.volume_id, 'none-I-hope']) {
      expect(await list({ source_volume_id })).to.equal(0);
      expect(await list({ snapshot_id: snapshot.snapshot_id, source_volume_id })).to.equal(0);
    }
  });

  it('of a driver that has none are INVALID_ARGUMENT', async () => {
    const { volume_id } = await world.createVolume('v1', { parameters: { driver: 'plain' } });
    const refused = await world.refused('INVALID_ARGUMENT', 'CreateSnapshot', { name: 's', source_volume_id: volume_id });
    expect(refused.message).to.contain('has no snapshots');
    expect(world.cluster.find('v1')?.snapshots.size).to.equal(0);
  });

  it('outside of the topology that is asked for are RESOURCE_EXHAUSTED', async () => {
    const on = (node: string): object => ({ requisite: [{ segments: { 'csi.volplane.io/node': node } }] });
    const volume = await world.createVolume('v1', { parameters: { driver: 'local' }, accessibility_requirements: on('n2') });
    const request = { name: 's', source_volume_id: volume.volume_id };
    await world.refused('RESOURCE_EXHAUSTED', 'CreateSnapshot', { ...request, accessibility_requirements: on('n1') });
    await world.call('CreateSnapshot', { ...request, accessibility_requirements: on('n2') });
  });
});

describe('csi group snapshots', () => {
  let world: CsiWorld;
  beforeEach(async () => {
    world = await CsiWorld.open();
  });
  afterEach(async () => {
    await world.close();
  });

  it('hold all members, and the same call again returns them', async () => {
    const ids = [await world.createVolume('v1'), await world.createVolume('w1')].map((volume) => volume.volume_id);
    const { group_snapshot } = await world.call('CreateVolumeGroupSnapshot', { name: 'g', source_volume_ids: ids });
    expect(group_snapshot.snapshots.map((member) => member.source_volume_id).sort()).to.deep.equal([...ids].sort());
    expect(group_snapshot.snapshots.every((member) => member.group_snapshot_id === group_snapshot.group_snapshot_id)).to.equal(true);
    const again = await world.call('CreateVolumeGroupSnapshot', { name: 'g', source_volume_ids: [...ids].reverse() });
    expect(again.group_snapshot, 'not cut a second time').to.deep.equal(group_snapshot);
    const request = { group_snapshot_id: group_snapshot.group_snapshot_id };
    expect((await world.call('GetVolumeGroupSnapshot', request)).group_snapshot.snapshots).to.have.length(2);
  });

  it('of several volumes are refused while one of them can be written', async () => {
    const volume = await world.createVolume('v1');
    const other = await world.createVolume('w1');
    await world.publish(volume);
    const refused = await world.refused('FAILED_PRECONDITION', 'CreateVolumeGroupSnapshot', {
      name: 'g',
      source_volume_ids: [volume.volume_id, other.volume_id],
    });
    expect(refused.message).to.contain('attached on n1');
    expect(world.cluster.find('w1')?.snapshots.size).to.equal(0);
  });

  for (const [what, isStillThere] of [
    ['attached', true],
    ['attached and released', false],
  ] as const) {
    it(`of several volumes are dropped when one of them was ${what} while they were cut`, async () => {
      const ids = [await world.createVolume('v1'), await world.createVolume('w1')].map((volume) => volume.volume_id);
      const api = fakeApi(world.cluster);
      const onNode = fakeApi(world.cluster, 'n1');
      const createSnapshot: typeof api.createSnapshot = async (...args) => {
        const [{ name }] = args;
        await onNode.mountVolume({ name, mountId: 'container-1' }, CONTEXT);
        if (!isStillThere) await onNode.unmountVolume({ name, mountId: 'container-1' }, CONTEXT);
        return await api.createSnapshot(...args);
      };
      const parts = { api: { ...api, createSnapshot }, clock: systemClock, log: silentLogger };
      const options = { ...CSI_DEFAULTS, defaultDriver: 'shared', vendorVersion: '1' };
      const controller = { ...parts, catalog: new DriverCatalog(parts), topology: new TopologyMap(options.name, []), options };
      const made = createGroupSnapshot(controller, { name: 'g', source_volume_ids: ids, parameters: {} }, CONTEXT);
      expect(toCsiStatus(await made.catch((error: unknown) => error)).code).to.equal('ABORTED');
      expect(['v1', 'w1'].map((name) => world.cluster.find(name)?.snapshots.size)).to.deep.equal([0, 0]);
    });
  }

  it('of several local volumes are refused: nobody can tell whether somebody writes to them meanwhile', async () => {
    const local = { parameters: { driver: 'local' } };
    const ids = [await world.createVolume('v1', local), await world.createVolume('w1', local)].map((volume) => volume.volume_id);
    await world.refused('FAILED_PRECONDITION', 'CreateVolumeGroupSnapshot', { name: 'g', source_volume_ids: ids });
    expect((await world.call('ListSnapshots')).entries).to.deep.equal([]);
  });

  it('are not deleted by some of their members', async () => {
    const ids = [await world.createVolume('v1'), await world.createVolume('w1')].map((volume) => volume.volume_id);
    const { group_snapshot } = await world.call('CreateVolumeGroupSnapshot', { name: 'g', source_volume_ids: ids });
    const [member] = group_snapshot.snapshots.map((each) => each.snapshot_id);
    const request = { group_snapshot_id: group_snapshot.group_snapshot_id, snapshot_ids: [member] };
    await world.refused('INVALID_ARGUMENT', 'DeleteVolumeGroupSnapshot', request);
    expect(world.cluster.find('v1')?.snapshots.size).to.equal(1);
  });

  it('of one volume are a snapshot, whoever writes', async () => {
    const volume = await world.createVolume('v1');
    await world.publish(volume);
    await world.call('CreateVolumeGroupSnapshot', { name: 'g', source_volume_ids: [volume.volume_id] });
    expect(world.cluster.find('v1')?.snapshots.size).to.equal(1);
  });

  it('drop what a crash has left and cut anew', async () => {
    const ids = [await world.createVolume('v1'), await world.createVolume('w1')].map((volume) => volume.volume_id);
    await world.call('CreateVolumeGroupSnapshot', { name: 'g', source_volume_ids: ids });
    world.cluster.find('w1')?.snapshots.clear();
    const before = [...(world.cluster.find('v1')?.snapshots.values() ?? [])][0]?.createdAt;
    await world.call('CreateVolumeGroupSnapshot', { name: 'g', source_volume_ids: ids });
    expect([...(world.cluster.find('v1')?.snapshots.values() ?? [])][0]?.createdAt).to.not.equal(before);
  });

  it('of one name and other volumes are ALREADY_EXISTS', async () => {
    const ids = [await world.createVolume('v1'), await world.createVolume('w1')].map((volume) => volume.volume_id);
    await world.call('CreateVolumeGroupSnapshot', { name: 'g', source_volume_ids: [ids[0]] });
    await world.refused('ALREADY_EXISTS', 'CreateVolumeGroupSnapshot', { name: 'g', source_volume_ids: [ids[1]] });
  });

  it('keep their members together until they are deleted', async () => {
    const volume = await world.createVolume('v1');
    const { group_snapshot } = await world.call('CreateVolumeGroupSnapshot', { name: 'g', source_volume_ids: [volume.volume_id] });
    const members = group_snapshot.snapshots.map((member) => member.snapshot_id);
    const request = { group_snapshot_id: group_snapshot.group_snapshot_id };
    await world.refused('INVALID_ARGUMENT', 'DeleteSnapshot', { snapshot_id: members[0] });
    await world.refused('INVALID_ARGUMENT', 'DeleteVolumeGroupSnapshot', { ...request, snapshot_ids: ['other'] });
    await world.call('DeleteVolumeGroupSnapshot', { ...request, snapshot_ids: members });
    expect(world.cluster.find('v1')?.snapshots.size).to.equal(0);
    await world.call('DeleteVolumeGroupSnapshot', request);
  });
});
