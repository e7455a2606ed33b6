import { getEventListeners } from 'node:events';
import { AppError, sleep, systemClock, type Reason } from '@volplane/base';
import type { RpcServer, VolplaneClient } from '@volplane/rpc';
import { freePorts, gate, rejection, waitFor } from '@volplane/testkit';
import { expect } from 'chai';
import { CutProxy } from './cut-proxy.js';
import { FakeApi } from './fake-api.js';
import { MuteServer } from './mute-server.js';
import { collect, patient, RpcWorld } from './world.js';

/** Two servers and one client: what is repeated elsewhere, and what must not be. */
describe('RPC client fail-over', () => {
  const world = new RpcWorld();
  let first: FakeApi;
  let second: FakeApi;
  let servers: readonly RpcServer[];
  let client: VolplaneClient;
  let proxy: CutProxy;

  beforeEach(async () => {
    first = new FakeApi();
    second = new FakeApi();
    // The first one's port is taken again later, so no outgoing connection may get it meanwhile.
    const [port] = await freePorts(1);
    servers = [await world.server(first, { listen: [`127.0.0.1:${String(port)}`] }), await world.server(second)];
    proxy = await CutProxy.open(servers[0]?.addresses[0] ?? '');
    world.closes(() => {
      proxy.close();
    });
    client = world.client([proxy.address, ...(servers[1]?.addresses ?? [])]);
  });

  afterEach(() => world.close());

  /** The first server takes the call, and the connection is cut before it answers. */
  async function cutTheCall(begin: () => Promise<unknown>): Promise<unknown> {
    return await lose(begin, () => {
      proxy.cut();
    });
  }

  async function lose(begin: () => Promise<unknown>, end: () => void | Promise<void>): Promise<unknown> {
    const begun = gate();
    const never = gate();
    first.before = () => {
      begun.open();
      return never.opened;
    };
    const call = Promise.allSettled([begin()]);
    await begun.opened;
    await end();
    const [result] = await call;
    never.open();
    if (result.status === 'fulfilled') return result.value;
    throw result.reason;
  }

  it('goes on at the next address when one is gone, and stays there', async () => {
    await servers[0]?.close(0);
    for (let call = 0; call < 3; call += 1) await client.listVolumes({}, patient());
    expect(second.calls).to.have.length(3);
  });

  it('comes back to an address that was gone', async () => {
    await servers[0]?.close(0);
    await client.listVolumes({}, patient());
    const again = await world.server(first, { listen: servers[0]?.addresses ?? [] });
    await servers[1]?.close(0);
    await waitFor(
      async () => {
        await client.listVolumes({}, patient());
        return first.calls.length > 0;
      },
      { what: 'the first server is called again' },
    );
    await again.close(0);
  });

  for (const reason of ['SHUTTING_DOWN', 'STORE_UNAVAILABLE', 'NO_MANAGER'] satisfies Reason[]) {
    it(`repeats elsewhere what was refused with ${reason}: nothing was begun`, async () => {
      first.before = () => {
        throw new AppError(reason, 'not here');
      };
      await client.removeVolume({ name: 'data' }, patient()).catch(() => undefined);
      expect(second.callsOf('removeVolume')).to.have.length(1);
    });
  }

  for (const reason of ['NODE_UNAVAILABLE', 'VOLUME_CREATING', 'UNKNOWN_OUTCOME', 'OVERLOADED', 'VOLUME_HELD'] satisfies Reason[]) {
    it(`passes on ${reason}: another server would say the same, or must not be asked`, async () => {
      first.before = () => {
        throw new AppError(reason, 'so it is');
      };
      expect((await rejection(client.createVolume({ name: 'data' }, patient()))).reason).to.equal(reason);
      expect(second.calls).to.deep.equal([]);
    });
  }

  it('repeats a lost call that ends the same when it is done twice', async () => {
    const volume = await cutTheCall(() => client.createVolume({ name: 'data' }, patient()));
    expect(volume).to.have.property('name', 'data');
    expect(second.callsOf('createVolume')).to.have.length(1);
  });

  it('repeats what a stopping server did not get done', async () => {
    await lose(
      () => client.createVolume({ name: 'data' }, patient()),
      () => servers[0]?.close(0),
    );
    expect(second.callsOf('createVolume')).to.have.length(1);
  });

  it('repeats a lost read', async () => {
    await cutTheCall(() => client.listVolumes({}, patient()));
    expect(second.callsOf('listVolumes')).to.have.length(1);
  });

  it('tells a lost call as an unknown outcome when a second one would do something else', async () => {
    const calls: readonly (() => Promise<unknown>)[] = [
      (): Promise<unknown> => client.removeVolume({ name: 'data' }, patient()),
      (): Promise<unknown> => client.forgetVolume({ name: 'data' }, patient()),
      (): Promise<unknown> => client.updateLabels({ name: 'data', set: {}, drop: [], expectedGeneration: 7 }, patient()),
      (): Promise<unknown> => client.forceRelease({ name: 'data', node: 'a', note: 'x' }, patient()),
      (): Promise<unknown> => client.removeSnapshot({ name: 'data', snapshot: 'monday' }, patient()),
      (): Promise<unknown> => client.declareNodeLost({ name: 'a', planRevision: 'r', note: 'x' }, patient()),
    ];
    for (const call of calls) {
      const error = await rejection(cutTheCall(call));
      expect(error.reason).to.equal('UNKNOWN_OUTCOME');
      expect(second.calls).to.deep.equal([]);
    }
  });

  it('takes "not found" after a lost remove of one uid as done', async () => {
    await cutTheCall(() => client.removeVolume({ name: 'data', uid: 'u' }, patient()));
    expect(second.callsOf('removeVolume')).to.have.length(1);
  });

  it('tells a refusal after a lost call as an unknown outcome: the first one may have been done', async () => {
    second.before = () => {
      throw new AppError('NODE_CORDONED', 'node a is cordoned');
    };
    const error = await rejection(cutTheCall(() => client.mountVolume({ name: 'data', mountId: 'c1' }, patient())));
    expect(error.failure.fields).to.include({ then: 'NODE_CORDONED' });
    expect(error.reason).to.equal('UNKNOWN_OUTCOME');
    expect(error.message).to.include('node a is cordoned');
  });

  it('gives up after two rounds, and says that nothing was begun', async () => {
    proxy.close();
    await servers[1]?.close(0);
    const error = await rejection(client.createVolume({ name: 'data' }, patient()));
    expect(error.reason).to.equal('UNREACHABLE');
    expect(error.message).to.include('nothing was begun').and.include(proxy.address).and.include(servers[1]?.addresses[0]);
  });

  it('gives up at the deadline of the call', async () => {
    // An address of the documentation range, which nobody answers; or no route to it, which is as good.
    const nowhere = world.client(['192.0.2.1:9']);
    const error = await rejection(nowhere.getVolume({ name: 'data' }, patient(150)));
    expect(error.reason).to.be.oneOf(['DEADLINE_EXCEEDED', 'UNREACHABLE']);
  });

  it('calls nobody once it is closed', async () => {
    await client.close();
    expect((await rejection(client.listVolumes({}, patient()))).reason).to.equal('SHUTTING_DOWN');
    expect((await rejection(client.watchVolumes({}, patient()).next())).reason).to.equal('SHUTTING_DOWN');
    expect(first.calls.length + second.calls.length).to.equal(0);
  });

  it('ends a call that waits for its connection when it is closed, and connects no more', async () => {
    const mute = await MuteServer.open();
    world.closes(() => {
      mute.close();
    });
    const waiting = world.client([mute.address]);
    const call = rejection(waiting.listVolumes({}, patient(1_000)));
    await waitFor(() => mute.connections === 1, { what: 'the connection is begun' });
    await waiting.close();
    expect((await call).reason).to.equal('SHUTTING_DOWN');
    await sleep(systemClock, 0);
    expect(mute.connections).to.equal(1);
  });

  it('counts the time in which a batch finds its server as time of the call', async () => {
    const mute = await MuteServer.open();
    world.closes(() => {
      mute.close();
    });
    // A minute passes while the first address is tried.
    const clock = { ...systemClock, wallMs: () => systemClock.wallMs() + 60_000 * mute.connections };
    const late = world.client([mute.address, ...(servers[1]?.addresses ?? [])], { clock });
    expect(await collect(late.createVolumes([{ name: 'data' }], patient(120_000)))).to.have.length(1);
    expect(mute.connections).to.equal(1);
    expect(second.callsOf('createVolume')[0]?.context.timeoutMs).to.be.below(130_000);
  });

  it('leaves no listener at the signal of its caller', async () => {
    const { signal } = new AbortController();
    const context = { signal, timeoutMs: 30_000 };
    await client.createVolume({ name: 'data' }, context);
    await rejection(client.getVolume({ name: 'nothing' }, context));
    expect(await collect(client.createVolumes([{ name: 'more' }], context))).to.have.length(1);
    const watch = client.watchVolumes({}, context);
    await watch.next();
    await watch.return(undefined);
    expect(getEventListeners(signal, 'abort')).to.deep.equal([]);
  });

  it('stops trying when the caller goes away', async () => {
    await Promise.all(servers.map((server) => server.close(0)));
    const error = await rejection(client.getVolume({ name: 'data' }, { signal: AbortSignal.abort(), timeoutMs: 30_000 }));
    expect(error.reason).to.equal('CANCELLED');
  });

  it('begins a watch at the next address, and tells when a watch breaks', async () => {
    await servers[0]?.close(0);
    const watch = client.watchVolumes({}, patient());
    expect((await watch.next()).value).to.have.property('type', 'synced');
    const next = rejection(watch.next());
    second.before = () => undefined;
    await servers[1]?.close(0);
    expect((await next).reason).to.be.oneOf(['SHUTTING_DOWN', 'UNREACHABLE']);
  });

  it('takes no answer for one that it cannot read', async () => {
    first.getVolume = () => Promise.resolve({} as never);
    const error = await rejection(client.getVolume({ name: 'data' }, patient()));
    expect(error.reason).to.equal('INTERNAL');
  });
});
