import { AppError, noTelemetry, sleep, systemClock, type Telemetry } from '@volplane/base';
import { KV_LIMITS, type KvCompare, type KvStore, type KvTransaction, type KvWrite } from '@volplane/ports';
import { gate, ManualClock, MemoryKv, rejection, waitFor, type Gate } from '@volplane/testkit';
import { expect } from 'chai';
import fc from 'fast-check';
import { GroupCommit } from '../src/store/group-commit.js';

const put = (key: string, value = 'x'): KvWrite => ({ type: 'put', key, value });
const unchanged = (key: string, modRevision: number): KvCompare => ({ type: 'revision', key, modRevision });
const transaction = (compares: readonly KvCompare[], ...writes: readonly KvWrite[]): KvTransaction => ({ compares, writes });

/** A store whose transactions wait for `held` to be opened, and what was sent to it. */
function heldStore(): { kv: MemoryKv; batches: (readonly KvTransaction[])[]; held: Gate } {
  const batches: (readonly KvTransaction[])[] = [];
  const held = gate();
  const kv = new MemoryKv({
    clock: new ManualClock(),
    beforeApply: ({ batch }) => {
      if (batch === undefined) return;
      batches.push(batch);
      return held.opened;
    },
  });
  return { kv, batches, held };
}

function committer(kv: KvStore, telemetry: Partial<Telemetry> = {}): GroupCommit {
  return new GroupCommit({ kv, clock: new ManualClock(), telemetry: { ...noTelemetry, ...telemetry } });
}

describe('GroupCommit', () => {
  it('sends the calls of one turn together, each with its own outcome', async () => {
    const { kv, batches, held } = heldStore();
    held.open();
    const commits = committer(kv);
    const outcomes = await Promise.all([
      commits.submit(transaction([unchanged('a', 0)], put('a'))),
      commits.submit(transaction([unchanged('b', 7)], put('b'))),
      commits.submit(transaction([unchanged('c', 0)], put('c'))),
    ]);
    expect(outcomes.map((outcome) => outcome.succeeded)).to.deep.equal([true, false, true]);
    expect(batches.map((batch) => batch.length)).to.deep.equal([3]);
  });

  it('takes along whoever comes with the same turn of the event loop, one after the other', async () => {
    const { kv, batches, held } = heldStore();
    held.open();
    const commits = new GroupCommit({ kv, clock: systemClock, telemetry: noTelemetry });
    const first = commits.submit(transaction([], put('a')));
    // As where one read of a socket brings two answers: what the first leads to has run when the second is handed over.
    for (let job = 0; job < 10; job += 1) await Promise.resolve();
    await Promise.all([first, commits.submit(transaction([], put('b')))]);
    expect(batches.map((batch) => batch.length)).to.deep.equal([2]);
  });

  it('fills batches while earlier ones are in flight, and keeps both bounded', async () => {
    const { kv, batches, held } = heldStore();
    const sizes: number[] = [];
    const commits = committer(kv, { batch: (size) => sizes.push(size) });
    const all = Array.from({ length: 300 }, (_, index) => commits.submit(transaction([], put(`k${String(index)}`))));
    await waitFor(() => batches.length === 2, { what: 'two batches are in flight' });
    expect(commits.waiting).to.equal(300 - 2 * KV_LIMITS.transactionsPerBatch);
    held.open();
    await Promise.all(all);
    expect(sizes).to.deep.equal([32, 32, 32, 32, 32, 32, 32, 32, 32, 12]);
    expect(kv.entries()).to.have.length(300);
  });

  it('lets what does not fill a batch gather until the one before is back', async () => {
    const { kv, batches, held } = heldStore();
    const commits = committer(kv);
    const first = commits.submit(transaction([], put('first')));
    await waitFor(() => batches.length === 1, { what: 'the first batch is in flight' });
    const gathered = Array.from({ length: KV_LIMITS.transactionsPerBatch - 1 }, (_, index) =>
      commits.submit(transaction([], put(`k${String(index)}`))),
    );
    // Every turn that could send it has passed.
    await sleep(systemClock, 0);
    expect(batches).to.have.length(1);
    const last = commits.submit(transaction([], put('last')));
    await waitFor(() => batches.length === 2, { what: 'a full batch is in flight beside it' });
    held.open();
    await Promise.all([first, last, ...gathered]);
    expect(batches.map((batch) => batch.length)).to.deep.equal([1, KV_LIMITS.transactionsPerBatch]);
  });

  it('makes the writes of one key in the order of the calls, one batch after the other', async () => {
    const { kv, batches, held } = heldStore();
    const commits = committer(kv);
    const all = ['1', '2', '3'].map((value) => commits.submit(transaction([], put('same', value))));
    const other = commits.submit(transaction([], put('other')));
    await waitFor(() => batches.length === 1, { what: 'the first batch is in flight' });
    expect(batches[0]).to.have.length(2);
    held.open();
    const outcomes = await Promise.all(all);
    await other;
    expect(batches.map((batch) => batch.length)).to.deep.equal([2, 1, 1]);
    expect(outcomes.map((outcome) => outcome.revision)).to.deep.equal([2, 3, 4]);
    expect(kv.entries('same')[0]?.value).to.equal('3');
  });

  it('keeps a compare of a key out of the batch that writes the key before', async () => {
    const { kv, batches, held } = heldStore();
    held.open();
    const commits = committer(kv);
    const [, second] = await Promise.all([
      commits.submit(transaction([], put('session'))),
      commits.submit(transaction([unchanged('session', 0)], put('volume'))),
      commits.submit(transaction([unchanged('session', 0)], put('third'))),
    ]);
    expect(second.succeeded).to.equal(false);
    expect(batches.map((batch) => batch.length)).to.deep.equal([1, 2]);
  });

  it('refuses what the store would refuse alone, and sends the others', async () => {
    const { kv, held } = heldStore();
    held.open();
    const commits = committer(kv);
    const good = commits.submit(transaction([], put('good')));
    const tooLarge = rejection(commits.submit(transaction([], put('bad', 'ü'.repeat(KV_LIMITS.valueBytes / 2 + 1)))));
    const tooWide = commits.submit(
      transaction([], ...Array.from({ length: KV_LIMITS.operationsPerTransaction + 1 }, (_, index) => put(String(index)))),
    );
    expect((await tooLarge).reason).to.equal('TOO_LARGE');
    expect(await tooWide.catch(String)).to.contain('at most');
    expect((await good).succeeded).to.equal(true);
  });

  it('splits a batch whose values are too many bytes, counted as UTF-8', async () => {
    const { kv, batches, held } = heldStore();
    held.open();
    const commits = committer(kv);
    const value = 'ü'.repeat(KV_LIMITS.batchBytes / 5);
    await Promise.all(['a', 'b', 'c', 'd', 'e'].map((key) => commits.submit(transaction([], put(key, value)))));
    expect(batches.map((batch) => batch.length)).to.deep.equal([2, 2, 1]);
  });

  it('lets nobody wait for those who came later, and not for the key of another', async () => {
    const { kv, batches, held } = heldStore();
    const commits = committer(kv);
    const flood = Array.from({ length: 400 }, () => commits.submit(transaction([], put('hot'))));
    const single = commits.submit(transaction([], put('single')));
    const later = Array.from({ length: 100 }, (_, index) => commits.submit(transaction([], put(`later${String(index)}`))));
    await waitFor(() => batches.length > 0, { what: 'the first batch is in flight' });
    // The first of the flood, and right behind it who wants another key.
    expect(batches[0]?.slice(0, 2).map(({ writes }) => writes[0]?.key)).to.deep.equal(['hot', 'single']);
    held.open();
    await Promise.all([...flood, single, ...later]);
  });

  it('refuses with OVERLOADED when too many wait, without sending anything', async () => {
    const { kv, batches } = heldStore();
    const commits = committer(kv);
    const submitted = Array.from({ length: 20_001 }, (_, index) => commits.submit(transaction([], put(String(index)))));
    expect((await rejection(submitted[20_000] ?? Promise.resolve())).reason).to.equal('OVERLOADED');
    expect(batches).to.have.length(2);
  });

  it('tells an unknown outcome to every call of the batch and goes on with the next', async () => {
    let lost = 1;
    const kv = new MemoryKv({
      clock: new ManualClock(),
      afterApply: () => {
        lost -= 1;
        if (lost === 0) throw new AppError('UNKNOWN_OUTCOME', 'the answer was lost');
      },
    });
    const commits = committer(kv);
    const [one, two] = await Promise.all(['a', 'b'].map((key) => rejection(commits.submit(transaction([], put(key))))));
    expect([one?.reason, two?.reason]).to.deep.equal(['UNKNOWN_OUTCOME', 'UNKNOWN_OUTCOME']);
    expect((await commits.submit(transaction([], put('a')))).succeeded).to.equal(true);
    expect(kv.entries().map((entry) => entry.key)).to.deep.equal(['a', 'b']);
  });

  it('gives every compare-and-swap the outcome that it has alone, whatever is batched with it', async () => {
    const step = fc.record({ key: fc.nat(3), compared: fc.nat(3) });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const kv = new MemoryKv({ clock: new ManualClock() });
        const commits = committer(kv);
        let made = 0;
        // Everybody increments the counter that he has read; of those that read the same, one wins.
        await Promise.all(
          steps.map(async ({ key, compared }) => {
            const { entry } = await kv.get(`k${String(key)}`);
            const other = await kv.get(`k${String(compared)}`);
            const compares = [unchanged(`k${String(key)}`, entry?.modRevision ?? 0)];
            if (compared !== key) compares.push(unchanged(`k${String(compared)}`, other.entry?.modRevision ?? 0));
            const outcome = await commits.submit(transaction(compares, put(`k${String(key)}`, String(Number(entry?.value ?? 0) + 1))));
            if (outcome.succeeded) made += 1;
          }),
        );
        const counted = kv.entries().reduce((sum, entry) => sum + Number(entry.value), 0);
        expect(counted).to.equal(made);
        if (steps.length > 0) expect(made).to.be.greaterThan(0);
      }),
      { numRuns: 100 },
    );
  });
});
