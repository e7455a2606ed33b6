import { AppError, type Reason } from '@volplane/base';
import { BUS_LIMITS, type Bus } from '@volplane/ports';
import { expect } from 'chai';
import { gate } from '../gate.js';
import { rejection } from '../rejection.js';
import { waitFor } from '../wait-for.js';

/** One bus and the processes on it. */
export interface BusWorld {
  /** A connected bus of one more process; closed by `end` if the test does not. */
  open(name: string): Promise<Bus>;
  end(): Promise<void>;
}

/**
 * What every {@link Bus} does, as a mocha suite. Each test gets a world of its own.
 *
 * Method: "asker" and "server" are processes of their own on one bus; whatever must not have happened is counted by the
 * handler, and a request that went through afterwards shows that it had its chance.
 */
export function busContract(name: string, start: () => Promise<BusWorld>): void {
  describe(`bus contract: ${name}`, () => {
    let world: BusWorld;
    let asker: Bus;
    let server: Bus;

    beforeEach(async () => {
      world = await start();
      asker = await world.open('asker');
      server = await world.open('server');
    });

    afterEach(async () => {
      await world.end();
    });

    const buses = (): Buses => ({ asker, server, open: (bus) => world.open(bus) });
    describe('requests', () => {
      requestTests(buses);
    });
    describe('listeners', () => {
      listenerTests(buses);
    });
    describe('bounds', () => {
      boundTests(buses);
    });
    describe('close', () => {
      closeTests(buses);
    });
  });
}

interface Buses {
  readonly asker: Bus;
  readonly server: Bus;
  readonly open: (name: string) => Promise<Bus>;
}

const PATIENT = { timeoutMs: 30_000 };
const HASTY = { timeoutMs: 60 };
/** Longer than any test: who waits so long is settled by something else. */
const ENDLESS = { timeoutMs: 3_600_000 };

function requestTests(buses: () => Buses): void {
  it('answers with what the handler returns', async () => {
    const { asker, server } = buses();
    await serve(server, 'echo', (payload) => ({ heard: payload }));
    const payload = { text: 'größer – 大', list: [1, null, { deep: true }], empty: {}, zero: 0 };
    expect(await asker.request('echo', payload, PATIENT)).to.deep.equal({ heard: payload });
    expect(await asker.request('echo', null, PATIENT)).to.deep.equal({ heard: null });
  });

  it('carries undefined as null', async () => {
    const { asker, server } = buses();
    await serve(server, 'nothing', (payload) => (payload === null ? undefined : 'not null'));
    expect(await asker.request('nothing', undefined, PATIENT)).to.equal(null);
  });

  it('hands over copies', async () => {
    const { asker, server } = buses();
    const kept = { list: [1] };
    await serve(server, 'keep', () => kept);
    const answer = await asker.request('keep', null, PATIENT);
    kept.list.push(2);
    expect(answer).to.deep.equal({ list: [1] });
  });

  it('says NODE_UNAVAILABLE when nobody listens', async () => {
    const { asker, server } = buses();
    await serve(server, 'some.subject', () => 'here');
    await expectReason(asker.request('some.other', null, PATIENT), 'NODE_UNAVAILABLE');
    await expectReason(asker.request('some', null, PATIENT), 'NODE_UNAVAILABLE');
  });

  it('says UNKNOWN_OUTCOME when no answer comes in time, and drops the late answer', async () => {
    const { asker, server } = buses();
    const first = gate();
    const asked: unknown[] = [];
    await serve(server, 'slow', async (payload) => {
      asked.push(payload);
      if (payload === 1) await first.opened;
      return payload;
    });
    await expectReason(asker.request('slow', 1, HASTY), 'UNKNOWN_OUTCOME');
    first.open();
    expect(await asker.request('slow', 2, PATIENT)).to.equal(2);
    await waitFor(() => asked.length === 2, { what: 'both requests reached the handler' });
  });

  it('sends nothing when the signal has fired already', async () => {
    const { asker, server } = buses();
    const asked: unknown[] = [];
    await serve(server, 'count', (payload) => asked.push(payload));
    await expectReason(asker.request('count', 'aborted', { ...PATIENT, signal: AbortSignal.abort() }), 'CANCELLED');
    await asker.request('count', 'wanted', PATIENT);
    expect(asked).to.deep.equal(['wanted']);
  });

  it('stops waiting with the reason of the signal', async () => {
    const { asker, server } = buses();
    const never = gate();
    const begun = gate();
    await serve(server, 'stuck', async () => {
      begun.open();
      await never.opened;
    });
    const controller = new AbortController();
    const request = asker.request('stuck', null, { ...PATIENT, signal: controller.signal });
    const refused = expectReason(request, 'DEADLINE_EXCEEDED');
    await begun.opened;
    controller.abort(new AppError('DEADLINE_EXCEEDED', 'the caller had no more time'));
    await refused;
    never.open();
  });

  it('gives each of many requests its own answer, in whatever order they are answered', async () => {
    const { asker, server } = buses();
    const all = gate();
    let waiting = 0;
    await serve(server, 'number', async (payload) => {
      waiting += 1;
      if (waiting === 200) all.open();
      await all.opened;
      return { number: payload };
    });
    const numbers = Array.from({ length: 200 }, (_, number) => number);
    const answers = await Promise.all(numbers.map((number) => asker.request('number', number, PATIENT)));
    expect(answers).to.deep.equal(numbers.map((number) => ({ number })));
  });

  it('refuses subjects that mean more than one', async () => {
    const { asker, server } = buses();
    for (const subject of ['', 'a b', 'a.*', '>', 'a..b', 'a.', 'a\r\nPUB b']) {
      const error: unknown = await asker.request(subject, null, HASTY).catch((thrown: unknown) => thrown);
      expect(error, subject).to.be.an('error').with.property('message').that.includes('assertion failed');
      expect(() => server.serve(subject, undefined, () => Promise.resolve()), subject).to.throw('assertion failed');
    }
  });
}

function listenerTests(buses: () => Buses): void {
  it('gives each request of a group to one member', async () => {
    const { asker, server, open } = buses();
    const other = await open('other');
    const counts = { server: 0, other: 0 };
    await serve(server, 'work', () => (counts.server += 1), 'workers');
    await serve(other, 'work', () => (counts.other += 1), 'workers');
    // One after the other: what is asked at once may travel together, and then it goes to one member.
    for (let asked = 0; asked < 100; asked += 1) await asker.request('work', null, PATIENT);
    expect(counts.server + counts.other).to.equal(100);
    expect(counts.server).to.be.greaterThan(0);
    expect(counts.other).to.be.greaterThan(0);
  });

  it('gives a request to every group and to everyone outside of groups', async () => {
    const { asker, server, open } = buses();
    const other = await open('other');
    const heard: string[] = [];
    await serve(server, 'news', () => heard.push('red'), 'red');
    await serve(server, 'news', () => heard.push('blue'), 'blue');
    await serve(server, 'news', () => heard.push('alone'));
    await serve(other, 'news', () => heard.push('other'));
    await asker.request('news', null, PATIENT);
    await waitFor(() => heard.length === 4, { what: 'all four heard it' });
    expect(heard.toSorted()).to.deep.equal(['alone', 'blue', 'other', 'red']);
  });

  it('goes on with the rest of a group when a member leaves', async () => {
    const { asker, server, open } = buses();
    const other = await open('other');
    const leaving = await serve(server, 'work', () => 'server', 'workers');
    await serve(other, 'work', () => 'other', 'workers');
    await leaving.close();
    const answers = await Promise.all(Array.from({ length: 20 }, () => asker.request('work', null, PATIENT)));
    expect(new Set(answers)).to.deep.equal(new Set(['other']));
  });

  it('hears nothing after the subscription is closed, but the running handler answers', async () => {
    const { asker, server } = buses();
    const begun = gate();
    const finish = gate();
    const subscription = await serve(server, 'job', async () => {
      begun.open();
      await finish.opened;
      return 'done';
    });
    const running = asker.request('job', null, PATIENT);
    await begun.opened;
    await subscription.close();
    await subscription.close();
    await expectReason(asker.request('job', null, PATIENT), 'NODE_UNAVAILABLE');
    finish.open();
    expect(await running).to.equal('done');
  });

  it('answers nothing for a handler that fails, and goes on', async () => {
    const { asker, server } = buses();
    await serve(server, 'fragile', (payload) => {
      if (payload === 'throw') throw new Error('planted');
      return payload === 'reject' ? Promise.reject(new Error('planted')) : 'fine';
    });
    await expectReason(asker.request('fragile', 'throw', HASTY), 'UNKNOWN_OUTCOME');
    await expectReason(asker.request('fragile', 'reject', HASTY), 'UNKNOWN_OUTCOME');
    expect(await asker.request('fragile', 'ok', PATIENT)).to.equal('fine');
  });

  it('runs handlers side by side', async () => {
    const { asker, server } = buses();
    const second = gate();
    await serve(server, 'pair', async (payload) => {
      if (payload === 'second') second.open();
      await second.opened;
      return payload;
    });
    const first = asker.request('pair', 'first', PATIENT);
    expect(await asker.request('pair', 'second', PATIENT)).to.equal('second');
    expect(await first).to.equal('first');
  });

  it('can be asked by its own process', async () => {
    const { server } = buses();
    await serve(server, 'self', () => 'me');
    expect(await server.request('self', null, PATIENT)).to.equal('me');
  });
}

function boundTests(buses: () => Buses): void {
  it('carries a message of exactly the bound and refuses one byte more, unsent', async () => {
    const { asker, server } = buses();
    const asked: number[] = [];
    await serve(server, 'big', (payload) => asked.push(String(payload).length));
    // A JSON string has two quotation marks.
    const largest = 'x'.repeat(asker.payloadBytesMax - 2);
    await expectReason(asker.request('big', `${largest}x`, PATIENT), 'TOO_LARGE');
    await asker.request('big', largest, PATIENT);
    expect(asked).to.deep.equal([largest.length]);
  });

  it('counts bytes, not characters', async () => {
    const { asker } = buses();
    const wide = 'ä'.repeat(asker.payloadBytesMax / 2);
    await expectReason(asker.request('big', wide, PATIENT), 'TOO_LARGE');
  });

  it('answers nothing when the answer is too large, and goes on', async () => {
    const { asker, server } = buses();
    await serve(server, 'flood', (payload) => 'x'.repeat(payload === 'flood' ? server.payloadBytesMax : 1));
    await expectReason(asker.request('flood', 'flood', HASTY), 'UNKNOWN_OUTCOME');
    expect(await asker.request('flood', 'drop', PATIENT)).to.equal('x');
  });

  it('answers what it is told to when the answer is too large', async () => {
    const { asker, server } = buses();
    const handler = async (): Promise<unknown> => await Promise.resolve('x'.repeat(server.payloadBytesMax));
    server.serve('flood', undefined, handler, ({ reason, message }, payload) => ({ reason, message, payload }));
    await expectReason(server.request('nobody.listens.here', null, PATIENT), 'NODE_UNAVAILABLE');
    const answer = await asker.request('flood', 'asked', PATIENT);
    expect(answer).to.include({ reason: 'TOO_LARGE', payload: 'asked' });
    expect(answer)
      .to.have.property('message')
      .that.includes(String(server.payloadBytesMax + 2));
  });

  it('drops requests while too many handlers run, and serves again after', async () => {
    const { asker, server } = buses();
    const finish = gate();
    let running = 0;
    await serve(server, 'crowd', async () => {
      running += 1;
      await finish.opened;
      return 'served';
    });
    const crowd = Array.from({ length: BUS_LIMITS.handlersRunning }, () => asker.request('crowd', null, PATIENT));
    await waitFor(() => running === BUS_LIMITS.handlersRunning, { what: 'as many handlers run as may' });
    await expectReason(asker.request('crowd', null, HASTY), 'UNKNOWN_OUTCOME');
    expect(running).to.equal(BUS_LIMITS.handlersRunning);
    finish.open();
    expect(new Set(await Promise.all(crowd))).to.deep.equal(new Set(['served']));
    expect(await asker.request('crowd', null, PATIENT)).to.equal('served');
  });

  it('refuses requests while too many wait', async () => {
    const { asker, server } = buses();
    const finish = gate();
    await serve(server, 'stuck', () => finish.opened);
    await serve(server, 'free', () => 'free');
    const callers = Array.from({ length: BUS_LIMITS.requestsPending }, () => new AbortController());
    const ended = Promise.allSettled(callers.map(({ signal }) => asker.request('stuck', null, { ...PATIENT, signal })));
    await expectReason(asker.request('free', null, PATIENT), 'OVERLOADED');
    for (const caller of callers) caller.abort();
    await ended;
    expect(await asker.request('free', null, PATIENT)).to.equal('free');
    finish.open();
  });
}

function closeTests(buses: () => Buses): void {
  it('lets running handlers answer, also those of closed subscriptions', async () => {
    const { asker, server } = buses();
    const begun = [gate(), gate()];
    const finish = gate();
    const handler = async (payload: unknown): Promise<unknown> => {
      begun[Number(payload)]?.open();
      await finish.opened;
      return payload;
    };
    await serve(asker, 'asker.job', () => 'answered');
    const former = await serve(server, 'former.job', handler);
    await serve(server, 'job', handler);
    const running = [asker.request('former.job', 0, PATIENT), asker.request('job', 1, PATIENT)];
    await Promise.all(begun.map(({ opened }) => opened));
    await former.close();
    const closed = server.close();
    server.serve('late', undefined, () => Promise.resolve());
    await roundTrips(asker);
    await expectReason(asker.request('late', null, PATIENT), 'NODE_UNAVAILABLE');
    await expectReason(server.request('late', null, PATIENT), 'NODE_UNAVAILABLE');
    await expectReason(server.request('asker.job', null, PATIENT), 'NODE_UNAVAILABLE');
    finish.open();
    expect(await Promise.all(running)).to.deep.equal([0, 1]);
    await closed;
    await expectReason(asker.request('job', null, PATIENT), 'NODE_UNAVAILABLE');
  });

  it('says that it cannot know about requests that wait', async () => {
    const { asker, server } = buses();
    const begun = gate();
    const finish = gate();
    await serve(server, 'job', async () => {
      begun.open();
      await finish.opened;
    });
    const refused = expectReason(asker.request('job', null, ENDLESS), 'UNKNOWN_OUTCOME');
    await begun.opened;
    await asker.close();
    await refused;
    finish.open();
  });

  it('refuses requests, serves nothing and is not connected afterwards', async () => {
    const { asker, server } = buses();
    await serve(server, 'job', () => 'done');
    await server.close();
    await server.close();
    expect(server.connected).to.equal(false);
    server.serve('job', undefined, () => Promise.resolve('late'));
    await expectReason(server.request('job', null, PATIENT), 'NODE_UNAVAILABLE');
    await expectReason(asker.request('job', null, PATIENT), 'NODE_UNAVAILABLE');
  });
}

type SimpleHandler = (payload: unknown) => unknown;

/** Serves, and returns once the bus knows of it: a round trip that nobody answers came after the subscription. */
async function serve(bus: Bus, subject: string, handler: SimpleHandler, group?: string): Promise<{ close(): Promise<void> }> {
  const subscription = bus.serve(subject, group, async (payload) => await handler(payload));
  await expectReason(bus.request('nobody.listens.here', null, PATIENT), 'NODE_UNAVAILABLE');
  return subscription;
}

/** Enough turns for a close that does not wait to be over. */
async function roundTrips(bus: Bus): Promise<void> {
  for (let round = 0; round < 20; round += 1) await expectReason(bus.request('nobody.listens.here', null, PATIENT), 'NODE_UNAVAILABLE');
}

async function expectReason(work: Promise<unknown>, reason: Reason): Promise<void> {
  expect((await rejection(work)).reason).to.equal(reason);
}
