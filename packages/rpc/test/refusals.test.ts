import { status } from '@grpc/grpc-js';
import { AppError, noTelemetry, sleep, systemClock, type Failure } from '@volplane/base';
import { loadProtocol } from '@volplane/wire';
import { gate, rejection, waitFor } from '@volplane/testkit';
import { expect } from 'chai';
import { STATUS_BYTES_MAX } from '../src/status-text.js';
import { FakeApi } from './fake-api.js';
import { RawClient, refusal, type SeenRefusal } from './raw-client.js';
import { collect, patient, recordingLogger, RpcWorld, type LogLine } from './world.js';

/** Calls as strangers and faults make them: each is answered, with a reason, and the server goes on. */
describe('RPC refusals', () => {
  const { volumes } = loadProtocol();
  const world = new RpcWorld();
  let api: FakeApi;
  let address: string;
  let raw: RawClient;
  let lines: LogLine[];

  before(async () => {
    const recording = recordingLogger();
    lines = recording.lines;
    api = new FakeApi();
    const server = await world.server(api, {
      log: recording.log,
      limits: { requestBytesMax: 10_000, answerBytesMax: 20_000, callTimeoutMsMax: 600 },
    });
    address = server.addresses[0] ?? '';
    raw = new RawClient(address);
    world.closes(() => {
      raw.close();
    });
  });

  beforeEach(() => {
    api.before = () => undefined;
    api.calls.length = 0;
    api.volumes.clear();
    lines.length = 0;
  });

  after(() => world.close());

  const get = (name: string): Promise<Buffer> => raw.unary(volumes.getVolume.path, volumes.getVolume.encodeRequest({ name }));

  /** The refusal of a call with this time that was begun: on a busy machine one may be too late for that. */
  async function begunWithin(timeoutMs: number): Promise<SeenRefusal> {
    const before = api.calls.length;
    return await waitFor(
      async () => {
        const deadline = systemClock.wallMs() + timeoutMs;
        const seen = await refusal(raw.unary(volumes.getVolume.path, volumes.getVolume.encodeRequest({ name: 'none' }), { deadline }));
        return api.calls.length > before && seen;
      },
      { what: 'a call is begun' },
    );
  }

  it('refuses a call without a deadline, and does not begin it', async () => {
    const seen = await refusal(raw.unary(volumes.getVolume.path, volumes.getVolume.encodeRequest({ name: 'data' }), {}));
    expect(seen).to.deep.include({ code: status.INVALID_ARGUMENT, reason: 'DEADLINE_MISSING' });
    expect(api.calls).to.deep.equal([]);
  });

  it('gives the handler the time that is left, cut to the maximum', async () => {
    await refusal(get('none'));
    expect(api.calls[0]?.context.timeoutMs).to.equal(600);
    await begunWithin(500);
    expect(api.calls[1]?.context.timeoutMs).to.be.within(1, 501);
  });

  it('ends a call that is never answered at the maximum, tells the handler, and frees its place', async () => {
    const never = gate();
    api.before = () => never.opened;
    const seen = await refusal(get('data'));
    expect(seen).to.deep.include({ code: status.DEADLINE_EXCEEDED, reason: 'DEADLINE_EXCEEDED' });
    const { signal } = api.calls[0]?.context ?? {};
    expect(signal?.aborted).to.equal(true);
    expect(signal?.reason).to.be.instanceOf(AppError).with.nested.property('failure.reason', 'DEADLINE_EXCEEDED');
    // An answer that comes too late hurts nobody.
    never.open();
    expect((await refusal(get('data'))).reason).to.equal('VOLUME_NOT_FOUND');
  });

  it('makes nothing of an answer that comes after the end of its call', async () => {
    const slow = new FakeApi();
    const volume = await slow.createVolume({ name: 'data' }, patient());
    const late = gate();
    let done = false;
    slow.createVolume = async () => {
      await late.opened;
      done = true;
      return volume;
    };
    const told: string[] = [];
    const telemetry = {
      ...noTelemetry,
      phase: (phase: string) => told.push(phase),
      call: (kind: string, result: string) => told.push(`${kind} ${result}`),
    };
    const server = await world.server(slow, { telemetry });
    const call = rejection(world.client(server.addresses).createVolume({ name: 'data' }, patient(1_500)));
    expect((await call).reason).to.equal('DEADLINE_EXCEEDED');
    await waitFor(() => server.running('write') === 0, { what: 'the server knows' });
    late.open();
    await waitFor(() => done, { what: 'the work is done' });
    await sleep(systemClock, 0);
    // The caller gives up at the same moment, and either may be first.
    expect(told).to.have.length(1);
    expect(told[0]).to.be.oneOf(['write DEADLINE_EXCEEDED', 'write CANCELLED']);
  });

  it("fires the signal at the caller's own deadline", async () => {
    const aborted = gate();
    api.before = async ({ context }) => {
      context.signal.addEventListener('abort', aborted.open);
      await aborted.opened;
      throw context.signal.reason;
    };
    const seen = await begunWithin(50);
    expect(seen.code).to.equal(status.DEADLINE_EXCEEDED);
    await aborted.opened;
    expect(lines.filter((line) => line.level === 'error')).to.deep.equal([]);
  });

  it('fires the signal when the caller goes away', async () => {
    const begun = gate();
    const aborted = gate();
    api.before = ({ context }) => {
      context.signal.addEventListener('abort', aborted.open);
      begun.open();
      return aborted.opened;
    };
    const caller = new AbortController();
    const call = world.client([address]).getVolume({ name: 'data' }, { signal: caller.signal, timeoutMs: 30_000 });
    await begun.opened;
    caller.abort();
    expect((await rejection(call)).reason).to.equal('CANCELLED');
    await aborted.opened;
    expect(api.calls[0]?.context.signal.reason).to.have.nested.property('failure.reason', 'CANCELLED');
  });

  it('hides the text of a fault, and logs it under the id that the caller sees', async () => {
    for (const fault of [
      (): never => {
        throw new Error('secret text');
      },
      (): Promise<never> => Promise.reject(new Error('secret text')),
      // Not even an Error.
      (): Promise<never> => Promise.reject(NO_ERROR),
    ]) {
      lines.length = 0;
      api.before = fault;
      const seen = await refusal(get('data'));
      expect(seen).to.deep.include({ code: status.INTERNAL, reason: 'INTERNAL' });
      expect(seen.message).not.to.include('secret');
      const [line] = lines.filter(({ level }) => level === 'error');
      expect(line?.fields['logId']).to.be.a('string').and.equal(seen.fields?.['logId']);
      expect(seen.message).to.include(String(line?.fields['logId']));
      expect(line?.fields).to.have.property('error');
    }
  });

  it('answers a handler that throws before it makes a promise', async () => {
    const broken = new FakeApi();
    broken.getVolume = () => {
      throw new AppError('STORE_UNAVAILABLE', 'etcd does not answer');
    };
    const server = await world.server(broken);
    const client = new RawClient(server.addresses[0] ?? '');
    world.closes(() => {
      client.close();
    });
    const seen = await refusal(client.unary(volumes.getVolume.path, volumes.getVolume.encodeRequest({ name: 'data' })));
    expect(seen).to.deep.include({ code: status.UNAVAILABLE, reason: 'STORE_UNAVAILABLE', retryDelayMs: 1_000 });
  });

  it('refuses bytes that are no message, and a bad field by its name', async () => {
    const garbage = await refusal(raw.unary(volumes.createVolume.path, Buffer.from([0x0f])));
    expect(garbage).to.deep.include({ code: status.INVALID_ARGUMENT, reason: 'INVALID_ARGUMENT' });
    const badEnum = Buffer.concat([volumes.createVolume.encodeRequest({ name: 'data' }), Buffer.from([0x28, 77])]);
    const seen = await refusal(raw.unary(volumes.createVolume.path, badEnum));
    expect(seen.fields).to.deep.equal({ field: 'access_mode' });
    expect(api.calls).to.deep.equal([]);
  });

  it('refuses a request that is too large, with a reason up to four times the bound', async () => {
    const request = (bytes: number): Buffer => volumes.createVolume.encodeRequest({ name: 'x'.repeat(bytes) });
    const seen = await refusal(raw.unary(volumes.createVolume.path, request(10_001)));
    expect(seen).to.deep.include({ code: status.INVALID_ARGUMENT, reason: 'TOO_LARGE' });
    expect((await refusal(raw.unary(volumes.createVolume.path, request(40_001)))).code).to.equal(status.RESOURCE_EXHAUSTED);
    const client = world.client([address]);
    expect((await rejection(client.createVolume({ name: 'x'.repeat(40_001) }, patient()))).reason).to.equal('TOO_LARGE');
    expect(api.calls).to.deep.equal([]);
  });

  it('refuses an answer that no client would take, and says what to do', async () => {
    const client = world.client([address]);
    for (let index = 0; index < 6; index += 1) {
      await client.createVolume({ name: `data${String(index)}`, labels: { note: 'x'.repeat(4_000) } }, patient());
    }
    const error = await rejection(client.listVolumes({}, patient()));
    expect(error.reason).to.equal('TOO_LARGE');
    expect(error.message).to.include('smaller page');
    expect((await client.listVolumes({ pageSize: 2 }, patient())).volumes).to.have.length(2);
  });

  it('cuts a refusal that clients would not take as headers', async () => {
    const many = Object.fromEntries(Array.from({ length: 1_000 }, (_, index) => [`h${String(index)}`, 'n']));
    const large = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`holder${String(index)}`, 'é'.repeat(400)]));
    for (const text of ['a', 'a b ', 'é', '大', '😀']) {
      for (const fields of [many, large]) {
        const thrown: Failure = { reason: 'VOLUME_ATTACHED', message: `held by ${text.repeat(5_000)}`, fields };
        api.before = () => {
          throw AppError.fromFailure(thrown);
        };
        const seen = await refusal(get('data'));
        expect(seen.headerBytes).to.be.within(STATUS_BYTES_MAX / 2, STATUS_BYTES_MAX);
        expect(seen.reason).to.equal('VOLUME_ATTACHED');
        expect(seen.message).to.match(/^held by .{100,}…$/u);
        expect(seen.fields).to.include({ truncated: 'true', ...(fields === large ? { holder0: 'é'.repeat(400) } : { h0: 'n' }) });
      }
    }
  });

  it('refuses with text that is not valid Unicode, and still answers', async () => {
    api.before = () => {
      throw new AppError('INVALID_NAME', 'name \ud800 is not allowed', { name: '\udc00' });
    };
    expect(await refusal(get('data'))).to.deep.include({ reason: 'INVALID_NAME', message: 'name \ufffd is not allowed' });
  });

  it('answers an unknown call with UNIMPLEMENTED', async () => {
    expect((await refusal(raw.unary('/volplane.v1.Volumes/FormatDisk', Buffer.alloc(0)))).code).to.equal(status.UNIMPLEMENTED);
  });

  it('tells a fault in the middle of a watch, and frees its place', async () => {
    const faulty = new FakeApi();
    faulty.watchVolumes = async function* () {
      yield await Promise.resolve({ type: 'synced' as const, revision: 1 });
      throw new AppError('STORE_UNAVAILABLE', 'etcd does not answer');
    };
    const server = await world.server(faulty);
    const watch = world.client(server.addresses).watchVolumes({}, patient());
    expect((await watch.next()).value).to.deep.equal({ type: 'synced', revision: 1 });
    expect((await rejection(watch.next())).reason).to.equal('STORE_UNAVAILABLE');
    await waitFor(() => server.running('watch') === 0, { what: 'no watch runs' });
  });

  it('ends the source of a watch whose event cannot be written', async () => {
    const ended = gate();
    const faulty = new FakeApi();
    faulty.watchVolumes = async function* (_, { signal }) {
      try {
        yield await Promise.resolve({ type: 'no such event', revision: 1 } as never);
        yield await Promise.resolve({ type: 'synced' as const, revision: 2 });
      } finally {
        expect(signal.aborted).to.equal(true);
        ended.open();
      }
    };
    const server = await world.server(faulty);
    const watch = world.client(server.addresses).watchVolumes({}, patient());
    expect((await rejection(watch.next())).reason).to.equal('INTERNAL');
    await ended.opened;
    expect(server.running('watch')).to.equal(0);
  });

  it('ends the source of a watch when its caller goes away, even if it never looks at the signal', async () => {
    const ended = gate();
    const deaf = new FakeApi();
    deaf.watchVolumes = async function* () {
      try {
        for (let revision = 1; ; revision += 1) yield await Promise.resolve({ type: 'synced' as const, revision });
      } finally {
        ended.open();
      }
    };
    const server = await world.server(deaf);
    const caller = new AbortController();
    const watch = world.client(server.addresses).watchVolumes({}, { signal: caller.signal, timeoutMs: 30_000 });
    await watch.next();
    caller.abort();
    expect((await rejection(collect(watch))).reason).to.equal('CANCELLED');
    await ended.opened;
    await waitFor(() => server.running('watch') === 0, { what: 'no watch runs' });
  });

  it('reads a watch no faster than its caller does', async () => {
    let made = 0;
    const eager = new FakeApi();
    eager.watchVolumes = async function* () {
      const [volume] = [...api.volumes.values()];
      if (volume === undefined) return;
      for (; made < 100_000; made += 1) yield await Promise.resolve({ type: 'changed' as const, volume, revision: made });
    };
    await world.client([address]).createVolume({ name: 'data', labels: { note: 'x'.repeat(4_000) } }, patient());
    const server = await world.server(eager);
    const watch = world.client(server.addresses).watchVolumes({}, patient());
    await watch.next();
    // What fits into the buffers on the way is bounded, and far below everything.
    let before = -1;
    await waitFor(
      () => {
        const still = made === before;
        before = made;
        return still;
      },
      { what: 'the source rests' },
    );
    expect(made).to.be.below(20_000);
    await watch.return(undefined);
  });
});

const NO_ERROR = JSON.parse('"secret text"') as Error;
