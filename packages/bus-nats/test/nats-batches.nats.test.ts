import { AppError } from '@volplane/base';
import { gate, rejection, startNatsServer, waitFor, type NatsServer } from '@volplane/testkit';
import { expect } from 'chai';
import { connect, type NatsConnection } from 'nats';
import type { NatsBus } from '../src/nats-bus.js';
import { heldTurns, openConnected } from './nats-bus-opening.js';

const PATIENT = { timeoutMs: 30_000 };
/** Only for what is never answered: on a busy machine an answer may take longer. */
const HASTY = { timeoutMs: 200 };
/** Longer than any test: who waits so long is settled by something else. */
const ENDLESS = { timeoutMs: 3_600_000 };

/** Method: a stranger on the same server sees every message that passes, and sends what no process of ours does. */
describe('requests on NATS that travel together', () => {
  let server: NatsServer;
  let stranger: NatsConnection;
  let manager: NatsBus;
  let agent: NatsBus;
  let passed: { readonly subject: string; readonly items: number }[];

  before(async () => {
    server = await startNatsServer();
  });

  beforeEach(async () => {
    [manager, agent] = await Promise.all([openConnected(server), openConnected(server)]);
    stranger = await connect({ servers: server.url, reconnect: false });
    passed = [];
  });

  afterEach(async () => {
    await Promise.all([manager.close(), agent.close(), stranger.close()]);
  });

  after(async () => {
    await server.stop();
  });

  const serve = async (subject: string, handler: (payload: unknown) => unknown): Promise<void> => {
    agent.serve(subject, undefined, async (payload) => await handler(payload));
    await rejection(agent.request('nobody.listens.here', null, PATIENT));
  };

  /** From now on; what has no payload is the server's own. */
  const watch = async (): Promise<void> => {
    for (const subject of ['agent.>', '_INBOX.>']) {
      stranger.subscribe(subject, {
        callback: (_, message) => {
          if (message.data.length > 0) passed.push({ subject: message.subject, items: (JSON.parse(message.string()) as unknown[]).length });
        },
      });
    }
    await stranger.flush();
  };
  const itemsOf = async (prefix: string): Promise<number[]> => {
    await stranger.flush();
    return passed.filter(({ subject }) => subject.startsWith(prefix)).map(({ items }) => items);
  };

  it('are one message, as are the answers that are ready together', async () => {
    await serve('agent.echo', (payload) => payload);
    await watch();
    const numbers = Array.from({ length: 20 }, (_, number) => number);
    expect(await Promise.all(numbers.map((number) => manager.request('agent.echo', number, PATIENT)))).to.deep.equal(numbers);
    expect(await itemsOf('agent.echo')).to.deep.equal([21]);
    expect(await itemsOf('_INBOX.')).to.deep.equal([40]);
    expect(await manager.request('agent.echo', 'alone', PATIENT)).to.equal('alone');
    expect(await itemsOf('agent.echo')).to.deep.equal([21, 2]);
  });

  it('have answers in one message also when they came in several', async () => {
    const all = gate();
    let waiting = 0;
    await serve('agent.gate', async (payload) => {
      waiting += 1;
      await all.opened;
      return payload;
    });
    await watch();
    const first = manager.request('agent.gate', 1, PATIENT);
    await waitFor(() => waiting === 1, { what: 'the first runs' });
    const second = manager.request('agent.gate', 2, PATIENT);
    await waitFor(() => waiting === 2, { what: 'the second runs' });
    all.open();
    expect(await Promise.all([first, second])).to.deep.equal([1, 2]);
    expect(await itemsOf('_INBOX.')).to.deep.equal([4]);
  });

  it('do not wait for the slow one among them', async () => {
    const finish = gate();
    await serve('agent.slow', async (payload) => {
      if (payload === 'slow') await finish.opened;
      return payload;
    });
    const [slow, ...quick] = ['slow', 'a', 'b'].map((payload) => manager.request('agent.slow', payload, PATIENT));
    expect(await Promise.all(quick)).to.deep.equal(['a', 'b']);
    finish.open();
    expect(await slow).to.equal('slow');
  });

  it('are as many messages as max_payload demands, and so are the answers', async () => {
    await serve('agent.large', (payload) => payload);
    await watch();
    const texts = Array.from({ length: 5 }, (_, number) => String(number).repeat(Math.floor(manager.payloadBytesMax / 3)));
    expect(await Promise.all(texts.map((text) => manager.request('agent.large', text, PATIENT)))).to.deep.equal(texts);
    expect(await itemsOf('agent.large')).to.deep.equal([3, 3, 2]);
    expect((await itemsOf('_INBOX.')).reduce((sum, items) => sum + items, 0)).to.equal(10);
    expect([manager.connected, agent.connected]).to.deep.equal([true, true]);
  });

  it('fail each for itself', async () => {
    await serve('agent.fragile', (payload) => {
      if (payload === 'throw') throw new Error('planted');
      if (payload === 'reject') return Promise.reject(new Error('planted'));
      if (payload === 'flood') return 'x'.repeat(agent.payloadBytesMax);
      return payload === 'no json' ? () => 1 : payload;
    });
    const outcome = (payload: unknown, options = HASTY): Promise<unknown> =>
      manager.request('agent.fragile', payload, options).catch(reasonOf);
    const unsent = [() => 1, 'x'.repeat(manager.payloadBytesMax)].map((payload) => outcome(payload));
    const failing = ['throw', 'reject', 'flood', 'no json'].map((payload) => outcome(payload));
    expect(await outcome('fine', PATIENT)).to.equal('fine');
    expect(await Promise.all(unsent)).to.deep.equal(['Error: assertion failed: a payload is a JSON value', 'TOO_LARGE']);
    expect(new Set(await Promise.all(failing))).to.deep.equal(new Set(['UNKNOWN_OUTCOME']));
  });

  it('are all refused when nobody listens, and those to others are not', async () => {
    await serve('agent.here', (payload) => payload);
    const nobody = Array.from({ length: 100 }, () => manager.request('agent.away', null, ENDLESS).catch(reasonOf));
    expect(await manager.request('agent.here', 'here', PATIENT)).to.equal('here');
    expect(new Set(await Promise.all(nobody))).to.deep.equal(new Set(['NODE_UNAVAILABLE']));
  });

  it('take the good answers out of a message that also has bad ones', async () => {
    stranger.subscribe('agent.odd', {
      callback: (_, message) => {
        const [id] = JSON.parse(message.string()) as [number];
        const bad = [String(id), 0, null, 1, { id }, 2, id + 1_000, 3, [id], 4];
        message.respond(JSON.stringify([...bad, id, 'good', id, 'again', id + 1, 'also good', id + 2]));
      },
    });
    await stranger.flush();
    const requests = [PATIENT, PATIENT, HASTY].map((options, number) => manager.request('agent.odd', number, options).catch(reasonOf));
    expect(await Promise.all(requests)).to.deep.equal(['good', 'also good', 'UNKNOWN_OUTCOME']);
  });

  it('are answered to whoever speaks the format', async () => {
    await serve('agent.echo', (payload) => payload);
    const { data } = await stranger.request('agent.echo', '[7,"a",{"b":null}]', { timeout: PATIENT.timeoutMs });
    expect(JSON.parse(Buffer.from(data).toString())).to.deep.equal([7, 'a', 8, { b: null }]);
  });

  it('were surely not sent when the connection breaks before their turn ends', async () => {
    let heard = 0;
    await serve('agent.count', () => (heard += 1));
    const { clock, endTurn } = heldTurns();
    const holding = await openConnected(server, { clock });
    const requests = [1, 2].map((number) => holding.request('agent.count', number, ENDLESS).catch(reasonOf));
    await server.kill();
    await waitFor(() => !holding.connected, { what: 'the break is known' });
    endTurn();
    expect(await Promise.all(requests)).to.deep.equal(['NODE_UNAVAILABLE', 'NODE_UNAVAILABLE']);
    await holding.close();
    await server.restart();
    await waitFor(() => manager.connected && agent.connected, { what: 'both are back' });
    await waitFor(() => manager.request('agent.count', null, PATIENT).catch(() => false), { what: 'the agent answers' });
    expect(heard).to.equal(1);
  });

  it('get the answers that wait for the end of their turn when the other side closes', async () => {
    const { clock, endTurn } = heldTurns();
    const closing = await openConnected(server, { clock });
    const heard: unknown[] = [];
    closing.serve('agent.closing', undefined, async (payload) => {
      heard.push(payload);
      return await Promise.resolve(payload);
    });
    const knock = async (): Promise<boolean> => {
      stranger.publish('agent.closing', '[1,"knock"]', { reply: 'somewhere' });
      await stranger.flush();
      return heard.length > 0;
    };
    await waitFor(knock, { what: 'the subscription is known' });
    const request = manager.request('agent.closing', 'kept', PATIENT);
    await waitFor(() => heard.includes('kept'), { what: 'the request was handled' });
    await closing.close();
    expect(await request).to.equal('kept');
    endTurn();
  });
});

function reasonOf(error: unknown): string {
  return error instanceof AppError ? error.reason : String(error);
}
