import { expect } from 'chai';
import { AppError, KeyedQueue } from '../src/index.js';

/** Work that ends when the test says so. */
function gate(): { readonly opened: Promise<void>; readonly open: () => void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

describe('a queue by keys', () => {
  it('runs work of one key in order and one at a time, work of others beside it', async () => {
    const queue = new KeyedQueue({ waitersMax: 10 });
    const told: string[] = [];
    const gates = [gate(), gate(), gate()];
    const calls = gates.map((each, index) =>
      queue.run('a', async () => {
        told.push(`begin ${String(index)}`);
        await each.opened;
        told.push(`end ${String(index)}`);
      }),
    );
    await queue.run('b', async () => {
      told.push('other');
    });
    for (const each of gates.toReversed()) each.open();
    await Promise.all(calls);
    expect(told).to.deep.equal(['begin 0', 'other', 'end 0', 'begin 1', 'end 1', 'begin 2', 'end 2']);
    expect(queue.size).to.equal(0);
  });

  it('goes on after work that fails, and answers each with its own', async () => {
    const queue = new KeyedQueue({ waitersMax: 10 });
    const outcomes = await Promise.allSettled([
      queue.run('a', async () => 1),
      queue.run('a', () => {
        throw new Error('at once');
      }),
      queue.run('a', () => Promise.reject(new Error('later'))),
      queue.run('a', async () => 4),
    ]);
    expect(outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : String(outcome.reason)))).to.deep.equal([
      1,
      'Error: at once',
      'Error: later',
      4,
    ]);
    expect(queue.size).to.equal(0);
  });

  it('lets nobody overtake who comes as the work before ends', async () => {
    const queue = new KeyedQueue({ waitersMax: 10 });
    const order: string[] = [];
    let running = 0;
    const work = (name: string) => async (): Promise<void> => {
      running += 1;
      expect(running, name).to.equal(1);
      order.push(name);
      await Promise.resolve();
      await Promise.resolve();
      running -= 1;
    };
    const first = queue.run('a', work('first'));
    const second = queue.run('a', work('second'));
    const third = first.then(() => queue.run('a', work('third')));
    await Promise.all([second, third]);
    expect(order).to.deep.equal(['first', 'second', 'third']);
  });

  it('refuses who would be one too many for a key, and takes the next when there is room', async () => {
    const queue = new KeyedQueue({ waitersMax: 2 });
    const hold = gate();
    const calls = [queue.run('a', () => hold.opened), queue.run('a', () => hold.opened)];
    const refusal: unknown = await queue.run('a', () => hold.opened).catch((error: unknown) => error);
    expect(refusal).to.be.instanceOf(AppError).with.property('reason', 'OVERLOADED');
    expect(await queue.run('b', async () => 'b')).to.equal('b');
    hold.open();
    await Promise.all(calls);
    expect(await queue.run('a', async () => 'a')).to.equal('a');
  });
});
