import { AppError, systemClock, type Clock } from '@volplane/base';
import { BUS_LIMITS } from '@volplane/ports';
import { expect } from 'chai';
import { getEventListeners } from 'node:events';
import { encodePayload } from '../src/frames.js';
import { OutgoingRequests } from '../src/outgoing-requests.js';
import { ITEMS_PER_MESSAGE_MAX } from '../src/turn-batches.js';

const ENDLESS = { timeoutMs: 3_600_000 };

/** The wire is a list; turns end when the test says so. */
describe('requests that travel together', () => {
  let ends: (() => void)[];
  let sent: string[];
  let refusal: string | undefined;
  /** That run. */
  let timers: Set<unknown>;
  let requests: OutgoingRequests;
  const endTurn = (): void => {
    for (const end of ends.splice(0)) end();
  };
  const ask = (payload: unknown, options: { timeoutMs: number; signal?: AbortSignal } = ENDLESS, subject = 'work'): Promise<unknown> =>
    requests.ask({ options, subject, payload: encodePayload(payload), frameBytesMax: 1_000_000 });

  beforeEach(() => {
    ends = [];
    sent = [];
    refusal = undefined;
    timers = new Set();
    const after: Clock['after'] = (delayMs, callback) => {
      const cancel = systemClock.after(delayMs, () => {
        timers.delete(cancel);
        callback();
      });
      timers.add(cancel);
      return () => {
        timers.delete(cancel);
        cancel();
      };
    };
    const clock: Clock = { ...systemClock, after, soon: (callback) => ends.push(callback) };
    requests = new OutgoingRequests({
      clock,
      publish: (subject, frame, firstId) => {
        if (refusal === undefined) sent.push(`${subject} ${String(firstId)} ${frame.toString()}`);
        return refusal;
      },
    });
  });

  it('are numbered through, and get their own answers in any order', async () => {
    const answers = [ask('a'), ask('b'), ask('c', ENDLESS, 'other')];
    endTurn();
    expect(sent).to.deep.equal(['work 1 [1,"a","b"]', 'other 3 [3,"c"]']);
    for (const id of [3, 1, 2]) requests.settle(id, `to ${String(id)}`);
    expect(await Promise.all(answers)).to.deep.equal(['to 1', 'to 2', 'to 3']);
  });

  it('take no harm from answers that are late, doubled, or to nobody', async () => {
    const answer = ask('a');
    const other = ask('b');
    endTurn();
    for (const id of ['1', null, {}, 7, -1, 1.5]) requests.settle(id, 'stray');
    requests.settle(1, 'first');
    requests.settle(1, 'second');
    expect(await answer).to.equal('first');
    requests.settle(1, 'late');
    requests.settle(2, 'still');
    expect(await other).to.equal('still');
  });

  it('are refused together when nobody listens, and those of other messages are not', async () => {
    const count = ITEMS_PER_MESSAGE_MAX + 2;
    const answers = Array.from({ length: count }, (_, number) => ask(number));
    endTurn();
    requests.refuse(ITEMS_PER_MESSAGE_MAX + 1);
    requests.refuse(1e300);
    requests.refuse(2);
    expect(await Promise.all(answers.slice(ITEMS_PER_MESSAGE_MAX).map(reasonOf))).to.deep.equal(['NODE_UNAVAILABLE', 'NODE_UNAVAILABLE']);
    for (let id = 1; id <= ITEMS_PER_MESSAGE_MAX; id += 1) requests.settle(id, id);
    expect(await Promise.all(answers.slice(0, ITEMS_PER_MESSAGE_MAX))).to.have.length(ITEMS_PER_MESSAGE_MAX);
  });

  it('were surely not sent when the connection has gone by then', async () => {
    const earlier = ask('earlier');
    endTurn();
    const planned = [ask('a'), ask('b')];
    requests.failSent('it broke');
    refusal = 'NATS is not connected';
    endTurn();
    expect(await reasonOf(earlier)).to.equal('UNKNOWN_OUTCOME');
    expect(await Promise.all(planned.map(reasonOf))).to.deep.equal(['NODE_UNAVAILABLE', 'NODE_UNAVAILABLE']);
    expect(sent).to.deep.equal(['work 1 [1,"earlier"]']);
  });

  it('stay unsent when their callers have gone by then', async () => {
    const controller = new AbortController();
    const cancelled = ask('cancelled', { ...ENDLESS, signal: controller.signal });
    const expired = ask('expired', { timeoutMs: 0 });
    const wanted = ask('wanted');
    controller.abort(new AppError('DEADLINE_EXCEEDED', 'planted'));
    expect(await reasonOf(cancelled)).to.equal('DEADLINE_EXCEEDED');
    expect(await reasonOf(expired)).to.equal('UNKNOWN_OUTCOME');
    endTurn();
    expect(sent).to.deep.equal(['work 1 [1,"wanted"]']);
    requests.settle(1, 'answer');
    expect(await wanted).to.equal('answer');
  });

  it('leave no timer and no listener behind, however they end', async () => {
    const { signal } = new AbortController();
    const answers = Array.from({ length: 4 }, () => reasonOf(ask('a', { ...ENDLESS, signal })));
    answers.push(reasonOf(ask('b', { timeoutMs: 0, signal }, 'other')));
    expect([timers.size, getEventListeners(signal, 'abort').length]).to.deep.equal([5, 1]);
    endTurn();
    requests.settle(1, 'answer');
    requests.settle(2, 'answer');
    // All of a message: those that were answered take no harm.
    requests.refuse(1);
    expect(await Promise.all(answers)).to.deep.equal(['answered', 'answered', 'NODE_UNAVAILABLE', 'NODE_UNAVAILABLE', 'UNKNOWN_OUTCOME']);
    expect([timers.size, getEventListeners(signal, 'abort').length]).to.deep.equal([0, 0]);
  });

  it('are bounded, those that wait for the end of the turn too', async () => {
    const controller = new AbortController();
    const options = { ...ENDLESS, signal: controller.signal };
    const answers = Array.from({ length: BUS_LIMITS.requestsPending - 1 }, () => reasonOf(ask(0, options)));
    answers.push(reasonOf(ask(0, options, 'other')));
    expect(sent.length * ITEMS_PER_MESSAGE_MAX).to.be.lessThan(BUS_LIMITS.requestsPending);
    expect(await reasonOf(ask(0))).to.equal('OVERLOADED');
    endTurn();
    expect(await reasonOf(ask(0))).to.equal('OVERLOADED');
    requests.settle(1, 'answer');
    const next = reasonOf(ask(0, options));
    controller.abort();
    expect(new Set(await Promise.all([...answers, next]))).to.deep.equal(new Set(['answered', 'CANCELLED']));
  });
});

async function reasonOf(request: Promise<unknown>): Promise<string> {
  return await request.then(
    () => 'answered',
    (error: unknown) => (error instanceof AppError ? error.reason : String(error)),
  );
}
