import { networkInterfaces } from 'node:os';
import { AppError, silentLogger, systemClock } from '@volplane/base';
import { RpcServer } from '@volplane/rpc';
import { freePorts, gate, rejection, waitFor } from '@volplane/testkit';
import { expect } from 'chai';
import { service as healthService } from 'grpc-health-check';
import { FakeApi } from './fake-api.js';
import { RawClient } from './raw-client.js';
import { patient, recordingLogger, RpcWorld } from './world.js';

describe('RPC server lifecycle', () => {
  const world = new RpcWorld();

  afterEach(() => world.close());

  function rawClient(address = ''): RawClient {
    const raw = new RawClient(address);
    world.closes(() => {
      raw.close();
    });
    return raw;
  }

  /** What a health check is told. */
  async function health(raw: RawClient, service: string): Promise<unknown> {
    const check = healthService['Check'];
    if (check === undefined) throw new Error('health has no Check');
    return check.responseDeserialize(await raw.unary(check.path, check.requestSerialize({ service })));
  }

  it('says NOT_SERVING until told otherwise, for the server and for each service, and answers calls all the while', async () => {
    const server = await world.server(new FakeApi());
    const raw = rawClient(server.addresses[0]);
    for (const service of ['', 'volplane.v1.Volumes', 'volplane.v1.Nodes', 'volplane.v1.Drivers']) {
      server.setServing(false);
      expect(await health(raw, service)).to.deep.equal({ status: 'NOT_SERVING' });
      server.setServing(true);
      expect(await health(raw, service)).to.deep.equal({ status: 'SERVING' });
    }
    server.setServing(false);
    await world.client(server.addresses).listVolumes({}, patient());
  });

  it('lets running calls end at close, and refuses others', async () => {
    const api = new FakeApi();
    const free = gate();
    api.before = () => free.opened;
    const server = await world.server(api);
    const raw = rawClient(server.addresses[0]);
    const call = world.client(server.addresses).createVolume({ name: 'data' }, patient());
    await waitFor(() => server.running('write') === 1, { what: 'the call runs' });
    const closed = server.close(30_000);
    // The listener is gone, and the connection of the call takes no other.
    expect((await rejection(world.client(server.addresses).getVolume({ name: 'data' }, patient()))).reason).to.equal('UNREACHABLE');
    free.open();
    expect(await call).to.have.property('name', 'data');
    await closed;
    raw.close();
  });

  it('ends what does not end in time with an unknown outcome, and fires its signal', async () => {
    const api = new FakeApi();
    const never = gate();
    api.before = () => never.opened;
    const { log, lines } = recordingLogger();
    const server = await world.server(api, { log });
    const call = rejection(world.client(server.addresses).forgetVolume({ name: 'data' }, patient()));
    await waitFor(() => server.running('write') === 1, { what: 'the call runs' });
    await server.close(20);
    expect((await call).reason).to.equal('UNKNOWN_OUTCOME');
    expect(api.calls[0]?.context.signal.reason).to.be.instanceOf(AppError);
    expect(lines.find(({ message }) => message === 'calls ended unfinished')?.fields).to.deep.equal({ calls: 1 });
    never.open();
  });

  it('ends watches at once, so that they begin anew elsewhere', async () => {
    const server = await world.server(new FakeApi());
    const watch = world.client(server.addresses).watchVolumes({}, patient());
    await watch.next();
    const next = rejection(watch.next());
    await server.close(30_000);
    expect((await next).reason).to.equal('SHUTTING_DOWN');
  });

  it('closes while a health watch and an idle caller hang on, and may be closed again', async () => {
    const server = await world.server(new FakeApi());
    const raw = rawClient(server.addresses[0]);
    const watch = healthService['Watch'];
    if (watch === undefined) throw new Error('health has no Watch');
    const stream = raw.grpc.makeServerStreamRequest(watch.path, watch.requestSerialize, watch.responseDeserialize, { service: '' });
    stream.on('error', () => undefined);
    const statuses: unknown[] = [];
    stream.on('data', (status) => statuses.push(status));
    await waitFor(() => statuses.length === 1, { what: 'the watch has begun' });
    await Promise.all([server.close(0), server.close(30_000)]);
    await server.close();
    expect(statuses).to.deep.equal([{ status: 'NOT_SERVING' }, { status: 'NOT_SERVING' }]);
  });

  it('listens on every address, or on none', async () => {
    const taken = await world.server(new FakeApi());
    const [address = ''] = taken.addresses;
    const [port] = await freePorts(1);
    const freeAddress = `127.0.0.1:${String(port)}`;
    const open = RpcServer.open({ listen: [freeAddress, address], log: silentLogger, clock: systemClock, api: new FakeApi() });
    const error = await rejection(open);
    expect(error.failure).to.deep.include({ reason: 'INVALID_ARGUMENT' });
    expect(error.message).to.include(address);
    // The first address was given back.
    await world.server(new FakeApi(), { listen: [freeAddress] });
  });

  it('serves several addresses at once', async () => {
    const api = new FakeApi();
    const hosts = ['127.0.0.1', 'localhost', ...(hasIpv6() ? ['[::1]'] : [])];
    const server = await world.server(api, { listen: hosts.map((host) => `${host}:0`) });
    for (const address of server.addresses) await world.client([address]).listVolumes({}, patient());
    expect(api.calls).to.have.length(hosts.length);
    expect(server.addresses.map((address) => address.replace(/:\d+$/, ''))).to.deep.equal(hosts);
  });

  it('refuses an address that is none', async () => {
    for (const address of [
      '',
      'localhost',
      'localhost:x',
      'localhost:65536',
      'http://localhost:1',
      'unix:',
      'unix://run/x',
      '::1:80',
      'a b:1',
    ]) {
      const open = RpcServer.open({ listen: [address], log: silentLogger, clock: systemClock, api: new FakeApi() });
      expect((await rejection(open)).reason, address).to.equal('INVALID_ARGUMENT');
    }
  });
});

function hasIpv6(): boolean {
  return Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ address }) => address === '::1'));
}
