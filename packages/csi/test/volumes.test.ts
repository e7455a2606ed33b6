import { expect } from 'chai';
import type { CsiCode } from '../src/status.js';
import { fakeDriver, refusal } from '@volplane/testkit';
import { block, CsiWorld, GLOBAL, LOCAL, MIB, mount, PLAIN } from './support/csi-world.js';

const caps = { volume_capabilities: [mount()] };
const size = (required: number, limit = 0): object => ({ capacity_range: { required_bytes: required * MIB, limit_bytes: limit * MIB } });

describe('csi volumes', () => {
  let world: CsiWorld;
  beforeEach(async () => {
    world = await CsiWorld.open();
  });
  afterEach(async () => {
    await world.close();
  });

  describe('created again under the same name', () => {
    it('are the same volume', async () => {
      const first = await world.createVolume('v1');
      expect(await world.createVolume('v1')).to.deep.equal(first);
      expect(world.cluster.volumes.size).to.equal(1);
    });

    it('are the same volume for every range that holds its size', async () => {
      const first = await world.createVolume('v1', size(16, 32));
      expect(first.capacity_bytes).to.equal(String(16 * MIB));
      expect((await world.createVolume('v1', size(8, 16))).volume_id).to.equal(first.volume_id);
      expect((await world.createVolume('v1', { capacity_range: null })).volume_id).to.equal(first.volume_id);
    });

    it('are the same volume after it was expanded', async () => {
      const first = await world.createVolume('v1', size(16));
      await world.call('ControllerExpandVolume', { volume_id: first.volume_id, ...size(64) });
      expect((await world.createVolume('v1', size(16))).volume_id).to.equal(first.volume_id);
    });

    const others: readonly (readonly [string, object])[] = [
      ['size', size(32, 32)],
      ['limit', size(1, 8)],
      ['driver', { parameters: { driver: 'plain' } }],
      ['option', { parameters: { colour: 'red' } }],
      ['access mode', { volume_capabilities: [mount(5)] }],
      ['kind of access', { volume_capabilities: [block()] }],
      ['topology of its class', { parameters: { 'topology/zone': 'a' } }],
    ];
    for (const [what, more] of others) {
      it(`with another ${what} are ALREADY_EXISTS`, async () => {
        await world.createVolume('v1', size(16));
        await world.refused('ALREADY_EXISTS', 'CreateVolume', { name: 'v1', ...caps, ...size(16), ...more });
      });
    }

    it('with another source are ALREADY_EXISTS', async () => {
      const source = await world.createVolume('source');
      await world.createVolume('v1');
      await world.refused('ALREADY_EXISTS', 'CreateVolume', {
        name: 'v1',
        ...caps,
        volume_content_source: { volume: { volume_id: source.volume_id } },
      });
    });

    it('do not tell the values of options that differ', async () => {
      await world.createVolume('v1', { parameters: { colour: 'secret-red' } });
      const refused = await world.refused('ALREADY_EXISTS', 'CreateVolume', { name: 'v1', ...caps, parameters: { colour: 'blue' } });
      expect(refused.message).to.contain('parameter colour').and.not.contain('secret-red');
    });
  });

  it('created again with another topology are the same volume when they are global', async () => {
    const first = await world.createVolume('v1');
    for (const node of ['n1', 'n2']) {
      const requirement = { accessibility_requirements: { requisite: [{ segments: { 'csi.volplane.io/node': node } }] } };
      expect(await world.createVolume('v1', requirement)).to.deep.equal(first);
    }
  });

  it('go to another node than the one that is preferred and silent when they are global', async () => {
    world.cluster.node('n2').state = 'gone';
    await world.createVolume('v1', {
      accessibility_requirements: {
        preferred: [{ segments: { 'csi.volplane.io/node': 'n2' } }, { segments: { 'csi.volplane.io/node': 'n1' } }],
      },
    });
    expect(world.cluster.find('v1')?.node).to.equal('n1');
  });

  it('in a mode that their driver cannot keep are INVALID_ARGUMENT, and none is made', async () => {
    const narrow = await CsiWorld.open({
      nodes: [{ name: 'n1', drivers: [fakeDriver('shared', { accessModes: ['single-node-writer'] })] }],
    });
    try {
      const refused = await narrow.refused('INVALID_ARGUMENT', 'CreateVolume', { name: 'v1', volume_capabilities: [mount(5)] });
      expect(refused.message).to.contain('cannot keep');
      expect(narrow.cluster.volumes.size).to.equal(0);
    } finally {
      await narrow.close();
    }
  });

  describe('made from another', () => {
    const stiff = fakeDriver('stiff', { expand: false });
    beforeEach(() => {
      for (const node of world.cluster.nodes.values()) node.drivers = [GLOBAL, LOCAL, PLAIN, stiff];
    });

    const refusedCopy = async (driver: string, of: string, code: CsiCode, more: object = {}): Promise<string> => {
      const { volume_id } = await world.createVolume('source', { parameters: { driver: of } });
      const request = { name: 'copy', ...caps, parameters: { driver }, volume_content_source: { volume: { volume_id } }, ...more };
      const { message } = await world.refused(code, 'CreateVolume', request);
      expect(world.cluster.find('copy', 'n1')).to.equal(undefined);
      return message;
    };

    it('by a driver that copies nothing are INVALID_ARGUMENT', async () => {
      expect(await refusedCopy('plain', 'plain', 'INVALID_ARGUMENT')).to.contain('cannot make a volume from another');
    });

    it('of another driver are INVALID_ARGUMENT', async () => {
      expect(await refusedCopy('local', 'shared', 'INVALID_ARGUMENT')).to.contain('belongs to driver shared');
    });

    it('with a limit below its size are OUT_OF_RANGE', async () => {
      expect(await refusedCopy('shared', 'shared', 'OUT_OF_RANGE', size(0, 8))).to.contain('the limit is');
    });

    it('and bigger are OUT_OF_RANGE when the driver cannot grow, and as big are not', async () => {
      expect(await refusedCopy('stiff', 'stiff', 'OUT_OF_RANGE', size(32))).to.contain('bigger copy');
      const { volume_id } = await world.createVolume('source', { parameters: { driver: 'stiff' } });
      const asBig = { ...size(0, 16), volume_content_source: { volume: { volume_id } } };
      const copy = await world.createVolume('copy', { parameters: { driver: 'stiff' }, ...asBig });
      expect(copy.capacity_bytes).to.equal(String(16 * MIB));
    });

    it('by a snapshot that is still being made are UNAVAILABLE', async () => {
      const { snapshot_id } = await world.createSnapshot('s', await world.createVolume('source'));
      const snapshots = world.cluster.find('source')?.snapshots;
      for (const [name, snapshot] of snapshots ?? []) snapshots?.set(name, { ...snapshot, ready: false });
      await world.refused('UNAVAILABLE', 'CreateVolume', { name: 'copy', ...caps, volume_content_source: { snapshot: { snapshot_id } } });
      expect(world.cluster.find('copy')).to.equal(undefined);
    });
  });

  it('take a name of 128 bytes and names with brackets, each its own', async () => {
    const names = ['n'.repeat(128), `${'n'.repeat(127)}m`, 'web[0]', 'web[1]', 'web-0-', '卷'];
    const ids: string[] = [];
    for (const name of names) ids.push((await world.createVolume(name)).volume_id);
    expect(new Set(ids).size).to.equal(names.length);
    expect((await world.createVolume('web[0]')).volume_id).to.equal(ids[2]);
  });

  it('get a size of the usual kind when none is asked for, within the limit', async () => {
    expect((await world.createVolume('a1', { capacity_range: null })).capacity_bytes).to.equal(String(1024 * MIB));
    expect((await world.createVolume('b1', size(0, 5))).capacity_bytes).to.equal(String(5 * MIB));
  });

  it('of drivers without sizes have an unknown one', async () => {
    expect((await world.createVolume('v1', { parameters: { driver: 'plain' } })).capacity_bytes).to.equal('0');
  });

  it('that do not fit are RESOURCE_EXHAUSTED', async () => {
    for (const node of world.cluster.nodes.values()) node.capacityBytes = 10 * MIB;
    await world.refused('RESOURCE_EXHAUSTED', 'CreateVolume', { name: 'v1', ...caps, ...size(16) });
  });

  it('with an unknown outcome are UNAVAILABLE, and the same call again finds them', async () => {
    world.cluster.fail('createVolume', refusal('UNKNOWN_OUTCOME'));
    await world.refused('UNAVAILABLE', 'CreateVolume', { name: 'v1', ...caps });
    expect((await world.createVolume('v1', { capacity_range: null })).volume_id).to.match(/^v1:/);
  });

  it('made by another door under the name are used when they are the same', async () => {
    const first = await world.createVolume('v1', { capacity_range: null });
    const record = world.cluster.find('v1');
    if (record !== undefined) record.labels = {};
    expect((await world.createVolume('v1', { capacity_range: null })).volume_id).to.equal(first.volume_id);
  });

  it('keep the labels and the policy of their class', async () => {
    await world.createVolume('v1', { parameters: { 'label/tier': 'gold', takeover: 'lease', 'csi.storage.k8s.io/pvc/name': 'data' } });
    const record = world.cluster.find('v1');
    expect(record?.labels).to.deep.equal({ tier: 'gold', 'csi.storage.k8s.io/pvc/name': 'data' });
    expect(record?.takeover).to.equal('lease');
  });

  describe('deleted', () => {
    it('are gone, and deleting them again is fine', async () => {
      const volume = await world.createVolume('v1');
      await world.call('DeleteVolume', { volume_id: volume.volume_id });
      await world.call('DeleteVolume', { volume_id: volume.volume_id });
      expect(world.cluster.volumes.size).to.equal(0);
    });

    it('under an old id leave a volume that was made anew under the name', async () => {
      const old = await world.createVolume('v1');
      await world.call('DeleteVolume', { volume_id: old.volume_id });
      await world.createVolume('v1');
      await world.call('DeleteVolume', { volume_id: old.volume_id });
      expect(world.cluster.volumes.size).to.equal(1);
    });

    it('while somebody uses them are FAILED_PRECONDITION, naming who', async () => {
      const volume = await world.createVolume('v1');
      await world.publish(volume);
      const refused = await world.refused('FAILED_PRECONDITION', 'DeleteVolume', { volume_id: volume.volume_id });
      expect(refused.message).to.contain('n1').and.contain('csi-publish');
      expect(world.uses(volume), 'nothing was taken away from the user').to.have.length(3);
    });

    it('with snapshots inside are FAILED_PRECONDITION and unchanged', async () => {
      const volume = await world.createVolume('v1');
      await world.createSnapshot('s', volume);
      await world.refused('FAILED_PRECONDITION', 'DeleteVolume', { volume_id: volume.volume_id });
      expect(world.cluster.find('v1')?.snapshots.size).to.equal(1);
    });
  });

  describe('validated', () => {
    it('echo everything that was asked', async () => {
      const { volume_id } = await world.createVolume('v1', { volume_capabilities: [mount(5, { fs_type: 'ext4' })] });
      const asked = {
        volume_capabilities: [mount(5, { fs_type: 'ext4', mount_flags: ['noatime'], volume_mount_group: '7' })],
        volume_context: { k: 'v' },
        parameters: { p: 'q' },
        mutable_parameters: { m: 'n' },
      };
      const { confirmed } = await world.call('ValidateVolumeCapabilities', { volume_id, ...asked });
      expect(confirmed?.volume_context).to.deep.equal({ k: 'v' });
      expect(confirmed?.parameters).to.deep.equal({ p: 'q' });
      expect(confirmed?.mutable_parameters).to.deep.equal({ m: 'n' });
      expect(confirmed?.volume_capabilities[0]?.mount).to.deep.equal({
        fs_type: 'ext4',
        mount_flags: ['noatime'],
        volume_mount_group: '7',
      });
      expect(confirmed?.volume_capabilities[0]?.access_mode).to.deep.equal({ mode: 5 });
    });

    it('confirm all or nothing, and say why not', async () => {
      const { volume_id } = await world.createVolume('v1');
      for (const wanted of [mount(5), block(), mount(1, { fs_type: 'xfs' }), mount(1, { mount_flags: ['data=journal'] })]) {
        const { confirmed, message } = await world.call('ValidateVolumeCapabilities', {
          volume_id,
          volume_capabilities: [mount(), wanted],
        });
        expect(confirmed, JSON.stringify(wanted)).to.equal(null);
        expect(message).to.contain('v');
      }
    });
  });

  describe('listed', () => {
    it('are all told, with the nodes that have them', async () => {
      const held = await world.createVolume('held');
      await world.createVolume('free');
      await world.call('ControllerPublishVolume', { volume_id: held.volume_id, node_id: 'n2', volume_capability: mount() });
      const { entries } = await world.call('ListVolumes');
      expect(entries.map(({ volume, status }) => [volume.volume_id.split(':')[0], status.published_node_ids])).to.deep.equal([
        ['free', []],
        ['held', ['n2']],
      ]);
    });

    it('page by page are each told once, though the last one of a page is deleted and others are made', async () => {
      for (const name of ['aa', 'bb', 'cc', 'dd']) await world.createVolume(name);
      const first = await world.call('ListVolumes', { max_entries: 2 });
      const last = first.entries[1]?.volume.volume_id;
      await world.call('DeleteVolume', { volume_id: last });
      await world.createVolume('ab');
      await world.createVolume('ee');
      const second = await world.call('ListVolumes', { max_entries: 2, starting_token: first.next_token });
      const third = await world.call('ListVolumes', { starting_token: second.next_token });
      const names = [first, second, third].flatMap(({ entries }) => entries.map(({ volume }) => volume.volume_id.split(':')[0]));
      expect(names).to.deep.equal(['aa', 'bb', 'cc', 'dd', 'ee']);
      expect(third.next_token).to.equal('');
    });

    it('one by one are told as in the list', async () => {
      const { volume_id } = await world.createVolume('v1');
      const { entries } = await world.call('ListVolumes');
      expect(await world.call('ControllerGetVolume', { volume_id })).to.deep.equal(entries[0]);
    });
  });

  describe('expanded', () => {
    it('have exactly the size asked for, and no step left for the node', async () => {
      const { volume_id } = await world.createVolume('v1', size(16));
      expect(await world.call('ControllerExpandVolume', { volume_id, ...size(20, 32) })).to.deep.equal({
        capacity_bytes: String(20 * MIB),
        node_expansion_required: false,
      });
    });

    it('to what they have already are left alone', async () => {
      const { volume_id } = await world.createVolume('v1', size(16));
      expect((await world.call('ControllerExpandVolume', { volume_id, ...size(8) })).capacity_bytes).to.equal(String(16 * MIB));
    });

    it('by a driver that cannot are INVALID_ARGUMENT', async () => {
      const { volume_id } = await world.createVolume('v1', { parameters: { driver: 'plain' } });
      const refused = await world.refused('INVALID_ARGUMENT', 'ControllerExpandVolume', { volume_id, ...size(32) });
      expect(refused.message).to.contain('cannot expand');
    });

    it('below what they have are OUT_OF_RANGE', async () => {
      const { volume_id } = await world.createVolume('v1', size(16));
      await world.refused('OUT_OF_RANGE', 'ControllerExpandVolume', { volume_id, ...size(4, 8) });
    });
  });

  describe('modified', () => {
    it('change what is named and nothing else', async () => {
      const { volume_id } = await world.createVolume('v1', { parameters: { 'label/tier': 'gold', 'label/team': 'a' } });
      await world.call('ControllerModifyVolume', { volume_id, mutable_parameters: { 'label/tier': 'tin', takeover: 'lease' } });
      expect(world.cluster.find('v1')?.labels).to.deep.equal({ tier: 'tin', team: 'a' });
      expect(world.cluster.find('v1')?.takeover).to.equal('lease');
    });

    it('with one bad parameter change nothing', async () => {
      const { volume_id } = await world.createVolume('v1');
      for (const bad of [{ XXX_FakeKey: 'x' }, { takeover: 'never' }, { takeover: 'storage' }]) {
        await world.refused('INVALID_ARGUMENT', 'ControllerModifyVolume', {
          volume_id,
          mutable_parameters: { 'label/tier': 'tin', ...bad },
        });
      }
      expect(world.cluster.find('v1')?.labels).to.deep.equal({});
    });
  });

  describe('of local scope', () => {
    const local = { parameters: { driver: 'local' } };
    const on = (node: string): object => ({ segments: { 'csi.volplane.io/node': node } });

    it('live on the node that the caller prefers, and are reachable from there only', async () => {
      const requirement = { requisite: [on('n1'), on('n2')], preferred: [on('n2'), on('n1')] };
      const volume = await world.createVolume('v1', { ...local, accessibility_requirements: requirement });
      expect(volume.volume_id).to.match(/:n2$/);
      expect(volume.accessible_topology).to.deep.equal([on('n2')]);
    });

    it('created again are found on whatever node they live', async () => {
      const first = await world.createVolume('v1', { ...local, accessibility_requirements: { requisite: [on('n2')] } });
      expect((await world.createVolume('v1', local)).volume_id).to.equal(first.volume_id);
      const again = { ...local, accessibility_requirements: { requisite: [on('n1'), on('n2')] } };
      expect((await world.createVolume('v1', again)).volume_id).to.equal(first.volume_id);
    });

    it('are not taken for one of that name and another driver on another node', async () => {
      const other = fakeDriver('other', { scope: 'local' });
      for (const node of world.cluster.nodes.values()) node.drivers = [LOCAL, other];
      const there = { parameters: { driver: 'other' }, accessibility_requirements: { requisite: [on('n2')] } };
      await world.createVolume('v1', there);
      const here = await world.createVolume('v1', { ...local, accessibility_requirements: { requisite: [on('n1')] } });
      expect(here.volume_id).to.match(/:n1$/);
    });

    it('created again from elsewhere are ALREADY_EXISTS', async () => {
      await world.createVolume('v1', { ...local, accessibility_requirements: { requisite: [on('n2')] } });
      const elsewhere = { accessibility_requirements: { requisite: [on('n1')] } };
      await world.refused('ALREADY_EXISTS', 'CreateVolume', { name: 'v1', ...caps, ...size(16), ...local, ...elsewhere });
    });

    it('go to the next node when one is full', async () => {
      world.cluster.node('n1').capacityBytes = MIB;
      const volume = await world.createVolume('v1', {
        ...local,
        accessibility_requirements: { preferred: [on('n1'), on('n2')], requisite: [on('n1'), on('n2')] },
      });
      expect(volume.volume_id).to.match(/:n2$/);
    });

    it('go to the next node when one was cordoned meanwhile', async () => {
      world.cluster.fail('createVolume', refusal('NODE_CORDONED'));
      await world.createVolume('v1', local);
      expect(world.cluster.volumes.size).to.equal(1);
    });

    it('go to no other node when the outcome on one is unknown', async () => {
      world.cluster.fail('createVolume', refusal('UNKNOWN_OUTCOME'));
      await world.refused('UNAVAILABLE', 'CreateVolume', { name: 'v1', ...caps, ...local });
      expect(world.cluster.volumes.size).to.equal(0);
    });

    it('cannot be published on another node', async () => {
      const volume = await world.createVolume('v1', { ...local, accessibility_requirements: { requisite: [on('n2')] } });
      await world.refused('FAILED_PRECONDITION', 'ControllerPublishVolume', {
        volume_id: volume.volume_id,
        node_id: 'n1',
        volume_capability: mount(),
      });
    });

    it('copied live beside their source', async () => {
      const source = await world.createVolume('v1', { ...local, accessibility_requirements: { requisite: [on('n2')] } });
      const copy = await world.createVolume('copy', { ...local, volume_content_source: { volume: { volume_id: source.volume_id } } });
      expect(copy.volume_id).to.match(/:n2$/);
    });

    it('are told as published when this door holds them', async () => {
      const volume = await world.createVolume('v1', { ...local, accessibility_requirements: { requisite: [on('n1')] } });
      await world.publish(volume);
      const { status } = await world.call('ControllerGetVolume', { volume_id: volume.volume_id });
      expect(status.published_node_ids).to.deep.equal(['n1']);
    });
  });

  describe('of a class that is bound to a topology', () => {
    it('tell it, and are placed inside it', async () => {
      const volume = await world.createVolume('v1', { parameters: { 'topology/zone': 'b' } });
      expect(volume.accessible_topology).to.deep.equal([{ segments: { 'csi.volplane.io/zone': 'b' } }]);
      expect(world.cluster.find('v1')?.node).to.equal('n2');
    });
  });

  it('have the capacity told of nodes that offer the driver and answer, and no more for one volume than one node has', async () => {
    const zone = { zone: 'a' };
    const nodes = ['n1', 'n2', 'n3', 'n4', 'n5'].map((name, index) => ({
      name,
      labels: zone,
      drivers: name === 'n4' ? [GLOBAL] : [GLOBAL, LOCAL],
      capacityBytes: (index + 1) * 10 * MIB,
    }));
    const large = await CsiWorld.open({ nodes });
    try {
      large.cluster.node('n5').state = 'gone';
      const topology = { accessible_topology: { segments: { 'csi.volplane.io/zone': 'a' } } };
      const told = async (driver: string): Promise<readonly unknown[]> => {
        const answer = await large.call('GetCapacity', { parameters: { driver }, ...topology });
        return [answer.available_capacity, answer.maximum_volume_size?.value];
      };
      expect(await told('local')).to.deep.equal([60 * MIB, 30 * MIB].map(String));
      large.cluster.fail('getCapacity', refusal('NODE_UNAVAILABLE'));
      expect(await told('local'), 'without the first').to.deep.equal([50 * MIB, 30 * MIB].map(String));
      large.cluster.fail('getCapacity', refusal('DRIVER_UNAVAILABLE'), 3);
      expect(await told('local')).to.deep.equal(['0', undefined]);
      expect((await told('shared'))[0], 'the same storage seen from each').to.equal(String(10 * MIB));
    } finally {
      await large.close();
    }
  });

  it('have capacity told for a driver, a topology, and not for what cannot be', async () => {
    world.cluster.node('n1').capacityBytes = 10 * MIB;
    world.cluster.node('n2').capacityBytes = 20 * MIB;
    const local = { parameters: { driver: 'local' } };
    expect((await world.call('GetCapacity', local)).available_capacity).to.equal(String(20 * MIB));
    const zone = { accessible_topology: { segments: { 'csi.volplane.io/zone': 'a' } } };
    expect((await world.call('GetCapacity', { ...local, ...zone })).available_capacity).to.equal(String(10 * MIB));
    const nowhere = { accessible_topology: { segments: { 'csi.volplane.io/zone': 'z' } } };
    expect((await world.call('GetCapacity', { ...local, ...nowhere })).available_capacity).to.equal('0');
    const blocks = { parameters: { driver: PLAIN.name }, volume_capabilities: [block()] };
    expect((await world.call('GetCapacity', blocks)).available_capacity).to.equal('0');
  });
});
