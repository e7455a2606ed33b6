import { seededRandom, silentLogger, systemClock, type Logger } from '@volplane/base';
import { expect } from 'chai';
import { randomBusFate, type BusMessage } from '../src/bus-faults.js';
import { busContract } from '../src/contracts/bus-contract.js';
import { gate } from '../src/gate.js';
import { ManualClock } from '../src/manual-clock.js';
import type { MemoryBus } from '../src/memory-bus.js';
import { MemoryBusNetwork } from '../src/memory-bus-network.js';
import { watch } from '../src/watched.js';

busContract('MemoryBus', () => {
  const network = new MemoryBusNetwork({ clock: systemClock, random: seededRandom(1) });
  return Promise.resolve({ open: (name) => Promise.resolve(network.open(name)), end: () => Promise.resolve() });
});

/** The network's faults, on a clock that the test moves; `watch` tells how a request stands. */
describe('memory bus network', () => {
  let clock: ManualClock;
  let network: MemoryBusNetwork;

  beforeEach(() => {
    clock = new ManualClock();
    network = new MemoryBusNetwork({ clock, random: seededRandom(7) });
  });

  it('loses a message whose fate is no copy', async () => {
    const { asked, request } = conversation(network);
    network.setFate((message) => (message.kind === 'request' ? [] : [0]));
    const lostRequest = watch(request('a'));
    await clock.advance(1_000);
    expect(lostRequest.state).to.equal('UNKNOWN_OUTCOME');
    expect(asked).to.deep.equal([]);

    network.setFate((message) => (message.kind === 'reply' ? [] : [0]));
    const lostReply = watch(request('b'));
    await clock.advance(1_000);
    expect(lostReply.state).to.equal('UNKNOWN_OUTCOME');
    expect(asked).to.deep.equal(['b']);
  });

  it('delays, doubles and reorders', async () => {
    const { asked, request } = conversation(network);
    const fates: Record<string, readonly number[]> = { '"slow"': [50], '"twice"': [10, 20], '"quick"': [0] };
    network.setFate((message) => (message.kind === 'request' ? (fates[message.text] ?? [0]) : [0]));
    const requests = ['slow', 'twice', 'quick'].map((payload) => watch(request(payload)));
    await clock.advance(0);
    expect(asked).to.deep.equal(['quick']);
    await clock.advance(50);
    expect(asked).to.deep.equal(['quick', 'twice', 'twice', 'slow']);
    expect(requests.map(({ state }) => state)).to.deep.equal(['resolved', 'resolved', 'resolved']);
  });

  it('shows each message to its fate with names, subject and text', async () => {
    const { request } = conversation(network);
    const seen: BusMessage[] = [];
    network.setFate((message) => {
      seen.push(message);
      return [0];
    });
    watch(request('hello'));
    await clock.advance(0);
    expect(seen).to.deep.equal([
      { kind: 'request', from: 'manager', to: 'agent', subject: 'agent.work', text: '"hello"' },
      { kind: 'reply', from: 'agent', to: 'manager', subject: 'agent.work', text: '"did hello"' },
    ]);
  });

  it('needs a turn of the clock for every message', async () => {
    const { asked, request } = conversation(network);
    watch(request('a'));
    expect(clock.waiting).to.be.greaterThan(0);
    expect(asked).to.deep.equal([]);
    await clock.advance(0);
    expect(asked).to.deep.equal(['a']);
  });

  it('loses what crosses a partition, in both directions and in flight, and tells nobody', async () => {
    const { asked, request } = conversation(network);
    network.partition(['agent'], ['manager']);
    const cut = watch(request('cut', 100));
    await clock.advance(99);
    expect(cut.state).to.equal('waiting');
    await clock.advance(1);
    expect(cut.state).to.equal('UNKNOWN_OUTCOME');

    network.heal();
    network.setFate((message) => (message.kind === 'reply' ? [10] : [0]));
    const inFlight = watch(request('in flight', 100));
    await clock.advance(5);
    network.partition(['agent']);
    await clock.advance(95);
    expect(inFlight.state).to.equal('UNKNOWN_OUTCOME');
    expect(asked).to.deep.equal(['in flight']);

    network.setFate(() => [50]);
    const healed = watch(request('healed meanwhile', 100));
    network.heal();
    await clock.advance(100);
    expect(healed.state).to.equal('UNKNOWN_OUTCOME');
    expect(asked).to.deep.equal(['in flight']);

    network.setFate(() => [5]);
    const whole = watch(request('whole', 100));
    await clock.advance(10);
    expect(whole.state).to.equal('resolved');
  });

  it('never settles what a crashed process asked, and never answers what it was asked', async () => {
    const { manager, request } = conversation(network, gate().opened);
    const asker = network.open('asker');
    const own = watch(asker.request('agent.work', 'own', { timeoutMs: 100 }));
    const others = watch(request('others', 100));
    await clock.advance(0);
    network.crash('asker');
    await clock.advance(1_000);
    expect(own.state).to.equal('waiting');
    expect(others.state).to.equal('UNKNOWN_OUTCOME');

    network.crash('agent');
    const gone = watch(manager.request('agent.work', null, { timeoutMs: 100 }));
    await clock.advance(0);
    expect(gone.state).to.equal('NODE_UNAVAILABLE');
  });

  it('cuts off what a crashed process still runs', async () => {
    const { asked, agent, manager } = conversation(network);
    const log: string[] = [];
    network.crash('manager');
    expect(manager.connected).to.equal(false);
    const zombie = watch(manager.request('agent.work', 'zombie', { timeoutMs: 100 }));
    manager.serve('manager.work', undefined, () => {
      log.push('zombie heard');
      return Promise.resolve();
    });
    const toZombie = watch(agent.request('manager.work', null, { timeoutMs: 100 }));
    await clock.advance(1_000);
    expect(zombie.state).to.equal('waiting');
    expect(toZombie.state).to.equal('NODE_UNAVAILABLE');
    expect(asked).to.deep.equal([]);
    expect(log).to.deep.equal([]);
  });

  it('drops the answer of a handler whose process crashed meanwhile', async () => {
    const finish = gate();
    const { request } = conversation(network, finish.opened);
    const asked = watch(request('work'));
    await clock.advance(0);
    network.crash('agent');
    finish.open();
    await clock.advance(100);
    expect(asked.state).to.equal('UNKNOWN_OUTCOME');
  });

  it('hands a late message to the next process of that name', async () => {
    const { request } = conversation(network);
    network.setFate((message) => (message.kind === 'request' ? [50] : [0]));
    const late = watch(request('late'));
    network.crash('agent');
    network.open('agent').serve('agent.work', undefined, () => Promise.resolve('second life'));
    await clock.advance(50);
    expect(late.answer).to.equal('second life');
  });

  it('tells both ends of a disconnection, and brings the subscriptions back', async () => {
    const { asked, agent, manager, request } = conversation(network);
    const waiting = watch(agent.request('agent.work', 'own', { timeoutMs: 100 }));
    network.disconnect('agent');
    await clock.advance(0);
    expect(agent.connected).to.equal(false);
    expect(waiting.state).to.equal('UNKNOWN_OUTCOME');
    const toAgent = watch(request('to the agent'));
    const fromAgent = watch(agent.request('agent.work', 'own', { timeoutMs: 100 }));
    await clock.advance(0);
    expect([toAgent.state, fromAgent.state]).to.deep.equal(['NODE_UNAVAILABLE', 'NODE_UNAVAILABLE']);
    expect(asked).to.deep.equal([]);
    expect(manager.connected).to.equal(true);

    network.reconnect('agent');
    const again = watch(request('again'));
    await clock.advance(0);
    expect(again.state).to.equal('resolved');
  });

  it('loses the answer of a process that is disconnected when it gives it', async () => {
    const finish = gate();
    const { request } = conversation(network, finish.opened);
    const asked = watch(request('work'));
    await clock.advance(0);
    network.disconnect('agent');
    finish.open();
    await clock.advance(0);
    network.reconnect('agent');
    await clock.advance(100);
    expect(asked.state).to.equal('UNKNOWN_OUTCOME');
  });

  it('can be opened while disconnected', async () => {
    network.disconnect('agent');
    const { agent, request } = conversation(network);
    expect(agent.connected).to.equal(false);
    network.reconnect('agent');
    expect(agent.connected).to.equal(true);
    const asked = watch(request('now'));
    await clock.advance(0);
    expect(asked.state).to.equal('resolved');
  });

  it('leaves the next process of that name alone when it crashed while closing', async () => {
    const { agent, request } = conversation(network, gate().opened);
    watch(request('stuck'));
    await clock.advance(0);
    const closed = agent.close();
    network.crash('agent');
    network.open('agent').serve('agent.work', undefined, () => Promise.resolve('second life'));
    await clock.advance(60_000);
    await closed;
    const asked = watch(request('again'));
    await clock.advance(0);
    expect(asked.answer).to.equal('second life');
  });

  it('gives up waiting for handlers when it closes', async () => {
    const { agent, manager, request } = conversation(network, gate().opened);
    const stuck = watch(request('stuck', 60_000));
    await clock.advance(0);
    const closed = agent.close();
    await clock.advance(60_000);
    await closed;
    expect(stuck.state).to.equal('UNKNOWN_OUTCOME');
    expect(manager.connected).to.equal(true);
  });

  it('logs what a handler rejects with', async () => {
    const lines: unknown[] = [];
    const log: Logger = {
      ...silentLogger,
      error: (message, fields) => lines.push([message, fields?.['endpoint'], String(fields?.['error'])]),
    };
    const logged = new MemoryBusNetwork({ clock, random: seededRandom(7), log });
    logged.open('agent').serve('agent.work', undefined, () => Promise.reject(new Error('planted')));
    watch(logged.open('manager').request('agent.work', null, { timeoutMs: 10 }));
    await clock.advance(10);
    expect(lines).to.deep.equal([['bus handler failed', 'agent', 'Error: planted']]);
  });

  it('refuses a second process of the same name', () => {
    network.open('agent');
    expect(() => network.open('agent')).to.throw('assertion failed');
  });

  it('runs the same way from the same seed', async () => {
    const run = async (seed: number): Promise<readonly string[]> => {
      const time = new ManualClock();
      const random = seededRandom(seed);
      const world = new MemoryBusNetwork({ clock: time, random });
      world.setFate(randomBusFate(random, { lossRate: 0.2, doubleRate: 0.3, delayMsMax: 40 }));
      const trace: string[] = [];
      for (const name of ['m1', 'm2', 'm3']) {
        world.open(name).serve('managers', 'managers', (payload) => {
          trace.push(`${String(time.monotonicMs())} ${name} ${String(payload)}`);
          return Promise.resolve(payload);
        });
      }
      const agent = world.open('agent');
      const requests = Array.from({ length: 60 }, (_, number) => watch(agent.request('managers', number, { timeoutMs: 100 })));
      await time.advance(200);
      return [...trace, ...requests.map(({ state }) => state)];
    };
    const first = await run(11);
    expect(await run(11)).to.deep.equal(first);
    expect(await run(12)).not.to.deep.equal(first);
    expect(new Set(first.slice(-60))).to.deep.equal(new Set(['resolved', 'UNKNOWN_OUTCOME']));
  });
});

interface Conversation {
  readonly agent: MemoryBus;
  readonly manager: MemoryBus;
  readonly asked: unknown[];
  readonly request: (payload: unknown, timeoutMs?: number) => Promise<unknown>;
}

/** An agent that serves `agent.work`, answering after `finish`, and a manager that asks it. */
function conversation(network: MemoryBusNetwork, finish: Promise<void> = Promise.resolve()): Conversation {
  const asked: unknown[] = [];
  const agent = network.open('agent');
  agent.serve('agent.work', undefined, async (payload) => {
    asked.push(payload);
    await finish;
    return `did ${String(payload)}`;
  });
  const manager = network.open('manager');
  return { agent, manager, asked, request: (payload, timeoutMs = 100) => manager.request('agent.work', payload, { timeoutMs }) };
}
