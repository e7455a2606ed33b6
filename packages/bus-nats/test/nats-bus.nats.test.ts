import { AppError, sleep, systemClock, type Clock } from '@volplane/base';
import { busContract, gate, rejection, startNatsServer, waitFor, type NatsServer } from '@volplane/testkit';
import { expect } from 'chai';
import { connect } from 'nats';
import { createConnection } from 'node:net';
import type { NatsBus } from '../src/nats-bus.js';
import { open, openConnected, recordingLogger } from './nats-bus-opening.js';

const PATIENT = { timeoutMs: 30_000 };

/** Longer than any test: who waits so long is settled by something else. */
const ENDLESS = { timeoutMs: 3_600_000 };

/** No frames, each in its own way. */
const STRAY_REQUESTS = [
  '[1,{"half":',
  new Uint8Array([0xff, 0xfe]),
  '',
  '"text"',
  'null',
  '{"0":1,"1":2}',
  '[]',
  '[1]',
  '["1",2]',
  '[1.5,2]',
  '[1e300,2]',
];

describe('NatsBus on a real server', () => {
  let server: NatsServer;
  const buses: NatsBus[] = [];
  const own = async (bus: Promise<NatsBus>): Promise<NatsBus> => {
    buses.push(await bus);
    return await bus;
  };

  before(async () => {
    server = await startNatsServer();
  });

  afterEach(async () => {
    await Promise.all(buses.splice(0).map((bus) => bus.close()));
  });

  after(async () => {
    await server.stop();
  });

  busContract('NatsBus', async () => {
    const opened: NatsBus[] = [];
    return {
      async open() {
        const bus = await openConnected(server);
        opened.push(bus);
        return bus;
      },
      async end() {
        await Promise.all(opened.map((bus) => bus.close()));
      },
    };
  });

  it('opens at once while the server is down, refuses requests at once, and serves when the server comes', async () => {
    await server.kill();
    const { log, lines } = recordingLogger();
    const agent = await own(open(server, { log }));
    const manager = await own(open(server));
    agent.serve('agent.work', undefined, () => Promise.resolve('served'));
    expect([agent.connected, manager.connected]).to.deep.equal([false, false]);
    expect((await rejection(manager.request('agent.work', null, ENDLESS))).reason).to.equal('NODE_UNAVAILABLE');
    await waitFor(() => lines.includes('warn nats cannot be reached'), { what: 'the outage is logged' });

    await server.restart();
    await waitFor(() => agent.connected && manager.connected, { what: 'both are connected' });
    // The server hears of the agent's subscription over another connection than of the request.
    const served = (): Promise<unknown> => manager.request('agent.work', null, PATIENT).catch(reasonOf);
    await waitFor(async () => (await served()) === 'served', { what: 'the subscription is known' });
    expect(lines).to.include('info nats connected');
    expect(lines.filter((line) => line === 'warn nats cannot be reached')).to.have.length(1);
  });

  it('closes while the server is down', async () => {
    await server.kill();
    const bus = await open(server);
    await bus.close();
    expect(bus.connected).to.equal(false);
    await server.restart();
  });

  it('leaves no connection when it is closed while it connects', async () => {
    const sockets = (): number => process.getActiveResourcesInfo().filter((resource) => resource === 'TCPSocketWrap').length;
    const before = sockets();
    for (let round = 0; round < 10; round += 1) {
      // One after the other: each is closed at another moment of its connecting.
      const bus = await open(server);
      for (let turn = 0; turn < round; turn += 1) await sleep(systemClock, 0);
      await bus.close();
      expect(bus.connected).to.equal(false);
    }
    await waitFor(() => sockets() <= before, { what: 'the sockets are gone' });
  });

  it('settles every request when the server is killed under load, runs nothing twice, and goes on after its restart', async () => {
    const agent = await own(openConnected(server));
    const manager = await own(openConnected(server));
    const ran = new Map<unknown, number>();
    agent.serve('agent.count', undefined, async (payload) => {
      ran.set(payload, (ran.get(payload) ?? 0) + 1);
      return payload;
    });
    await waitFor(() => manager.request('agent.count', 'first', PATIENT), { what: 'the agent answers' });

    const outcomes = new Map<number, string>();
    let done = false;
    const load = async (): Promise<void> => {
      while (!done) {
        const number = outcomes.size;
        outcomes.set(number, 'asked');
        // A caller of its own: one request after the other.
        outcomes.set(number, await manager.request('agent.count', number, ENDLESS).then(() => 'answered', reasonOf));
        await waitFor(() => done || (manager.connected && agent.connected), { what: 'both are connected' });
      }
    };
    const callers = Array.from({ length: 20 }, load);
    try {
      await waitFor(() => ran.size > 500, { what: 'the load runs' });
      await server.kill();
      await waitFor(() => !manager.connected, { what: 'the manager knows' });
      expect((await rejection(manager.request('agent.count', 'while down', ENDLESS))).reason).to.equal('NODE_UNAVAILABLE');
      const ranBefore = ran.size;
      await server.restart();
      await waitFor(() => ran.size > ranBefore + 500, { what: 'the load runs again' });
    } finally {
      done = true;
    }
    await Promise.all(callers);

    expect(new Set(outcomes.values())).to.include('answered');
    for (const [number, outcome] of outcomes) {
      const times = ran.get(number) ?? 0;
      const expected = { answered: [1], NODE_UNAVAILABLE: [0], UNKNOWN_OUTCOME: [0, 1] }[outcome];
      expect(expected, `request ${String(number)}: ${outcome}`).to.include(times);
    }
    expect(await manager.request('agent.count', 'after', PATIENT)).to.equal('after');
    expect(ran.has('while down')).to.equal(false);
  });

  it('does not know the outcome of a request that waits when the server dies', async () => {
    const agent = await own(openConnected(server));
    const manager = await own(openConnected(server));
    const begun = gate();
    const finish = gate();
    agent.serve('agent.slow', undefined, async () => {
      begun.open();
      await finish.opened;
    });
    await waitFor(() => served(manager, agent), { what: 'the subscription is known' });
    const request = rejection(manager.request('agent.slow', null, ENDLESS));
    await begun.opened;
    await server.kill();
    expect((await request).reason).to.equal('UNKNOWN_OUTCOME');
    finish.open();
    await server.restart();
  });

  it('does not know the outcome while the server is frozen, finds that out by itself, and comes back', async () => {
    const { log, lines } = recordingLogger();
    const agent = await own(openConnected(server));
    const manager = await own(openConnected(server, { log }));
    agent.serve('agent.work', undefined, () => Promise.resolve('served'));
    await waitFor(() => manager.request('agent.work', null, PATIENT), { what: 'the agent answers' });
    server.pause();
    try {
      // The signal needs a moment to reach every thread of the server.
      const isFrozen = async (): Promise<boolean> =>
        (await manager.request('agent.work', null, { timeoutMs: 100 }).catch(reasonOf)) === 'UNKNOWN_OUTCOME';
      await waitFor(isFrozen, { what: 'the server answers nothing' });
      expect((await rejection(manager.request('agent.work', null, ENDLESS))).reason).to.equal('UNKNOWN_OUTCOME');
      expect(lines).to.include('warn nats server stopped answering');
      expect((await rejection(manager.request('agent.work', null, ENDLESS))).reason).to.equal('NODE_UNAVAILABLE');
    } finally {
      server.resume();
    }
    await waitFor(() => manager.request('agent.work', null, { timeoutMs: 1_000 }), { what: 'the agent answers again' });
  });

  it('gets its answers out before it closes, also to a slow server', async () => {
    // Its bounds are not what is looked at here, and a busy machine may reach them.
    const patient: Clock = { ...systemClock, after: (delayMs, callback) => systemClock.after(100 * delayMs, callback) };
    const agent = await openConnected(server, { clock: patient });
    const manager = await own(openConnected(server));
    const finish = gate();
    let running = 0;
    // Together more than the buffers of a connection take.
    const large = 'x'.repeat(1_000_000);
    agent.serve('agent.large', undefined, async () => {
      running += 1;
      await finish.opened;
      return large;
    });
    await waitFor(() => served(manager, agent), { what: 'the subscription is known' });
    const requests = Array.from({ length: 16 }, () => manager.request('agent.large', null, ENDLESS));
    await waitFor(() => running === requests.length, { what: 'all are running' });
    const closed = agent.close();
    // With an end: one that the agent still took waits for the gate.
    await waitFor(async () => (await rejection(manager.request('agent.large', null, { timeoutMs: 100 }))).reason === 'NODE_UNAVAILABLE', {
      what: 'it serves no more',
    });
    server.pause();
    finish.open();
    for (let turn = 0; turn < 20; turn += 1) await sleep(systemClock, 0);
    server.resume();
    expect(new Set(await Promise.all(requests))).to.deep.equal(new Set([large]));
    await closed;
  });

  it('ends a subscription, and closes at once, when the server dies while that is under way', async () => {
    const { log, lines } = recordingLogger();
    const bus = await openConnected(server, { log });
    const ended = bus.serve('agent.work', undefined, () => Promise.resolve('served'));
    bus.serve('agent.more', undefined, () => Promise.resolve('served'));
    server.pause();
    const ending = Promise.all([ended.close(), bus.close()]);
    await server.kill();
    await ending;
    expect(lines).not.to.include('warn bus closed without waiting longer');
    await server.restart();
  });

  it('closes in bounded time while the server is frozen', async () => {
    const bus = await openConnected(server);
    bus.serve('agent.work', undefined, () => Promise.resolve('served'));
    server.pause();
    try {
      await bus.close();
      expect(bus.connected).to.equal(false);
    } finally {
      server.resume();
    }
  });

  it('drops what strangers send and goes on', async () => {
    const { log, lines } = recordingLogger();
    const bus = await own(openConnected(server, { log }));
    const heard: unknown[] = [];
    bus.serve('agent.work', undefined, async (payload) => heard.push(payload));
    await rejection(bus.request('nobody', null, PATIENT));
    const stranger = await connect({ servers: server.url });
    try {
      for (const stray of STRAY_REQUESTS) stranger.publish('agent.work', stray, { reply: 'somewhere' });
      stranger.publish('agent.work', '[1,"nobody to answer"]');
      stranger.publish('agent.work', '[1,"fine"]', { reply: 'somewhere' });
      await stranger.flush();
      await waitFor(() => heard.length > 0, { what: 'the good request was heard' });
    } finally {
      await stranger.close();
    }
    expect(heard).to.deep.equal(['fine']);
    expect(lines.filter((line) => line === 'debug stray message dropped agent.work')).to.have.length(STRAY_REQUESTS.length + 1);
    expect(bus.connected).to.equal(true);
    expect(await bus.request('agent.work', 'still here', PATIENT)).to.equal(2);
  });

  it('drops answers that cannot be read and goes on', async () => {
    const { log, lines } = recordingLogger();
    const bus = await own(openConnected(server, { log }));
    const stranger = await connect({ servers: server.url });
    try {
      stranger.subscribe('bad.answer', { callback: (_, message) => message.respond('{"half":') });
      await stranger.flush();
      expect((await rejection(bus.request('bad.answer', null, { timeoutMs: 200 }))).reason).to.equal('UNKNOWN_OUTCOME');
    } finally {
      await stranger.close();
    }
    await answerWithBadHeaders(server, 'bad.header', async () => {
      expect((await rejection(bus.request('bad.header', null, { timeoutMs: 200 }))).reason).to.equal('UNKNOWN_OUTCOME');
    });
    // On a busy machine they come after the requests have been given up.
    const dropped = (): number => lines.filter((line) => line.startsWith('debug stray answers dropped')).length;
    await waitFor(() => dropped() >= 2, { what: 'both answers came' });
    expect(dropped()).to.equal(2);
    bus.serve('agent.work', undefined, () => Promise.resolve('served'));
    expect(await bus.request('agent.work', null, PATIENT)).to.equal('served');
  });

  it('logs what a handler rejects with', async () => {
    const { log, lines } = recordingLogger();
    const bus = await own(openConnected(server, { log }));
    bus.serve('agent.work', undefined, () => Promise.reject(new Error('planted')));
    await rejection(bus.request('agent.work', null, { timeoutMs: 100 }));
    await waitFor(() => lines.includes('error bus handler failed agent.work'), { what: 'the failure is logged' });
  });
});

/** The requests that `asker` sends now find what `agent` serves. */
async function served(asker: NatsBus, agent: NatsBus): Promise<boolean> {
  await rejection(agent.request('nobody.listens.here', null, PATIENT));
  return asker.connected;
}

function reasonOf(error: unknown): string {
  return error instanceof AppError ? error.reason : String(error);
}

/** A peer that answers `subject` with headers that no client library writes. */
async function answerWithBadHeaders({ url }: NatsServer, subject: string, work: () => Promise<void>): Promise<void> {
  const socket = createConnection(Number(new URL(url).port), '127.0.0.1');
  const ready = gate();
  const garbage = 'no headers';
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
    if (text.includes('PONG')) ready.open();
    const reply = new RegExp(`MSG ${subject} 1 (\\S+) \\d+`).exec(text)?.[1];
    if (reply === undefined) return;
    socket.write(`HPUB ${reply} ${garbage.length} ${garbage.length}\r\n${garbage}\r\n`);
    text = '';
  });
  socket.write(`CONNECT {"verbose":false,"headers":true}\r\nSUB ${subject} 1\r\nPING\r\n`);
  try {
    await ready.opened;
    await work();
  } finally {
    socket.destroy();
  }
}
