import { AppError, errorText } from '@volplane/base';
import type { CreateVolumeRequest } from '@volplane/domain';
import type { BatchResult } from '@volplane/wire';
import { gate, rejection, waitFor } from '@volplane/testkit';
import { expect } from 'chai';
import { FakeApi } from './fake-api.js';
import { collect, patient, RpcWorld } from './world.js';

describe('batch create over gRPC', () => {
  const world = new RpcWorld();

  afterEach(() => world.close());

  it('creates every volume of many messages, and gives each its result by its place', async () => {
    const api = new FakeApi();
    const server = await world.server(api);
    const names = Array.from({ length: 500 }, (_, index) => `data${String(index)}`);
    const results = await collect(world.client(server.addresses).createVolumes(requestsFor(names), patient()));
    expect(results).to.have.length(500);
    expect(new Map(results.map((result) => [result.index, nameOf(result)]))).to.deep.equal(new Map(names.entries()));
    expect(api.volumes.size).to.equal(500);
  });

  it('refuses a bad volume alone, with its reason and fields', async () => {
    const server = await world.server(new FakeApi());
    const requests = [{ name: 'data' }, { name: '/etc' }, { name: 'data', options: { quota: '1' } }, { name: 'good' }];
    const results = (await collect(world.client(server.addresses).createVolumes(requests, patient()))).sort(
      (one, other) => one.index - other.index,
    );
    expect(results.map((result) => ('failure' in result ? result.failure.reason : nameOf(result)))).to.deep.equal([
      'data',
      'INVALID_NAME',
      'VOLUME_CONFLICT',
      'good',
    ]);
    expect(results[2]).to.have.nested.property('failure.fields').deep.equal({ volume: 'data', difference: 'options' });
  });

  it('gives results in the order in which the volumes are done', async () => {
    const api = new FakeApi();
    const slow = gate();
    api.before = ({ request }) => ((request as CreateVolumeRequest).name === 'slow' ? slow.opened : undefined);
    const server = await world.server(api);
    const results = world.client(server.addresses).createVolumes(requestsFor(['slow', 'fast']), patient());
    expect(nameOf((await results.next()).value as BatchResult)).to.equal('fast');
    slow.open();
    expect(nameOf((await results.next()).value as BatchResult)).to.equal('slow');
    expect((await results.next()).done).to.equal(true);
  });

  it('loses no volume of a message that waits while the next ones come', async () => {
    const api = new FakeApi();
    const server = await world.server(api, { limits: { batchWindow: 10 } });
    const names = Array.from({ length: 500 }, (_, index) => `data${String(index)}`);
    api.before = async () => {
      await Promise.resolve();
    };
    const results = await collect(world.client(server.addresses).createVolumes(requestsFor(names), patient()));
    expect(new Map(results.map((result) => [result.index, nameOf(result)]))).to.deep.equal(new Map(names.entries()));
  });

  it('begins no more volumes when the server stops, and says so for each', async () => {
    const api = new FakeApi();
    const free = gate();
    api.before = () => free.opened;
    const server = await world.server(api, { limits: { batchWindow: 1 } });
    const results = collect(world.client(server.addresses).createVolumes(requestsFor(['first', 'second']), patient()));
    await waitFor(() => api.calls.length === 1, { what: 'the first is begun' });
    const closed = server.close(30_000);
    free.open();
    expect((await results).map((result) => ('failure' in result ? result.failure.reason : nameOf(result)))).to.deep.equal([
      'first',
      'SHUTTING_DOWN',
    ]);
    await closed;
    expect(api.calls).to.have.length(1);
  });

  it('has no more volumes in work than its window, whatever the caller sends', async () => {
    const api = new FakeApi();
    const free = gate();
    api.before = () => free.opened;
    const server = await world.server(api, { limits: { batchWindow: 10 } });
    let sent = 0;
    const endless = function* (): Generator<CreateVolumeRequest> {
      for (; sent < 100_000; sent += 1) yield { name: `data${String(sent)}`, labels: { note: 'x'.repeat(2_000) } };
    };
    const caller = new AbortController();
    const results = collect(world.client(server.addresses).createVolumes(endless(), { signal: caller.signal, timeoutMs: 30_000 }));
    await waitFor(() => api.calls.length === 10, { what: 'the window is full' });
    let before = -1;
    await waitFor(
      () => {
        const still = sent === before;
        before = sent;
        return still;
      },
      { what: 'the caller waits' },
    );
    expect(api.calls).to.have.length(10);
    expect(sent).to.be.below(20_000);
    caller.abort();
    expect((await rejection(results)).reason).to.equal('CANCELLED');
    await waitFor(() => server.running('batch') === 0, { what: 'no batch runs' });
    expect(api.calls[0]?.context.signal.aborted).to.equal(true);
    free.open();
  });

  it('splits results that would not fit into one message', async () => {
    const api = new FakeApi();
    const free = gate();
    api.before = () => free.opened;
    const server = await world.server(api, { limits: { answerBytesMax: 20_000 } });
    const requests = Array.from({ length: 20 }, (_, index) => ({ name: `data${String(index)}`, labels: { note: 'x'.repeat(4_000) } }));
    const results = collect(world.client(server.addresses).createVolumes(requests, patient()));
    await waitFor(() => api.calls.length === 20, { what: 'all are in work' });
    free.open();
    expect(await results).to.have.length(20);
  });

  it('refuses the whole stream for a message that is none, and begins nothing of it', async () => {
    const api = new FakeApi();
    const server = await world.server(api, { limits: { requestBytesMax: 1_000 } });
    const large = [{ name: 'data', labels: { note: 'x'.repeat(2_000) } }];
    const error = await rejection(collect(world.client(server.addresses).createVolumes(large, patient())));
    expect(error.reason).to.equal('TOO_LARGE');
    expect(api.calls).to.deep.equal([]);
  });

  it("passes on what the source of the requests throws, and ends the server's part", async () => {
    const server = await world.server(new FakeApi());
    const source = function* (): Generator<CreateVolumeRequest> {
      yield { name: 'data' };
      throw new AppError('INVALID_ARGUMENT', 'line 2 is no volume');
    };
    const error = await rejection(collect(world.client(server.addresses).createVolumes(source(), patient())));
    expect(error.message).to.equal('line 2 is no volume');
    await waitFor(() => server.running('batch') === 0, { what: 'no batch runs' });
  });

  it('ends an empty batch with no result', async () => {
    const server = await world.server(new FakeApi());
    expect(await collect(world.client(server.addresses).createVolumes([], patient()))).to.deep.equal([]);
  });

  it('connects to the next address when the first does not answer', async () => {
    const server = await world.server(new FakeApi());
    const results = await collect(world.client(['127.0.0.1:1', ...server.addresses]).createVolumes([{ name: 'data' }], patient()));
    expect(results.map(nameOf)).to.deep.equal(['data']);
    const error = await rejection(collect(world.client(['127.0.0.1:1']).createVolumes([{ name: 'data' }], patient())));
    expect(error.reason).to.equal('UNREACHABLE');
    const { cause } = error;
    expect(cause instanceof AppError ? errorText(cause.cause) : cause, 'what the network said').to.contain('ECONNREFUSED');
  });
});

function* requestsFor(names: readonly string[]): Generator<CreateVolumeRequest> {
  for (const name of names) yield { name };
}

function nameOf(result: BatchResult): string {
  return 'volume' in result ? result.volume.name : `refused: ${result.failure.message}`;
}
