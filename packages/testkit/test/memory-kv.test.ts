import { AppError } from '@volplane/base';
import { KvCompacted } from '@volplane/ports';
import { expect } from 'chai';
import { gate, kvStoreContract, ManualClock, MemoryKv, recordWatch, waitFor } from '../src/index.js';
import { failure, put, transaction, write } from '../src/contracts/kv-trial.js';

kvStoreContract(
  'memory',
  () => {
    const clock = new ManualClock();
    const kv = new MemoryKv({ clock });
    return Promise.resolve({
      kv,
      compact: (revision) => {
        kv.compact(revision);
        return Promise.resolve();
      },
      letTimePass: (ms) => clock.advance(ms),
      end: () => Promise.resolve(),
    });
  },
  { modelRuns: 300 },
);

describe('MemoryKv', () => {
  describe('hooks', () => {
    it('applies nothing when beforeApply throws', async () => {
      const kv = new MemoryKv({ clock: new ManualClock() });
      const cut = kv.connect({
        beforeApply: () => {
          throw new AppError('STORE_UNAVAILABLE', 'cut off');
        },
      });
      expect(await failure(() => write(cut, put('a', 'x')))).to.have.property('reason', 'STORE_UNAVAILABLE');
      expect(kv.entries()).to.deep.equal([]);
    });

    it('applies and loses the answer when afterApply throws', async () => {
      const kv = new MemoryKv({ clock: new ManualClock() });
      const lossy = kv.connect({
        afterApply: ({ method }) => {
          if (method === 'transact') throw new AppError('UNKNOWN_OUTCOME', 'answer lost');
        },
      });
      expect(await failure(() => write(lossy, put('a', 'x')))).to.have.property('reason', 'UNKNOWN_OUTCOME');
      expect(kv.entries().map(({ key }) => key)).to.deep.equal(['a']);
    });

    it('applies a slow call although its caller has left', async () => {
      const { opened, open } = gate();
      const kv = new MemoryKv({ clock: new ManualClock(), beforeApply: () => opened });
      const controller = new AbortController();
      const left = failure(() => kv.transact([transaction([], [put('a', 'x')])], controller.signal));
      controller.abort();
      expect(await left).to.have.property('reason', 'CANCELLED');
      expect(kv.entries()).to.deep.equal([]);
      open();
      await waitFor(() => kv.entries().length === 1, { what: 'the call was applied' });
    });

    it('delays one watch and not the other; a late delivery has everything', async () => {
      const deliveries: (() => void)[] = [];
      const kv = new MemoryKv({ clock: new ManualClock() });
      const slow = kv.connect({ scheduleDelivery: (_, deliver) => deliveries.push(deliver) });
      const late = recordWatch(slow, { prefix: 'a', fromRevision: 1 });
      const prompt = recordWatch(kv, { prefix: 'a', fromRevision: 1 });
      await write(kv, put('a', '1'));
      await write(kv, put('a', '2'));
      await waitFor(() => prompt.events.length === 2, { what: 'the prompt watch has both' });
      expect(late.events).to.deep.equal([]);
      expect(deliveries.length).to.equal(1);
      deliveries[0]?.();
      expect(late.batches).to.deep.equal([3]);
      expect(late.events.length).to.equal(2);
    });

    it('ends a lagging watch when history is compacted past it', async () => {
      const deliveries: (() => void)[] = [];
      const kv = new MemoryKv({ clock: new ManualClock(), scheduleDelivery: (_, deliver) => deliveries.push(deliver) });
      const late = recordWatch(kv, { prefix: 'a', fromRevision: 1 });
      await write(kv, put('a', '1'));
      await write(kv, put('a', '2'));
      kv.compact(3);
      deliveries[0]?.();
      expect(late.ended).to.be.instanceOf(KvCompacted);
      expect(late.breaches).to.deep.equal([]);
    });
  });

  it('breaks the watches of one connection only', async () => {
    const kv = new MemoryKv({ clock: new ManualClock() });
    const other = kv.connect();
    const broken = recordWatch(other, { prefix: '', fromRevision: 1 });
    const whole = recordWatch(kv, { prefix: '', fromRevision: 1 });
    other.breakWatches();
    await write(kv, put('a', '1'));
    await waitFor(() => whole.events.length === 1, { what: 'the other watch goes on' });
    expect(broken.ended).to.have.property('reason', 'STORE_UNAVAILABLE');
    expect(broken.events).to.deep.equal([]);
  });

  it('expires a lease exactly at its time on the clock', async () => {
    const clock = new ManualClock();
    const kv = new MemoryKv({ clock, leaseTtlMsMin: 1_000 });
    const { lease } = await kv.grantLease(1_000);
    await write(kv, put('a', 'x', lease));
    await clock.advance(999);
    expect(kv.entries().length).to.equal(1);
    await clock.advance(1);
    expect(kv.entries()).to.deep.equal([]);
    expect(clock.waiting).to.equal(0);
  });

  it('holds 100,000 keys in shuffled order and pages through them', async () => {
    const kv = new MemoryKv({ clock: new ManualClock() });
    const name = (index: number): string => `/k/${String((index * 48_271) % 100_003).padStart(6, '0')}`;
    for (let start = 0; start < 100_000; start += 32) {
      await kv.transact(Array.from({ length: 32 }, (_, offset) => transaction([], [put(name(start + offset), 'x')])));
    }
    let count = 0;
    let page = await kv.range({ prefix: '/k/', limit: 1_000 });
    let last = '';
    for (;;) {
      for (const { key } of page.entries) {
        if (key <= last) throw new Error(`${key} after ${last}`);
        last = key;
      }
      count += page.entries.length;
      if (!page.more) break;
      page = await kv.range({ prefix: '/k/', limit: 1_000, after: last, atRevision: page.revision });
    }
    expect(count).to.equal(100_000);
    kv.compact(page.revision);
    expect((await kv.range({ prefix: '/k/', limit: 1 })).entries.length).to.equal(1);
  });
});
