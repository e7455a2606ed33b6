import { silentLogger } from '@volplane/base';
import { expect } from 'chai';
import type { CsiCode } from '../src/status.js';
import type { Method } from './support/csi-client.js';
import { CsiWorld, MIB, mount } from './support/csi-world.js';

/**
 * The argument checks that csi-sanity makes, on a real socket: what is missing is told before what is unknown, and what is
 * unknown before what does not fit, because some of its requests are wrong in several ways at once.
 */
describe('csi arguments', () => {
  let world: CsiWorld;
  before(async () => {
    world = await CsiWorld.open();
  });
  after(async () => {
    await world.close();
  });

  const caps = { volume_capabilities: [mount()] };
  const cap = { volume_capability: mount() };
  /** More than CSI lets a map have. */
  const large = { key: 'x'.repeat(5_000) };
  const cases: readonly (readonly [string, CsiCode, Method, object])[] = [
    ['no name', 'INVALID_ARGUMENT', 'CreateVolume', caps],
    ['no capabilities', 'INVALID_ARGUMENT', 'CreateVolume', { name: 'v' }],
    [
      'an unknown snapshot as its source',
      'NOT_FOUND',
      'CreateVolume',
      { name: 'v', ...caps, volume_content_source: { snapshot: { snapshot_id: 'non-existing' } } },
    ],
    [
      'an unknown volume as its source',
      'NOT_FOUND',
      'CreateVolume',
      { name: 'v', ...caps, volume_content_source: { volume: { volume_id: 'non-existing' } } },
    ],
    [
      'a mutable parameter that is none',
      'INVALID_ARGUMENT',
      'CreateVolume',
      { name: 'v', ...caps, mutable_parameters: { XXX_FakeKey: 'x' } },
    ],
    ['an option that the driver does not know', 'INVALID_ARGUMENT', 'CreateVolume', { name: 'v', ...caps, parameters: { flavour: 'x' } }],
    ['a driver that nobody offers', 'INVALID_ARGUMENT', 'CreateVolume', { name: 'v', ...caps, parameters: { driver: 'nope' } }],
    [
      'a mount flag that is none',
      'INVALID_ARGUMENT',
      'CreateVolume',
      { name: 'v', volume_capabilities: [mount(1, { mount_flags: ['data=journal'] })] },
    ],
    [
      'two kinds of access',
      'INVALID_ARGUMENT',
      'CreateVolume',
      { name: 'v', volume_capabilities: [mount(), { block: {}, access_mode: { mode: 1 } }] },
    ],
    [
      'a limit below what is required',
      'INVALID_ARGUMENT',
      'CreateVolume',
      { name: 'v', ...caps, capacity_range: { required_bytes: 2, limit_bytes: 1 } },
    ],
    [
      'two file systems',
      'INVALID_ARGUMENT',
      'CreateVolume',
      { name: 'v', volume_capabilities: [mount(1, { fs_type: 'ext4' }), mount(1, { fs_type: 'xfs' })] },
    ],
    [
      'another file system than its parameter says',
      'INVALID_ARGUMENT',
      'CreateVolume',
      { name: 'v', volume_capabilities: [mount(1, { fs_type: 'ext4' })], parameters: { fs: 'xfs' } },
    ],
    ['a label without a key', 'INVALID_ARGUMENT', 'CreateVolume', { name: 'v', ...caps, parameters: { 'label/': 'x' } }],
    ['no volume id', 'INVALID_ARGUMENT', 'DeleteVolume', {}],
    ['no volume id', 'INVALID_ARGUMENT', 'ValidateVolumeCapabilities', caps],
    ['an unknown volume', 'NOT_FOUND', 'ValidateVolumeCapabilities', { volume_id: 'some-vol-id', ...caps }],
    ['no volume id', 'INVALID_ARGUMENT', 'ControllerPublishVolume', { node_id: 'n1', ...cap }],
    ['no node id', 'INVALID_ARGUMENT', 'ControllerPublishVolume', { volume_id: 'id', ...cap }],
    ['no capability, and unknown ids', 'INVALID_ARGUMENT', 'ControllerPublishVolume', { volume_id: 'id', node_id: 'fakenode' }],
    ['an unknown volume and node', 'NOT_FOUND', 'ControllerPublishVolume', { volume_id: 'some-vol-id', node_id: 'some-node-id', ...cap }],
    [
      'too large a context, and an unknown volume',
      'INVALID_ARGUMENT',
      'ControllerPublishVolume',
      { volume_id: 'some-vol-id', node_id: 'n1', ...cap, volume_context: large },
    ],
    ['no volume id', 'INVALID_ARGUMENT', 'ControllerUnpublishVolume', {}],
    ['no volume id', 'INVALID_ARGUMENT', 'ControllerGetVolume', {}],
    ['an unknown volume', 'NOT_FOUND', 'ControllerGetVolume', { volume_id: 'some-vol-id' }],
    ['a token that is none', 'ABORTED', 'ListVolumes', { starting_token: 'invalid-token' }],
    ['fewer than no entries', 'INVALID_ARGUMENT', 'ListVolumes', { max_entries: -1 }],
    ['a token that is none', 'ABORTED', 'ListSnapshots', { starting_token: 'invalid-token' }],
    ['no name, and an unknown source', 'INVALID_ARGUMENT', 'CreateSnapshot', { source_volume_id: 'testId' }],
    ['no source', 'INVALID_ARGUMENT', 'CreateSnapshot', { name: 'name' }],
    ['an unknown source', 'NOT_FOUND', 'CreateSnapshot', { name: 'name', source_volume_id: 'testId' }],
    [
      'a parameter, and an unknown source',
      'INVALID_ARGUMENT',
      'CreateSnapshot',
      { name: 'name', source_volume_id: 'testId', parameters: { colour: 'red' } },
    ],
    ['no snapshot id', 'INVALID_ARGUMENT', 'DeleteSnapshot', {}],
    ['no snapshot id', 'INVALID_ARGUMENT', 'GetSnapshot', {}],
    ['an unknown snapshot', 'NOT_FOUND', 'GetSnapshot', { snapshot_id: 'none' }],
    ['no volume id', 'INVALID_ARGUMENT', 'ControllerExpandVolume', { capacity_range: { required_bytes: MIB } }],
    ['neither volume id nor range', 'INVALID_ARGUMENT', 'ControllerExpandVolume', {}],
    ['no range, and an unknown volume', 'INVALID_ARGUMENT', 'ControllerExpandVolume', { volume_id: 'some-vol-id' }],
    ['an unknown volume', 'NOT_FOUND', 'ControllerExpandVolume', { volume_id: 'some-vol-id', capacity_range: { required_bytes: MIB } }],
    ['no volume id', 'INVALID_ARGUMENT', 'ControllerModifyVolume', { mutable_parameters: { 'label/tier': 'gold' } }],
    [
      'an unknown volume',
      'NOT_FOUND',
      'ControllerModifyVolume',
      { volume_id: 'some-vol-id', mutable_parameters: { 'label/tier': 'gold' } },
    ],
    ['no change, and an unknown volume', 'INVALID_ARGUMENT', 'ControllerModifyVolume', { volume_id: 'some-vol-id' }],
    [
      'too large a change, and an unknown volume',
      'INVALID_ARGUMENT',
      'ControllerModifyVolume',
      { volume_id: 'some-vol-id', mutable_parameters: { 'label/key': large.key } },
    ],
    ['no volume id', 'INVALID_ARGUMENT', 'ControllerGetVolumeHealth', {}],
    ['no name', 'INVALID_ARGUMENT', 'CreateVolumeGroupSnapshot', { source_volume_ids: ['v'] }],
    ['an unknown volume twice', 'INVALID_ARGUMENT', 'CreateVolumeGroupSnapshot', { name: 'g', source_volume_ids: ['v', 'v'] }],
    ['an empty volume id', 'INVALID_ARGUMENT', 'CreateVolumeGroupSnapshot', { name: 'g', source_volume_ids: [''] }],
    [
      'more volumes than are cut together',
      'INVALID_ARGUMENT',
      'CreateVolumeGroupSnapshot',
      { name: 'g', source_volume_ids: Array.from({ length: 33 }, (_, index) => `v${index}`) },
    ],
    [
      'too large parameters, and an unknown volume',
      'INVALID_ARGUMENT',
      'CreateVolumeGroupSnapshot',
      { name: 'g', source_volume_ids: ['v'], parameters: large },
    ],
    ['no sources', 'INVALID_ARGUMENT', 'CreateVolumeGroupSnapshot', { name: 'g' }],
    ['no id', 'INVALID_ARGUMENT', 'GetVolumeGroupSnapshot', {}],
    ['an unknown id and no snapshot ids', 'NOT_FOUND', 'GetVolumeGroupSnapshot', { group_snapshot_id: 'non-existing' }],
    ['no id', 'INVALID_ARGUMENT', 'DeleteVolumeGroupSnapshot', {}],
    ['no volume id', 'INVALID_ARGUMENT', 'NodePublishVolume', {}],
    ['no target path', 'INVALID_ARGUMENT', 'NodePublishVolume', { volume_id: 'some-vol-id' }],
    ['no capability, and an unknown volume', 'INVALID_ARGUMENT', 'NodePublishVolume', { volume_id: 'some-vol-id', target_path: '/target' }],
    ['an unknown volume', 'NOT_FOUND', 'NodePublishVolume', { volume_id: 'some-vol-id', target_path: '/target', ...cap }],
    [
      'too large a volume context, and an unknown volume',
      'INVALID_ARGUMENT',
      'NodePublishVolume',
      { volume_id: 'some-vol-id', target_path: '/target', ...cap, volume_context: large },
    ],
    [
      'too large a publish context, and an unknown volume',
      'INVALID_ARGUMENT',
      'NodePublishVolume',
      { volume_id: 'some-vol-id', target_path: '/target', ...cap, publish_context: large },
    ],
    [
      'too large a context, and an unknown volume',
      'INVALID_ARGUMENT',
      'NodeStageVolume',
      { volume_id: 'some-vol-id', staging_target_path: '/stage', ...cap, volume_context: large },
    ],
    ['no volume id', 'INVALID_ARGUMENT', 'NodeUnpublishVolume', {}],
    ['no target path', 'INVALID_ARGUMENT', 'NodeUnpublishVolume', { volume_id: 'some-vol-id' }],
    ['no volume id', 'INVALID_ARGUMENT', 'NodeStageVolume', { staging_target_path: '/stage', ...cap }],
    ['no staging path', 'INVALID_ARGUMENT', 'NodeStageVolume', { volume_id: 'some-vol-id', ...cap }],
    ['no capability', 'INVALID_ARGUMENT', 'NodeStageVolume', { volume_id: 'some-vol-id', staging_target_path: '/stage' }],
    ['no volume id', 'INVALID_ARGUMENT', 'NodeUnstageVolume', { staging_target_path: '/stage' }],
    ['no staging path', 'INVALID_ARGUMENT', 'NodeUnstageVolume', { volume_id: 'some-vol-id' }],
    ['no volume id', 'INVALID_ARGUMENT', 'NodeGetVolumeStats', { volume_path: 'some/path' }],
    ['no path', 'INVALID_ARGUMENT', 'NodeGetVolumeStats', { volume_id: 'some-vol-id' }],
    ['an unknown volume at a relative path', 'NOT_FOUND', 'NodeGetVolumeStats', { volume_id: 'some-vol-id', volume_path: 'some/path' }],
    ['no volume id', 'INVALID_ARGUMENT', 'NodeExpandVolume', { volume_path: '/target', ...cap }],
    ['no path', 'INVALID_ARGUMENT', 'NodeExpandVolume', { volume_id: 'some-vol-id', ...cap }],
    [
      'an unknown volume at a relative path, and no range',
      'NOT_FOUND',
      'NodeExpandVolume',
      { volume_id: 'some-vol-id', volume_path: 'some/path' },
    ],
    ['no volume id', 'INVALID_ARGUMENT', 'NodeGetVolumeHealth', {}],
  ];
  for (const [what, code, method, request] of cases) {
    it(`${method} with ${what} is ${code}`, async () => {
      await world.refused(code, method, request);
    });
  }

  const fine: readonly (readonly [string, Method, object])[] = [
    ['an unknown volume', 'DeleteVolume', { volume_id: 'fake-vol-id' }],
    ['an id that no volume can have', 'DeleteVolume', { volume_id: '../../../etc' }],
    ['an id of a node that never was', 'DeleteVolume', { volume_id: 'v1:0123456789abcdef:nowhere' }],
    ['an unknown volume', 'ControllerUnpublishVolume', { volume_id: 'some-vol-id', node_id: 'some-node-id' }],
    ['an unknown snapshot', 'DeleteSnapshot', { snapshot_id: 'non-existing' }],
    ['an unknown group and no snapshot ids', 'DeleteVolumeGroupSnapshot', { group_snapshot_id: 'non-existing' }],
    ['an unknown volume and a target that is not there', 'NodeUnpublishVolume', { volume_id: 'some-vol-id', target_path: '/target' }],
    ['an unknown volume', 'NodeUnstageVolume', { volume_id: 'some-vol-id', staging_target_path: '/stage' }],
    ['no parameters', 'GetCapacity', {}],
  ];
  for (const [what, method, request] of fine) {
    it(`${method} with ${what} is fine`, async () => {
      await world.call(method, request);
    });
  }

  it('ListSnapshots with filters that match nothing is an empty list', async () => {
    expect((await world.call('ListSnapshots', { snapshot_id: 'none-I-hope' })).entries).to.deep.equal([]);
    expect((await world.call('ListSnapshots', { source_volume_id: 'none-I-hope' })).entries).to.deep.equal([]);
  });

  it('a published volume at a path where it is not is NOT_FOUND', async () => {
    const volume = await world.createVolume('stats');
    await world.publish(volume);
    await world.refused('NOT_FOUND', 'NodeGetVolumeStats', { volume_id: volume.volume_id, volume_path: 'some/path' });
    await world.refused('NOT_FOUND', 'NodeExpandVolume', { volume_id: volume.volume_id, volume_path: 'some/path' });
  });

  it('paths that are not absolute are INVALID_ARGUMENT once the volume is known', async () => {
    const volume = await world.createVolume('paths');
    for (const path of ['some/path', '/', '/pods/../etc', '.']) {
      await world.refused('INVALID_ARGUMENT', 'NodePublishVolume', { volume_id: volume.volume_id, target_path: path, ...cap });
      await world.refused('INVALID_ARGUMENT', 'NodeStageVolume', { volume_id: volume.volume_id, staging_target_path: path, ...cap });
    }
  });

  it('refusals carry no details and no trailers of ours', async () => {
    const refusal = await world.refused('NOT_FOUND', 'ControllerGetVolume', { volume_id: 'some-vol-id' });
    expect(Object.keys(refusal.metadata.getMap())).to.not.include('grpc-status-details-bin');
  });

  it('a fault of ours is INTERNAL without a word about it, and stands in the log', async () => {
    const errors: unknown[] = [];
    const faulty = await CsiWorld.open({ log: { ...silentLogger, error: (_, fields) => errors.push(fields) } });
    try {
      const fault = new TypeError('the fault');
      faulty.cluster.fail('getVolume', fault);
      const refusal = await faulty.refused('INTERNAL', 'ControllerGetVolume', { volume_id: 'some-vol-id' });
      expect(refusal.message).to.not.contain('the fault');
      expect(errors).to.deep.equal([{ error: fault }]);
    } finally {
      await faulty.close();
    }
  });

  it('refusals never tell secrets', async () => {
    const secrets = { password: 'hunter2' };
    const refusal = await world.refused('INVALID_ARGUMENT', 'CreateVolume', { name: 'v', ...caps, secrets, parameters: { flavour: 'x' } });
    expect(refusal.message).to.not.contain('hunter2');
  });
});
