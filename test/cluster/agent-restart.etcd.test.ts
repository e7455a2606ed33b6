import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError, hasReason } from '@volplane/base';
import { rejection, waitFor } from '@volplane/testkit';
import { expect } from 'chai';
import { context, persist, TestCluster } from './test-cluster.js';

describe('an agent and its mounts', function () {
  this.timeout(180_000);
  let cluster: TestCluster;
  before(async () => {
    cluster = await TestCluster.start({ managers: 1, agents: 2 });
  });
  after(() => cluster.stop());

  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    it(`keep the mount and its references over a restart by ${signal}`, async () => {
      const [manager] = cluster.managers;
      const [agent] = cluster.agents;
      if (manager === undefined || agent === undefined) throw new Error('a manager and an agent were asked for');
      const client = cluster.client(manager);
      const name = `kept-${signal.toLowerCase()}`;
      await persist(() => client.createVolume({ name, driver: 'shared', accessMode: 'single-node-writer' }, context()));
      const { path, seq } = await persist(() => client.mountVolume({ name, node: 'node-1', mountId: 'c1' }, context()));
      await persist(() => client.mountVolume({ name, node: 'node-1', mountId: 'c2' }, context()));
      await writeFile(join(path, 'before'), 'restart');

      await agent.kill(signal);
      expect(await readFile(join(path, 'before'), 'utf8')).to.equal('restart');
      await agent.start();
      await cluster.settled();

      const own = cluster.client(agent);
      expect((await persist(() => own.getVolume({ name }, context()))).mountIds).to.deep.equal(['c1', 'c2']);
      const held = await rejection(client.mountVolume({ name, node: 'node-2', mountId: 'c3' }, context()));
      expect(hasReason(held, 'VOLUME_HELD') && held.failure.fields['mountIds']).to.equal('c1,c2');
      expect((await persist(() => own.mountVolume({ name, mountId: 'c1' }, context()))).seq).to.equal(seq);
      await persist(() => own.unmountVolume({ name, mountId: 'c1' }, context()));
      expect(await rejection(client.removeVolume({ name }, context()))).to.have.property('reason', 'VOLUME_ATTACHED');
      await persist(() => own.unmountVolume({ name, mountId: 'c2' }, context()));
      // On a busy machine the release may still be owed when the unmount is answered.
      const isFree = async (): Promise<boolean> => (await client.getVolume({ name }, context())).attachments.length === 0;
      await waitFor(isFree, { what: `${name} is attached to nobody` });
      await persist(() => client.removeVolume({ name }, context()));
    });
  }

  it('serve local volumes, keep global mounts and refuse new claims at once with everything else down', async () => {
    const [manager] = cluster.managers;
    const [agent] = cluster.agents;
    if (manager === undefined || agent === undefined) throw new Error('a manager and an agent were asked for');
    const client = cluster.client(manager);
    for (const name of ['flat-held', 'flat-free']) await persist(() => client.createVolume({ name, driver: 'shared' }, context()));
    const { path } = await persist(() => client.mountVolume({ name: 'flat-held', node: 'node-1', mountId: 'c1' }, context()));

    await manager.kill('SIGKILL');
    await cluster.etcd.kill('SIGKILL');
    await cluster.nats.kill('SIGKILL');
    const own = cluster.client(agent);
    await persist(() => own.createVolume({ name: 'alone' }, context()));
    const local = await persist(() => own.mountVolume({ name: 'alone', mountId: 'c1' }, context()));
    await writeFile(join(local.path, 'file'), 'alone');
    const listed = await persist(() => own.listVolumes({}, context()));
    expect(listed.volumes.map((volume) => volume.name)).to.deep.equal(['alone']);
    expect(listed.warnings.join()).to.include('global volumes are not listed');
    await persist(() => own.unmountVolume({ name: 'alone', mountId: 'c1' }, context()));
    await persist(() => own.removeVolume({ name: 'alone' }, context()));

    await writeFile(join(path, 'still'), 'here');
    expect((await persist(() => own.mountVolume({ name: 'flat-held', mountId: 'c2' }, context()))).path).to.equal(path);
    const refused = await rejection(own.mountVolume({ name: 'flat-free', mountId: 'c1' }, context()));
    expect(refused).to.be.instanceOf(AppError).with.property('kind', 'unavailable');
    // The last use can always end; its release is owed until somebody is back.
    await persist(() => own.unmountVolume({ name: 'flat-held', mountId: 'c1' }, context()));
    await persist(() => own.unmountVolume({ name: 'flat-held', mountId: 'c2' }, context()));

    await Promise.all([cluster.etcd.restart(), cluster.nats.restart()]);
    await manager.start();
    await cluster.settled();
    const back = cluster.client(manager);
    await waitFor(async () => (await back.getVolume({ name: 'flat-held' }, context())).attachments.length === 0, {
      what: 'the release that was owed to arrive',
    });
  });
});
