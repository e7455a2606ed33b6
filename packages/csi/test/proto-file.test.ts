import { expect } from 'chai';
import { csiService } from '../src/proto-file.js';

/** Bytes that other implementations of the specification send and expect: the numbers of the proto file are a contract. */
describe('proto/csi/v1/csi.proto', () => {
  const requests: readonly (readonly ['Identity' | 'Controller' | 'GroupController' | 'Node', string, object, string])[] = [
    ['Controller', 'CreateVolume', { name: 'a', capacity_range: { required_bytes: 5 } }, '0a0161' + '12020805'],
    [
      'Controller',
      'CreateVolume',
      { volume_capabilities: [{ mount: { fs_type: 'x' }, access_mode: { mode: 7 } }] },
      '1a09' + '12030a0178' + '1a020807',
    ],
    ['Controller', 'CreateVolume', { volume_content_source: { volume: { volume_id: 'v' } } }, '3205' + '12030a0176'],
    [
      'Controller',
      'CreateVolume',
      { accessibility_requirements: { preferred: [{}] }, mutable_parameters: { k: 'v' } },
      '3a021200' + '42060a016b120176',
    ],
    ['Controller', 'ControllerPublishVolume', { volume_id: 'v', node_id: 'n', readonly: true }, '0a0176' + '12016e' + '2001'],
    ['Controller', 'CreateSnapshot', { source_volume_id: 'v', name: 's', accessibility_requirements: {} }, '0a0176' + '120173' + '2a00'],
    ['GroupController', 'GetVolumeGroupSnapshot', { group_snapshot_id: 'g', snapshot_ids: ['s'] }, '0a0167' + '120173'],
    ['Node', 'NodePublishVolume', { staging_target_path: 's', target_path: 't', readonly: true }, '1a0173' + '220174' + '3001'],
    ['Node', 'NodeExpandVolume', { volume_path: 'p', staging_target_path: 's' }, '120170' + '220173'],
  ];
  for (const [service, method, message, hex] of requests) {
    it(`${method} puts ${Object.keys(message).join(' and ')} where everybody else does`, () => {
      expect(csiService(service)[method]?.requestSerialize(message).toString('hex')).to.equal(hex);
    });
  }

  const responses: readonly (readonly ['Identity' | 'Controller' | 'Node', string, object, string])[] = [
    ['Identity', 'Probe', { ready: { value: true } }, '0a020801'],
    [
      'Identity',
      'GetPluginCapabilities',
      { capabilities: [{ service: { type: 5 } }, { volume_expansion: { type: 1 } }] },
      '0a040a020805' + '0a0412020801',
    ],
    [
      'Controller',
      'ControllerGetCapabilities',
      { capabilities: [{ rpc: { type: 11 } }, { rpc: { type: 17 } }] },
      '0a040a02080b' + '0a040a020811',
    ],
    [
      'Controller',
      'ListVolumes',
      { entries: [{ status: { published_node_ids: ['n'], volume_condition: { abnormal: true } } }] },
      '0a09' + '12070a016e' + '12020801',
    ],
    [
      'Controller',
      'CreateSnapshot',
      { snapshot: { snapshot_id: 's', ready_to_use: true, group_snapshot_id: 'g' } },
      '0a08' + '120173' + '2801' + '320167',
    ],
    ['Controller', 'GetCapacity', { available_capacity: 1, minimum_volume_size: { value: 2 } }, '0801' + '1a020802'],
    ['Node', 'NodeGetInfo', { node_id: 'n', max_volumes_per_node: 3, accessible_topology: {} }, '0a016e' + '1003' + '1a00'],
    ['Node', 'NodeGetVolumeStats', { usage: [{ available: 1, total: 2, used: 3, unit: 2 }] }, '0a08' + '0801' + '1002' + '1803' + '2002'],
  ];
  for (const [service, method, message, hex] of responses) {
    it(`${method} answers ${Object.keys(message).join(' and ')} where everybody else looks`, () => {
      expect(csiService(service)[method]?.responseSerialize(message).toString('hex')).to.equal(hex);
    });
  }

  it('keeps sizes of 2^53 and more whole', () => {
    const bytes = csiService('Controller')['CreateVolume']?.requestSerialize({ capacity_range: { required_bytes: '9007199254740993' } });
    const back = csiService('Controller')['CreateVolume']?.requestDeserialize(bytes ?? Buffer.alloc(0));
    expect(back).to.have.nested.property('capacity_range.required_bytes', '9007199254740993');
  });

  it('tells an empty message from an absent one', () => {
    const create = csiService('Controller')['CreateVolume'];
    const read = (message: object): unknown => create?.requestDeserialize(create.requestSerialize(message));
    expect(read({ accessibility_requirements: {} }))
      .to.have.property('accessibility_requirements')
      .that.deep.equals({ requisite: [], preferred: [] });
    expect(read({})).to.have.property('accessibility_requirements', null);
  });
});
