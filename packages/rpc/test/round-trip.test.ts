import { AppError, REASONS, type Reason } from '@volplane/base';
import type { VolplaneApi } from '@volplane/engine';
import type { VolplaneClient } from '@volplane/rpc';
import { rejection } from '@volplane/testkit';
import { expect } from 'chai';
import { FakeApi, NODE_A, NODE_B } from './fake-api.js';
import { collect, patient, RpcWorld } from './world.js';

describe('API over gRPC', () => {
  const world = new RpcWorld();
  let api: FakeApi;
  let client: VolplaneClient;

  before(async () => {
    api = new FakeApi();
    const server = await world.server(api);
    client = world.client(server.addresses);
  });

  beforeEach(() => {
    api.volumes.clear();
    api.calls.length = 0;
    api.before = () => undefined;
  });

  after(() => world.close());

  /** Calls, and proves that the API saw the request as given and that the client got the answer as given. */
  async function carries<Name extends keyof VolplaneApi>(method: Name, request: Parameters<VolplaneApi[Name]>[0]): Promise<void> {
    const call = client[method] as (request: unknown, context: unknown) => Promise<unknown>;
    const answer = await call.call(client, request, patient());
    const seen = api.callsOf(method).at(-1);
    expect(seen?.request).to.deep.equal(request);
    expect(answer).to.deep.equal(seen?.answer);
  }

  it('carries every volume call', async () => {
    await carries('createVolume', { name: 'data', driver: 'shared', options: { quota: '5' }, labels: { app: 'db' }, sizeBytes: 2 ** 40 });
    await carries('createVolume', { name: 'other' });
    await carries('getVolume', { name: 'data', node: 'a' });
    await carries('listVolumes', { pageSize: 1, filter: { namePrefix: 'd', labels: { app: '' }, dangling: true }, stale: true });
    await carries('listVolumes', {});
    await carries('updateLabels', { name: 'data', set: { tier: 'gold' }, drop: ['app'], expectedGeneration: 101, takeover: 'lease' });
    await carries('mountVolume', { name: 'data', node: 'a', mountId: 'c1', mode: 'rw' });
    await carries('getPath', { name: 'data' });
    await carries('explainVolume', { name: 'data', forNode: 'b', atRevision: 5 });
    await carries('unmountVolume', { name: 'data', node: 'a', mountId: 'c1', seq: 7 });
    await carries('getPath', { name: 'data' });
    await carries('getStatus', { name: 'data' });
    await carries('transferOwnership', { name: 'data', toNode: 'b' });
    await carries('forceRelease', { name: 'data', node: 'a', note: 'the node burnt' });
    await carries('releaseGone', { name: 'data', node: 'a' });
    await carries('expandVolume', { name: 'data', sizeBytes: 2 ** 41 });
    await carries('createSnapshot', { name: 'data', snapshot: 'monday' });
    await carries('listSnapshots', { filter: { volume: 'data' } });
    await carries('removeSnapshot', { name: 'data', snapshot: 'monday' });
    await carries('forgetVolume', { name: 'other' });
    await carries('removeVolume', { name: 'data', uid: 'x' });
  });

  it('carries every node and driver call', async () => {
    await carries('listNodes', { pageSize: 2, pageToken: 'x' });
    await carries('getNode', { name: 'a' });
    await carries('cordonNode', { name: 'a', cordoned: true });
    await carries('cordonNode', { name: 'a', cordoned: false });
    await carries('drainNode', { name: 'a' });
    await carries('planNodeLost', { name: 'b' });
    await carries('declareNodeLost', { name: 'b', planRevision: 'r42', note: 'gone for good' });
    await carries('listDrivers', { node: 'a' });
    await carries('getCapacity', { driver: 'shared', node: 'a' });
  });

  it('carries every watch to its end', async () => {
    expect(await collect(client.watchNodes({ namePrefix: 'n' }, patient()))).to.deep.equal([
      { type: 'present', node: NODE_A },
      { type: 'present', node: NODE_B },
      { type: 'synced' },
    ]);
    expect(api.callsOf('watchNodes')[0]?.request).to.deep.equal({ namePrefix: 'n' });
  });

  it('carries a watch as it happens, and ends it when the caller stops reading', async () => {
    await client.createVolume({ name: 'data' }, patient());
    const seen: string[] = [];
    for await (const event of client.watchVolumes({}, patient())) {
      seen.push(event.type);
      if (event.type === 'synced') await client.updateLabels({ name: 'data', set: { a: 'b' }, drop: [] }, patient());
      if (event.type === 'changed') await client.removeVolume({ name: 'data' }, patient());
      if (event.type === 'removed') break;
    }
    expect(seen).to.deep.equal(['present', 'synced', 'changed', 'removed']);
  });

  it('brings every reason back as it was thrown', async () => {
    for (const reason of Object.keys(REASONS) as Reason[]) {
      const thrown = new AppError(reason, `volume data: ${reason} — 100% é`, { volume: 'data', holder: 'b', since: '2026' });
      api.before = () => {
        throw thrown;
      };
      // Not createVolume: the client would try some reasons again.
      const caught = await rejection(client.declareNodeLost({ name: 'a', planRevision: 'x', note: 'y' }, patient()));
      expect(caught.failure).to.deep.equal(thrown.failure);
    }
  });
});
