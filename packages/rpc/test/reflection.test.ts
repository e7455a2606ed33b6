import { expect } from 'chai';
import { FakeApi } from './fake-api.js';
import { invoke, Reflector } from './reflector.js';
import { RpcWorld } from './world.js';

/**
 * A client that knows nothing of Volplane: no proto file, no generated type. It asks the server what it serves, and calls it.
 */
describe('server reflection', () => {
  const world = new RpcWorld();
  let address: string;

  before(async () => {
    const server = await world.server(new FakeApi());
    server.setServing(true);
    [address = ''] = server.addresses;
  });

  after(() => world.close());

  for (const version of ['v1', 'v1alpha']) {
    it(`lists the services over ${version}, and lets a generic client call them`, async () => {
      const asker = new Reflector(address, version);
      world.closes(() => {
        asker.close();
      });
      expect(await asker.services()).to.include.members([
        'volplane.v1.Volumes',
        'volplane.v1.Nodes',
        'volplane.v1.Drivers',
        'grpc.health.v1.Health',
      ]);

      const volumes = await asker.client('volplane.v1.Volumes');
      const created = await invoke(volumes, 'CreateVolume', {
        name: 'data',
        driver: 'shared',
        labels: [{ key: 'app', value: 'db' }],
        access_mode: 5,
      });
      expect(created).to.have.nested.property('volume.name', 'data');
      expect(created)
        .to.have.nested.property('volume.labels')
        .deep.equal([{ key: 'app', value: 'db' }]);
      expect(created).to.have.nested.property('volume.access_mode', 'ACCESS_MODE_MULTI_NODE_MULTI_WRITER');
      const page = await invoke(volumes, 'ListVolumes', { page_size: 10 });
      expect(page).to.have.nested.property('volumes.length', 1);
      const refused = await invoke(volumes, 'GetVolume', { name: 'none' }).catch((error: unknown) => error);
      expect(refused).to.include({ code: 5 });
      await invoke(volumes, 'RemoveVolume', { name: 'data' });

      const nodes = await asker.client('volplane.v1.Nodes');
      expect(await invoke(nodes, 'GetNode', { name: 'a' })).to.have.nested.property('node.drivers[0].name', 'shared');
      const health = await asker.client('grpc.health.v1.Health');
      expect(await invoke(health, 'Check', { service: 'volplane.v1.Nodes' })).to.deep.equal({ status: 'SERVING' });
    });
  }
});
