import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { AppError, hasReason } from '@volplane/base';
import { hasTool, isRoot } from '@volplane/testkit';
import { callPlugin } from '../../packages/docker-plugin/test/plugin-client.js';
import { volctl } from '../../services/ctl/test/volctl.js';
import { CsiCluster, IMAGES } from './support/csi-cluster.js';
import { refusalOf, repeated, SINGLE, VolumeUser, type VolumeRef } from './support/volume-user.js';

const CALL = { signal: new AbortController().signal, timeoutMs: 20_000 };
const CONTAINER = 'c'.repeat(64);
const MANY = { volume_capability: { mount: {}, access_mode: { mode: 5 } } };

/** One volume behind the doors of CSI, Docker and gRPC: real managers and agents, real etcd, NATS and images. */
describe('csi beside other doors', () => {
  let cluster: CsiCluster;
  let user: VolumeUser;
  before(async function () {
    if (!isRoot() || !(await hasTool('mkfs.ext4'))) this.skip();
    cluster = await CsiCluster.start({
      nodes: ['n1', 'n2'],
      driver: 'image',
      drivers: [IMAGES, { kind: 'shared', name: 'shared', root: 'FOLDER/folders', unguarded: true }],
      agentArgs: ['--docker-plugins=FOLDER/plugins-NODE', '--docker-engines='],
    });
    user = new VolumeUser(cluster);
  });
  after(async () => {
    // Skipped suites have none.
    await (cluster as CsiCluster | undefined)?.stop();
  });

  /** The error that Docker would show, empty = none, and where the volume is then. */
  async function docker(
    node: string,
    method: 'Mount' | 'Unmount',
    name: string,
    plugin = 'volplane',
  ): Promise<{ readonly fault: unknown; readonly path: string }> {
    const socket = join(cluster.folder, 'shared', `plugins-${node}`, `${plugin}.sock`);
    const { body } = await callPlugin(socket, `VolumeDriver.${method}`, { Name: name, ID: CONTAINER });
    return { fault: body['Err'] ?? '', path: String(body['Mountpoint']) };
  }

  /** The rows of `volctl ls` that begin with the name. */
  async function listed(address: string, name: string): Promise<readonly string[]> {
    const { code, stdout, stderr } = await volctl(['ls'], { env: { VOLPLANE_ADDRESS: address } });
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' });
    return stdout.split('\n').filter((line) => line.split(/\s+/)[0] === name);
  }

  async function rpcRefusal(work: Promise<unknown>): Promise<AppError> {
    try {
      await work;
    } catch (error) {
      if (error instanceof AppError) return error;
      throw error;
    }
    return expect.fail('the call was not refused');
  }

  /** ControllerPublish, and the node's own calls for callers that skip it, name the holder. */
  async function expectRefusedToCsi(volume: VolumeRef, holder: string): Promise<void> {
    const place = { ...volume, ...SINGLE, staging_target_path: join(cluster.folder, 'staging', 'refused') };
    const refusals = [
      await refusalOf(cluster.controller().call('ControllerPublishVolume', { ...volume, node_id: 'n1', ...SINGLE })),
      await refusalOf(cluster.node('n1').call('NodeStageVolume', place)),
      await refusalOf(cluster.node('n1').call('NodePublishVolume', { ...place, target_path: user.target('refused') })),
    ];
    for (const { code, message } of refusals) {
      expect(code).to.equal('FAILED_PRECONDITION');
      expect(message).to.contain(holder).and.contain('VOLUME_HELD');
    }
  }

  it('shows a volume made through CSI once in volctl ls, at managers and agents, whoever mounts it', async () => {
    const volume = await user.create('seen');
    await user.publish(volume, 'seen');
    await writeFile(join(user.target('seen'), 'greeting'), 'hello');
    // The same node through three doors: one mount, three uses.
    const mounted = await docker('n1', 'Mount', 'seen');
    expect(mounted.fault).to.equal('');
    expect(await readFile(join(mounted.path, 'greeting'), 'utf8')).to.equal('hello');
    const { path } = await cluster.agent('n1').mountVolume({ name: 'seen', mountId: 'by-grpc' }, CALL);
    expect(await readFile(join(path, 'greeting'), 'utf8')).to.equal('hello');
    for (const address of [cluster.managerAddress, cluster.agentAddress('n1'), cluster.agentAddress('n2')]) {
      const rows = await listed(address, 'seen');
      expect(rows, address).to.have.length(1);
      expect(rows[0]).to.contain('image').and.contain('n1');
    }
    await cluster.agent('n1').unmountVolume({ name: 'seen', mountId: 'by-grpc' }, CALL);
    await user.unpublish(volume, 'seen');
    expect(await readFile(join(mounted.path, 'greeting'), 'utf8'), 'the container keeps it').to.equal('hello');
    await repeated('VolumeDriver.Unmount', async () => ((await docker('n1', 'Unmount', 'seen')).fault === '' ? true : undefined));
    await user.delete(volume);
    expect(await listed(cluster.managerAddress, 'seen')).to.deep.equal([]);
  });

  it('refuses through Docker and gRPC what CSI holds exclusively, and names the holder', async () => {
    const volume = await user.create('held');
    await user.publish(volume, 'held');
    const { fault } = await docker('n2', 'Mount', 'held');
    expect(fault).to.contain('n1').and.contain('VOLUME_HELD');
    const refused = await rpcRefusal(cluster.agent('n2').mountVolume({ name: 'held', mountId: 'by-grpc' }, CALL));
    expect(hasReason(refused, 'VOLUME_HELD')).to.equal(true);
    expect(refused.message).to.contain('n1');
    await user.unpublish(volume, 'held');
    expect((await docker('n2', 'Mount', 'held')).fault, 'free once CSI has let go').to.equal('');
    expect((await docker('n2', 'Unmount', 'held')).fault).to.equal('');
    await user.delete(volume);
  });

  it('refuses through CSI what Docker or gRPC holds exclusively, with FAILED_PRECONDITION and the holder’s name', async () => {
    const volume = await user.create('taken');
    expect((await docker('n2', 'Mount', 'taken')).fault).to.equal('');
    await expectRefusedToCsi(volume, 'n2');
    expect((await docker('n2', 'Unmount', 'taken')).fault).to.equal('');
    await cluster.agent('n2').mountVolume({ name: 'taken', mountId: 'by-grpc' }, CALL);
    await expectRefusedToCsi(volume, 'n2');
    const inUse = await refusalOf(cluster.controller().call('DeleteVolume', volume));
    expect(inUse.code).to.equal('FAILED_PRECONDITION');
    expect(inUse.message).to.contain('n2');
    await cluster.agent('n2').unmountVolume({ name: 'taken', mountId: 'by-grpc' }, CALL);
    await user.publish(volume, 'taken');
    await user.unpublish(volume, 'taken');
    await user.delete(volume);
  });

  it('shares a volume of many writers between CSI on one node and Docker on another', async () => {
    const volume = await user.create('many', { parameters: { driver: 'shared' }, volume_capabilities: [MANY.volume_capability] });
    await user.publish(volume, 'many', 'n1', MANY);
    const mounted = await docker('n2', 'Mount', 'many', 'volplane-shared');
    expect(mounted.fault).to.equal('');
    await writeFile(join(mounted.path, 'file'), 'from docker');
    expect(await readFile(join(user.target('many'), 'file'), 'utf8')).to.equal('from docker');
    const { entries } = await cluster.controller().call('ListVolumes', {});
    const entry = entries.find((one) => one.volume.volume_id === volume.volume_id);
    expect([...(entry?.status.published_node_ids ?? [])].sort()).to.deep.equal(['n1', 'n2']);
    expect(await listed(cluster.managerAddress, 'many')).to.have.length(1);
    expect((await docker('n2', 'Unmount', 'many', 'volplane-shared')).fault).to.equal('');
    await user.unpublish(volume, 'many', 'n1');
    await user.delete(volume);
  });
});
