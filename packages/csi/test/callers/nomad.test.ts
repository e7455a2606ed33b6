import { expect } from 'chai';
import { fakeApi, FakeCluster, gate, refusal, waitFor } from '@volplane/testkit';
import { parseEndpoint } from '../../src/endpoint.js';
import type { WireVolume } from '../../src/messages.js';
import { CsiClient } from '../support/csi-client.js';
import { CsiWorld, GLOBAL, MIB, mount } from '../support/csi-world.js';

/** What Nomad's servers and clients do to a plugin. Numbers are issues of hashicorp/nomad, where no other project is named. */
describe('csi as nomad calls it', () => {
  let world: CsiWorld;
  beforeEach(async () => {
    world = await CsiWorld.open();
  });
  afterEach(async () => {
    await world.close();
  });

  const base = '/local/csi';
  const staging = (usage: string): string => `${base}/staging/default/db/${usage}`;
  const target = (alloc: string, usage = 'rw-file-system-single-node-writer'): string => `${base}/per-alloc/${alloc}/db/${usage}`;
  const capability = { volume_capability: mount() };
  const id = (volume: WireVolume): object => ({ volume_id: volume.volume_id });

  it('fingerprints: probe, names, capabilities and a node id that is not empty', async () => {
    await world.call('Probe', {}, { timeoutMs: 5_000 });
    await world.call('GetPluginInfo');
    await world.call('GetPluginCapabilities');
    await world.call('ControllerGetCapabilities');
    await world.call('NodeGetCapabilities');
    expect(await world.call('NodeGetInfo')).to.include({ node_id: 'n1', max_volumes_per_node: '0' });
  });

  it('creates, validates, claims and gives back a volume', async () => {
    const volume = await world.createVolume('db');
    await world.call('ValidateVolumeCapabilities', { ...id(volume), volume_capabilities: [mount()], volume_context: {} });
    await world.call('ControllerPublishVolume', { ...id(volume), node_id: 'n1', ...capability });
    await world.call('NodeStageVolume', { ...id(volume), staging_target_path: staging('rw'), ...capability });
    await world.call('NodePublishVolume', { ...id(volume), staging_target_path: staging('rw'), target_path: target('a1'), ...capability });
    await world.call('NodeUnpublishVolume', { ...id(volume), target_path: target('a1') });
    await world.call('NodeUnstageVolume', { ...id(volume), staging_target_path: staging('rw') });
    await world.call('ControllerUnpublishVolume', { ...id(volume), node_id: 'n1' });
    expect(world.uses(volume)).to.deep.equal([]);
  });

  it('25072: validates every volume before it is used, and compares each field of the answer with what it asked', async () => {
    const volume = await world.createVolume('db', { volume_capabilities: [mount(1, { fs_type: 'ext4', mount_flags: ['noatime'] })] });
    const asked = [1, 2].map((mode) => mount(mode, { fs_type: 'ext4', mount_flags: ['noatime', 'nodev'] }));
    const { confirmed } = await world.call('ValidateVolumeCapabilities', { ...id(volume), volume_capabilities: asked, volume_context: {} });
    expect(confirmed?.volume_capabilities.map(({ mount: told, access_mode }) => ({ mount: told, access_mode }))).to.deep.equal(
      [1, 2].map((mode) => ({
        mount: { fs_type: 'ext4', mount_flags: ['noatime', 'nodev'], volume_mount_group: '' },
        access_mode: { mode },
      })),
    );
  });

  it('gives tasks without a file system of their own (raw_exec) the long path on the host, which is served or refused loudly', () => {
    const alloc = '0'.repeat(8) + '-0000-0000-0000-' + '0'.repeat(12);
    const usual = `unix:///var/lib/nomad/client/csi/plugins/${alloc}/csi.sock`;
    expect(parseEndpoint(usual)).to.equal(usual.slice('unix://'.length));
    const deep = `unix:///srv/clusters/production/${'d'.repeat(30)}/client/csi/plugins/${alloc}/csi.sock`;
    expect(() => parseEndpoint(deep)).to.throw('use a shorter folder or socket name');
  });

  it('names the volumes of per_alloc groups with brackets', async () => {
    const ids = await Promise.all(['db[0]', 'db[1]'].map(async (name) => (await world.createVolume(name)).volume_id));
    expect(new Set(ids).size).to.equal(2);
  });

  it('registers a volume of another door by its plain name', async () => {
    const context = { signal: new AbortController().signal, timeoutMs: 1_000 };
    await fakeApi(world.cluster).createVolume({ name: 'mydata', driver: 'shared' }, context);
    const plain = { volume_id: 'mydata' };
    expect((await world.call('ValidateVolumeCapabilities', { ...plain, volume_capabilities: [mount()] })).confirmed).to.not.equal(null);
    await world.call('ControllerPublishVolume', { ...plain, node_id: 'n1', ...capability });
    await world.call('NodePublishVolume', { ...plain, target_path: target('a1'), ...capability });
    await world.call('NodeUnpublishVolume', { ...plain, target_path: target('a1') });
    await world.call('ControllerUnpublishVolume', { ...plain, node_id: 'n1' });
  });

  it('expands with a staging path and the target as the path of the volume', async () => {
    const volume = await world.createVolume('db');
    await world.publish(volume, target('a1'));
    const request = { ...id(volume), volume_path: target('a1'), staging_target_path: staging('rw'), ...capability };
    await world.call('NodeExpandVolume', { ...request, capacity_range: { required_bytes: 32 * MIB } });
  });

  it('lists snapshots with nothing but a size and a token', async () => {
    await world.createSnapshot('s1', await world.createVolume('db'));
    expect((await world.call('ListSnapshots', { max_entries: 30, starting_token: '' })).entries).to.have.length(1);
  });

  it('stages one volume at two paths of one node, one for each way of use', async () => {
    const volume = await world.createVolume('db', { volume_capabilities: [mount(5)] });
    const shared = { volume_capability: mount(5) };
    await world.call('NodeStageVolume', { ...id(volume), staging_target_path: staging('rw'), ...shared });
    await world.call('NodeStageVolume', { ...id(volume), staging_target_path: staging('ro'), volume_capability: mount(3) });
    await world.call('NodePublishVolume', { ...id(volume), staging_target_path: staging('rw'), target_path: target('a1'), ...shared });
    await world.call('NodeUnstageVolume', { ...id(volume), staging_target_path: staging('ro') });
    await world.refused('FAILED_PRECONDITION', 'NodeUnstageVolume', { ...id(volume), staging_target_path: staging('rw') });
  });

  it('does not hear of a change of managers', async () => {
    const patient = await CsiWorld.open({ limits: { retryMs: 5_000 } });
    try {
      const volume = await patient.createVolume('db');
      patient.cluster.fail('mountVolume', refusal('NO_MANAGER'), 2);
      await patient.call('ControllerPublishVolume', { volume_id: volume.volume_id, node_id: 'n1', ...capability });
    } finally {
      await patient.close();
    }
  });

  it('cvmfs-csi 52: sends a topology requirement with nothing in it', async () => {
    await world.createVolume('db', { accessibility_requirements: {} });
    await world.createVolume('local-db', {
      accessibility_requirements: { requisite: [{}], preferred: [] },
      parameters: { driver: 'local' },
    });
  });

  it('7771, democratic-csi 438: publishes without any volume context', async () => {
    const volume = await world.createVolume('db');
    await world.call('NodePublishVolume', {
      ...id(volume),
      target_path: target('a1'),
      ...capability,
      volume_context: {},
      publish_context: {},
    });
  });

  it('24130: detaches twice', async () => {
    const volume = await world.createVolume('db');
    await world.call('ControllerPublishVolume', { ...id(volume), node_id: 'n1', ...capability });
    await Promise.all([1, 2].map(() => world.call('ControllerUnpublishVolume', { ...id(volume), node_id: 'n1' })));
    await world.call('ControllerUnpublishVolume', { ...id(volume), node_id: 'n1' });
  });

  it('20424: unstages for one allocation while it publishes for the next, and the next has its volume', async () => {
    const volume = await world.createVolume('db');
    await world.publish(volume, target('a1'));
    await world.call('NodeUnpublishVolume', { ...id(volume), target_path: target('a1') });
    const publish = { ...id(volume), staging_target_path: '/stage', target_path: target('a2'), ...capability };
    await Promise.all([
      world.call('NodeUnstageVolume', { ...id(volume), staging_target_path: '/stage' }),
      world.call('NodePublishVolume', publish),
    ]);
    expect(world.host.at(target('a2'))).to.not.equal(undefined);
    expect(world.uses(volume).some((use) => use.startsWith('csi-publish'))).to.equal(true);
  });

  it('25813: unstages after a restart while another allocation still has the volume, and is refused', async () => {
    const volume = await world.createVolume('db');
    await world.publish(volume, target('a1'));
    await world.refused('FAILED_PRECONDITION', 'NodeUnstageVolume', { ...id(volume), staging_target_path: '/stage' });
    expect(world.host.at(target('a1'))).to.not.equal(undefined);
  });

  it('26766: stages without the secrets that it had before', async () => {
    const volume = await world.createVolume('db');
    const request = { ...id(volume), staging_target_path: staging('rw'), ...capability };
    await world.call('NodeStageVolume', { ...request, secrets: { key: 'x' } });
    await world.call('NodeStageVolume', request);
    expect(world.uses(volume)).to.have.length(1);
  });

  it('13301, 8080, 10927: detaches from a node that is down without having unpublished, on evidence', async () => {
    const volume = await world.createVolume('db', { parameters: { takeover: 'lease' } });
    await world.publish(volume, target('a1'));
    world.cluster.node('n1').state = 'gone';
    await world.call('ControllerUnpublishVolume', { ...id(volume), node_id: 'n1' });
    await world.call('ControllerPublishVolume', { ...id(volume), node_id: 'n2', ...capability });
  });

  it('8232, 10356: goes away in the middle of a call, and the work is finished', async () => {
    const hanging = gate();
    const cluster = new FakeCluster({ nodes: [{ name: 'n1', drivers: [GLOBAL] }] });
    const slow = await CsiWorld.open({ cluster, hangingMounts: hanging.opened });
    const client = new CsiClient(slow.server.path);
    try {
      const volume = await slow.createVolume('db');
      const call = client.call('ControllerPublishVolume', { ...id(volume), node_id: 'n1', ...capability }, { timeoutMs: 500 });
      let refused: unknown;
      await call.catch((error: unknown) => {
        refused = error;
      });
      expect(refused).to.be.instanceOf(Error);
      hanging.open();
      await waitFor(() => slow.uses(volume).includes('csi-attach:rw'), { what: 'the volume is attached' });
    } finally {
      client.close();
      await slow.close();
    }
  });
});
