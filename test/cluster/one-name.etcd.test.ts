import { rejection } from '@volplane/testkit';
import { expect } from 'chai';
import { context, persist, TestCluster } from './test-cluster.js';

/** A local and a global volume may share a name; a caller that gives the node means what is on the node first, at whatever door. */
describe('a local and a global volume of one name', function () {
  this.timeout(180_000);
  let cluster: TestCluster;

  before(async () => {
    cluster = await TestCluster.start({ managers: 1, agents: 1 });
  });

  after(() => cluster.stop());

  for (const door of ['manager', 'agent'] as const) {
    it(`are told apart by the node at ${door === 'agent' ? 'an agent' : 'a manager'}: the local one goes first, and alone`, async () => {
      const [service] = door === 'agent' ? cluster.agents : cluster.managers;
      if (service === undefined) throw new Error(`a ${door} was asked for`);
      const client = cluster.client(service);
      const place = { name: 'data', node: 'node-1' };
      const global = await persist(() => client.createVolume({ name: 'data', driver: 'shared' }, context()));
      const local = await persist(() => client.createVolume({ ...place, driver: 'local' }, context()));
      expect(local.uid).to.not.equal(global.uid);

      await client.updateLabels({ ...place, set: { which: 'local' }, drop: [] }, context());
      expect((await client.getVolume(place, context())).labels).to.deep.equal({ which: 'local' });
      await client.removeVolume(place, context());
      const left = await client.getVolume(place, context());
      expect([left.uid, left.labels, left.phase]).to.deep.equal([global.uid, {}, 'ready']);

      // What is left of that name on the node is the global one.
      await client.updateLabels({ ...place, set: { which: 'global' }, drop: [] }, context());
      expect((await client.getVolume({ name: 'data' }, context())).labels).to.deep.equal({ which: 'global' });
      await client.removeVolume(place, context());
      expect((await rejection(client.getVolume({ name: 'data' }, context()))).reason).to.equal('VOLUME_NOT_FOUND');
    });
  }
});
