import { expect } from 'chai';
import { gate, refusal } from '@volplane/testkit';
import { parseEndpoint } from '../../src/endpoint.js';
import type { WireVolume } from '../../src/messages.js';
import { block, CsiWorld, mount } from '../support/csi-world.js';

/** What Docker Swarm's managers and agents do to a plugin. */
describe('csi as swarm calls it', () => {
  let world: CsiWorld;
  beforeEach(async () => {
    world = await CsiWorld.open();
  });
  afterEach(async () => {
    await world.close();
  });

  const staged = (volume: WireVolume): string => `/data/staged/${volume.volume_id.split(':')[0] ?? ''}`;
  const published = (volume: WireVolume): string => `/data/published/${volume.volume_id.split(':')[0] ?? ''}`;
  /** What is sent with every volume, whatever it is. */
  const EMPTY = { mount: {}, access_mode: { mode: 1 } };
  const id = (volume: WireVolume): object => ({ volume_id: volume.volume_id });

  async function agentPublish(volume: WireVolume, capability = mount()): Promise<void> {
    const staging = { staging_target_path: staged(volume), volume_capability: capability };
    await world.call('NodeStageVolume', { ...id(volume), ...staging }, { timeoutMs: 15_000 });
    await world.call('NodePublishVolume', { ...id(volume), ...staging, target_path: published(volume) }, { timeoutMs: 15_000 });
  }

  it('gives the endpoint as a plain path, as long as the socket name has at most 22 characters', () => {
    const prefix = `/run/docker/plugins/${'0'.repeat(64)}/`;
    expect(Buffer.byteLength(prefix)).to.equal(85);
    expect(parseEndpoint(`${prefix}${'c'.repeat(17)}.sock`)).to.have.length(107);
    expect(() => parseEndpoint(`${prefix}${'c'.repeat(18)}.sock`)).to.throw('use a shorter folder or socket name');
  });

  it('dials while the plugin is enabled, and keeps one that was not ready at its first Probe as one without a controller', async () => {
    const early = await CsiWorld.open({ nodes: [{ name: 'n1', drivers: [] }] });
    try {
      expect((await early.call('Probe', {}, { timeoutMs: 15_000 })).ready?.value).to.equal(true);
      await early.call('GetPluginCapabilities');
    } finally {
      await early.close();
    }
  });

  it('learns every capability right behind its first Probe, also while managers are being looked for', async () => {
    const early = await CsiWorld.open({ limits: { retryMs: 10_000 } });
    try {
      early.cluster.fail('listDrivers', refusal('NO_MANAGER'), 3);
      expect((await early.call('Probe', {}, { timeoutMs: 15_000 })).ready?.value).to.equal(true);
      early.cluster.fail('listDrivers', refusal('NO_MANAGER'), 1_000);
      const { capabilities } = await early.call('ControllerGetCapabilities', {}, { timeoutMs: 15_000 });
      expect(capabilities.map(({ rpc }) => rpc.type)).to.include.members([1, 2, 5, 9]);
    } finally {
      await early.close();
    }
  });

  it('is answered within its patience when the control plane hangs', async () => {
    const hanging = gate();
    const early = await CsiWorld.open({ hangingDrivers: hanging.opened });
    try {
      expect((await early.call('Probe', {}, { timeoutMs: 15_000 })).ready?.value).to.equal(true);
    } finally {
      hanging.open();
      await early.close();
    }
  });

  it('creates with a capacity range of {0, 0} and an empty topology requirement', async () => {
    const { volume } = await world.call('CreateVolume', {
      name: 'swarm-1',
      capacity_range: { required_bytes: 0, limit_bytes: 0 },
      accessibility_requirements: {},
      volume_capabilities: [mount()],
    });
    expect(volume.volume_id).to.match(/^swarm-1:/);
  });

  it('attaches block volumes and file systems of any type with an empty mount', async () => {
    const disk = await world.createVolume('disk', { volume_capabilities: [block()] });
    const files = await world.createVolume('files', { volume_capabilities: [mount(1, { fs_type: 'xfs' })] });
    for (const volume of [disk, files])
      await world.call('ControllerPublishVolume', { ...id(volume), node_id: 'n1', volume_capability: EMPTY });
    await agentPublish(disk, block());
    await agentPublish(files, mount(1, { fs_type: 'xfs' }));
  });

  it('makes no staging folder: the plugin does', async () => {
    const volume = await world.createVolume('v1');
    await agentPublish(volume);
    expect(world.host.folders).to.include(staged(volume)).and.include(published(volume));
  });

  it('skips ControllerPublishVolume after a change of its leader, and the node finds its data by the id alone', async () => {
    const volume = await world.createVolume('v1');
    await agentPublish(volume);
    expect(world.cluster.find('v1')?.held.has(world.cluster.node('n1').name)).to.equal(true);
  });

  it('skips NodeStageVolume after a restart of its agent', async () => {
    const volume = await world.createVolume('v1');
    await world.call('NodePublishVolume', { ...id(volume), target_path: published(volume), volume_capability: mount() });
    expect(world.host.at(published(volume))).to.not.equal(undefined);
  });

  it('never unstages: the volume can be detached, deleted and used elsewhere all the same', async () => {
    const volume = await world.createVolume('v1');
    await world.call('ControllerPublishVolume', { ...id(volume), node_id: 'n1', volume_capability: EMPTY });
    await agentPublish(volume);
    await world.call('NodeUnpublishVolume', { ...id(volume), target_path: published(volume) });
    await world.call('ControllerUnpublishVolume', { ...id(volume), node_id: 'n1' });
    expect(world.cluster.find('v1')?.held.size).to.equal(0);
    await world.call('ControllerPublishVolume', { ...id(volume), node_id: 'n2', volume_capability: EMPTY });
    await world.call('ControllerUnpublishVolume', { ...id(volume), node_id: 'n2' });
    await world.call('DeleteVolume', id(volume));
  });

  it('deletes what it has neither unstaged nor detached', async () => {
    const volume = await world.createVolume('v1');
    await world.call('ControllerPublishVolume', { ...id(volume), node_id: 'n1', volume_capability: EMPTY });
    await world.call('NodeStageVolume', { ...id(volume), staging_target_path: staged(volume), volume_capability: mount() });
    await world.call('DeleteVolume', id(volume));
    expect(world.cluster.volumes.size).to.equal(0);
  });

  it('publishes again after its agent has lost its list, and finds the target as it was', async () => {
    const volume = await world.createVolume('v1');
    await agentPublish(volume);
    await agentPublish(volume);
    expect(world.host.mounts.filter((entry) => entry.target === published(volume))).to.have.length(1);
  });

  it('is told of a failure within two seconds: one volume that fails holds up its whole queue', async () => {
    const usual = await CsiWorld.open({ limits: { retryMs: 1_500 } });
    try {
      const volume = await usual.createVolume('v1');
      usual.cluster.fail('mountVolume', refusal('NO_MANAGER'), 1_000);
      await usual.refused(
        'UNAVAILABLE',
        'ControllerPublishVolume',
        { ...id(volume), node_id: 'n1', volume_capability: EMPTY },
        { timeoutMs: 15_000 },
      );
    } finally {
      await usual.close();
    }
  });

  it('forgets a volume by force without deleting it, and the volume is still listed', async () => {
    await world.createVolume('forgotten');
    expect((await world.call('ListVolumes')).entries).to.have.length(1);
  });
});
