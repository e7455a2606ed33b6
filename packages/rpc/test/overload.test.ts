import { status } from '@grpc/grpc-js';
import { loadProtocol } from '@volplane/wire';
import { gate, rejection, waitFor } from '@volplane/testkit';
import { expect } from 'chai';
import { service as healthService } from 'grpc-health-check';
import { FakeApi } from './fake-api.js';
import { RawClient, refusal } from './raw-client.js';
import { patient, RpcWorld } from './world.js';

/** A server whose places for one kind of call are all taken: others go on as if nothing were. */
describe('RPC overload', () => {
  const world = new RpcWorld();

  afterEach(() => world.close());

  it('refuses a create that finds no room at once, with a delay, and lets releases, reads and health through', async () => {
    const api = new FakeApi();
    await api.createVolume({ name: 'data' }, patient());
    const free = gate();
    api.before = ({ method }) => (method === 'createVolume' ? free.opened : undefined);
    const server = await world.server(api, { limits: { callsRunningMax: { release: 4, read: 4, write: 2, batch: 1, watch: 1 } } });
    const [address = ''] = server.addresses;
    const client = world.client([address]);
    const running = [1, 2].map((number) => client.createVolume({ name: `new${String(number)}` }, patient()));
    await waitFor(() => server.running('write') === 2, { what: 'both places are taken' });

    const raw = new RawClient(address);
    world.closes(() => {
      raw.close();
    });
    const { createVolume } = loadProtocol().volumes;
    const seen = await refusal(raw.unary(createVolume.path, createVolume.encodeRequest({ name: 'new3' })));
    expect(seen).to.deep.include({ code: status.RESOURCE_EXHAUSTED, reason: 'OVERLOADED', retryDelayMs: 500 });
    expect(seen.fields).to.deep.equal({ callClass: 'write', retryDelayMs: '500' });
    // Not even the bytes are looked at.
    expect((await refusal(raw.unary(createVolume.path, Buffer.from([0x0f])))).reason).to.equal('OVERLOADED');

    await client.getVolume({ name: 'data' }, patient());
    await client.unmountVolume({ name: 'data', mountId: 'c1' }, patient());
    const check = healthService['Check'];
    if (check === undefined) throw new Error('health has no Check');
    await raw.unary(check.path, Buffer.alloc(0));

    free.open();
    await Promise.all(running);
    await client.createVolume({ name: 'new3' }, patient());
    expect(server.running('write')).to.equal(0);
  });

  it('bounds every class', async () => {
    const api = new FakeApi();
    await api.createVolume({ name: 'data' }, patient());
    api.calls.length = 0;
    const free = gate();
    api.before = () => free.opened;
    const server = await world.server(api, { limits: { callsRunningMax: { release: 1, read: 1, write: 1, batch: 1, watch: 1 } } });
    const client = world.client(server.addresses);
    const begin = [
      (): Promise<unknown> => client.unmountVolume({ name: 'data', mountId: 'c1' }, patient()),
      (): Promise<unknown> => client.listVolumes({}, patient()),
      (): Promise<unknown> => client.mountVolume({ name: 'data', mountId: 'c1' }, patient()),
      (): Promise<unknown> => client.createVolumes([{ name: 'new' }], patient()).next(),
      (): Promise<unknown> => client.watchVolumes({}, patient()).next(),
    ];
    const first = begin.map((call) => call());
    await waitFor(() => api.calls.length === begin.length, { what: 'one call of each class runs' });
    for (const call of begin) expect((await rejection(call())).reason).to.equal('OVERLOADED');
    free.open();
    await Promise.all(first);
  });
});
