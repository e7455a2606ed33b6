import { AppError } from '@volplane/base';
import { KV_LIMITS, type KvTransaction } from '@volplane/ports';
import { expect } from 'chai';
import { failure, only, put, remove, transaction, unchanged, write, type KvTrial } from './kv-trial.js';

export function kvTransactionTests(trial: () => KvTrial): void {
  describe('of one', () => {
    singleTests(trial);
  });
  describe('in a batch', () => {
    batchTests(trial);
  });
  describe('at their limits', () => {
    limitTests(trial);
  });
}

function singleTests(trial: () => KvTrial): void {
  it('creates a key that is absent, once', async () => {
    const { kv, prefix } = trial();
    const create = transaction([unchanged(`${prefix}a`, 0)], [put(`${prefix}a`, 'one')]);
    const first = await only(kv, create);
    expect(first.succeeded).to.equal(true);
    const second = await only(kv, create);
    expect(second).to.deep.equal({ succeeded: false, revision: first.revision });
    expect(await kv.get(`${prefix}a`)).to.deep.equal({
      entry: { key: `${prefix}a`, value: 'one', modRevision: first.revision, createRevision: first.revision },
      revision: first.revision,
    });
  });

  it('replaces a key at its revision and refuses an older one', async () => {
    const { kv, prefix } = trial();
    const key = `${prefix}a`;
    const { revision: created } = await write(kv, put(key, 'one'));
    const replaced = await only(kv, transaction([unchanged(key, created)], [put(key, 'two')]));
    expect(replaced.succeeded).to.equal(true);
    expect((await only(kv, transaction([unchanged(key, created)], [put(key, 'three')]))).succeeded).to.equal(false);
    expect((await kv.get(key)).entry).to.deep.equal({ key, value: 'two', modRevision: replaced.revision, createRevision: created });
  });

  it('refuses a revision of an absent key, and absence of a present one', async () => {
    const { kv, prefix } = trial();
    const { revision } = await write(kv, put(`${prefix}present`, 'x'));
    expect((await only(kv, transaction([unchanged(`${prefix}absent`, revision)], []))).succeeded).to.equal(false);
    expect((await only(kv, transaction([unchanged(`${prefix}present`, 0)], []))).succeeded).to.equal(false);
  });

  it('compares leases: the same one holds; another one, none, and an absent key do not', async () => {
    const { kv, prefix } = trial();
    const { lease } = await kv.grantLease(600_000);
    const { lease: other } = await kv.grantLease(600_000);
    await write(kv, put(`${prefix}bound`, 'x', lease), put(`${prefix}free`, 'x'));
    const holds = async (key: string, expected: string): Promise<boolean> =>
      (await only(kv, transaction([{ type: 'lease', key: `${prefix}${key}`, lease: expected }], []))).succeeded;
    expect(await holds('bound', lease)).to.equal(true);
    expect(await holds('bound', other)).to.equal(false);
    expect(await holds('free', lease)).to.equal(false);
    expect(await holds('absent', lease)).to.equal(false);
  });

  it('writes nothing when one of two compares fails', async () => {
    const { kv, prefix } = trial();
    const compares = [unchanged(`${prefix}a`, 0), unchanged(`${prefix}b`, 77)];
    expect((await only(kv, transaction(compares, [put(`${prefix}a`, 'x'), put(`${prefix}b`, 'x')]))).succeeded).to.equal(false);
    expect((await kv.range({ prefix, limit: 10 })).entries).to.deep.equal([]);
  });

  it('writes several keys at one revision', async () => {
    const { kv, prefix } = trial();
    const { revision } = await write(kv, put(`${prefix}a`, '1'), put(`${prefix}b`, '2'), put(`${prefix}c`, '3'));
    const { entries } = await kv.range({ prefix, limit: 10 });
    expect(entries.map(({ modRevision }) => modRevision)).to.deep.equal([revision, revision, revision]);
  });

  it('checks without writing, and makes no revision by it', async () => {
    const { kv, prefix } = trial();
    const before = await kv.currentRevision();
    expect(await only(kv, transaction([unchanged(`${prefix}a`, 0)], []))).to.deep.equal({ succeeded: true, revision: before });
    expect(await only(kv, transaction([unchanged(`${prefix}a`, 9)], []))).to.deep.equal({ succeeded: false, revision: before });
    expect(await kv.currentRevision()).to.equal(before);
  });

  it('deletes; a delete of an absent key succeeds and makes no revision', async () => {
    const { kv, prefix } = trial();
    await write(kv, put(`${prefix}a`, 'x'));
    const deleted = await write(kv, remove(`${prefix}a`));
    expect((await kv.get(`${prefix}a`)).entry).to.equal(undefined);
    expect(await write(kv, remove(`${prefix}a`))).to.deep.equal({ succeeded: true, revision: deleted.revision });
  });

  it('gives a key that is created again a create revision of its own', async () => {
    const { kv, prefix } = trial();
    await write(kv, put(`${prefix}a`, 'x'));
    await write(kv, remove(`${prefix}a`));
    const { revision } = await only(kv, transaction([unchanged(`${prefix}a`, 0)], [put(`${prefix}a`, 'y')]));
    expect((await kv.get(`${prefix}a`)).entry).to.include({ createRevision: revision, modRevision: revision });
  });

  it('loses no update among concurrent writers of one key', async () => {
    const { kv, prefix } = trial();
    const key = `${prefix}counter`;
    await write(kv, put(key, '0'));
    await Promise.all(Array.from({ length: 4 }, () => increment(trial(), key, 10)));
    expect((await kv.get(key)).entry?.value).to.equal('40');
  });
}

function batchTests(trial: () => KvTrial): void {
  it('gives each of 32 transactions its own outcome, and the writes one revision', async () => {
    const { kv, prefix } = trial();
    const name = (index: number): string => `${prefix}${String(index).padStart(2, '0')}`;
    await write(kv, put(name(0), 'taken'), put(name(3), 'taken'), put(name(31), 'taken'));
    const batch = Array.from({ length: 32 }, (_, index) => transaction([unchanged(name(index), 0)], [put(name(index), 'mine')]));
    const outcomes = await kv.transact(batch);
    const lost = new Set([0, 3, 31]);
    expect(outcomes.map(({ succeeded }) => succeeded)).to.deep.equal(batch.map((_, index) => !lost.has(index)));
    const { entries } = await kv.range({ prefix, limit: 100 });
    expect(entries.map(({ value }) => value)).to.deep.equal(batch.map((_, index) => (lost.has(index) ? 'taken' : 'mine')));
    const revisions = new Set([
      ...outcomes.map(({ revision }) => revision),
      ...entries.filter(({ value }) => value === 'mine').map((e) => e.modRevision),
    ]);
    expect(revisions.size).to.equal(1);
  });

  it('compares a key before a later transaction of the batch writes it', async () => {
    const { kv, prefix } = trial();
    const { revision } = await write(kv, put(`${prefix}session`, 'here'));
    const outcomes = await kv.transact([
      transaction([unchanged(`${prefix}session`, revision)], [put(`${prefix}grant`, 'x')]),
      transaction([], [remove(`${prefix}session`)]),
    ]);
    expect(outcomes.map(({ succeeded }) => succeeded)).to.deep.equal([true, true]);
  });

  it('refuses a compare of a key that an earlier transaction writes, for it would see the old state', async () => {
    const { kv, prefix } = trial();
    const batch = [transaction([], [put(`${prefix}a`, 'x')]), transaction([unchanged(`${prefix}a`, 0)], [put(`${prefix}b`, 'x')])];
    expect(String(await failure(() => kv.transact(batch)))).to.contain('compares a key written earlier');
    expect((await kv.range({ prefix, limit: 10 })).entries).to.deep.equal([]);
  });

  it('refuses a key written twice, in one transaction or in two', async () => {
    const { kv, prefix } = trial();
    const twice = [put(`${prefix}a`, 'x'), remove(`${prefix}a`)];
    expect(String(await failure(() => kv.transact([transaction([], twice)])))).to.contain('writes a key once');
    expect(String(await failure(() => kv.transact(twice.map((one) => transaction([], [one])))))).to.contain('writes a key once');
    expect((await kv.range({ prefix, limit: 10 })).entries).to.deep.equal([]);
  });

  it('makes no revision when all of them fail', async () => {
    const { kv, prefix } = trial();
    const before = await kv.currentRevision();
    const outcomes = await kv.transact(
      ['a', 'b'].map((key) => transaction([unchanged(`${prefix}${key}`, 5)], [put(`${prefix}${key}`, 'x')])),
    );
    expect(outcomes).to.deep.equal([
      { succeeded: false, revision: before },
      { succeeded: false, revision: before },
    ]);
  });

  it('fails the transaction that binds a key to a lease that is gone, and no other one', async () => {
    const { kv, prefix } = trial();
    const { lease } = await kv.grantLease(600_000);
    const { lease: gone } = await kv.grantLease(600_000);
    await kv.revokeLease(gone);
    const outcomes = await kv.transact([
      transaction([], [put(`${prefix}a`, 'x', lease)]),
      transaction([], [put(`${prefix}b`, 'x', gone)]),
      transaction([], [put(`${prefix}c`, 'x'), put(`${prefix}d`, 'x', gone)]),
      transaction([], [put(`${prefix}e`, 'x')]),
    ]);
    expect(outcomes.map(({ succeeded }) => succeeded)).to.deep.equal([true, false, false, true]);
    const { entries, revision } = await kv.range({ prefix, limit: 10 });
    expect(entries.map(({ key }) => key)).to.deep.equal([`${prefix}a`, `${prefix}e`]);
    expect(outcomes.map((outcome) => outcome.revision)).to.deep.equal([revision, revision, revision, revision]);
  });

  it('fails alone, too, when its lease is gone', async () => {
    const { kv, prefix } = trial();
    const { lease: gone } = await kv.grantLease(600_000);
    await kv.revokeLease(gone);
    expect((await write(kv, put(`${prefix}a`, 'x', gone))).succeeded).to.equal(false);
  });

  it('answers an empty batch with nothing', async () => {
    expect(await trial().kv.transact([])).to.deep.equal([]);
  });
}

function limitTests(trial: () => KvTrial): void {
  it('keeps a value of the greatest size, with characters of several bytes', async () => {
    const { kv, prefix } = trial();
    const value = 'é'.repeat(KV_LIMITS.valueBytes / 2);
    await write(kv, put(`${prefix}a`, value));
    const { entry } = await kv.get(`${prefix}a`);
    expect(entry?.value === value).to.equal(true);
  });

  it('refuses a value or a batch above its limit, naming the key', async () => {
    const { kv, prefix } = trial();
    const value = 'x'.repeat(KV_LIMITS.valueBytes);
    const tooLong = await failure(() => write(kv, put(`${prefix}a`, `${value}x`)));
    expect(tooLong).to.be.instanceOf(AppError).with.property('reason', 'TOO_LARGE');
    expect(String(tooLong)).to.contain(`${prefix}a`);
    const tooMuch = await failure(() => write(kv, put(`${prefix}a`, value), put(`${prefix}b`, value)));
    expect(tooMuch).to.be.instanceOf(AppError).with.property('reason', 'TOO_LARGE');
  });

  it('takes 32 transactions of 12 operations', async () => {
    const { kv, prefix } = trial();
    const batch: readonly KvTransaction[] = Array.from({ length: KV_LIMITS.transactionsPerBatch }, (_, index) => {
      const key = `${prefix}${String(index)}`;
      const compares = Array.from({ length: KV_LIMITS.operationsPerTransaction - 2 }, (_, other) =>
        unchanged(`${key}-${String(other)}`, 0),
      );
      return transaction(compares, [put(`${key}a`, 'x'), put(`${key}b`, 'x')]);
    });
    expect((await kv.transact(batch)).every(({ succeeded }) => succeeded)).to.equal(true);
    expect((await kv.range({ prefix, limit: 100 })).entries.length).to.equal(64);
  });

  it('refuses more transactions, more operations and malformed keys', async () => {
    const { kv, prefix } = trial();
    const single = transaction([], [remove(`${prefix}a`)]);
    expect(String(await failure(() => kv.transact(Array.from({ length: 33 }, () => single))))).to.contain('at most 32');
    const wide = transaction(
      [],
      Array.from({ length: KV_LIMITS.operationsPerTransaction + 1 }, (_, index) => put(`${prefix}${String(index)}`, 'x')),
    );
    expect(String(await failure(() => kv.transact([wide])))).to.contain('at most 12');
    for (const key of ['', 'ü', 'a\nb']) {
      expect(String(await failure(() => write(kv, put(key, 'x'))))).to.contain('printable ASCII');
    }
  });

  it('stops waiting when the signal fires, with the reason of the signal', async () => {
    const { kv, prefix } = trial();
    const fired = AbortSignal.abort();
    const batch = [transaction([], [put(`${prefix}a`, 'x')])];
    expect(await failure(() => kv.transact(batch, fired))).to.have.property('reason', 'CANCELLED');
    expect(await failure(() => kv.get(`${prefix}a`, fired))).to.have.property('reason', 'CANCELLED');
    const controller = new AbortController();
    const pending = failure(() => kv.transact(batch, controller.signal));
    controller.abort(new AppError('SHUTTING_DOWN', 'stopping'));
    expect(await pending).to.have.property('reason', 'SHUTTING_DOWN');
  });
}

async function increment({ kv }: KvTrial, key: string, times: number): Promise<void> {
  for (let done = 0; done < times;) {
    // Each round needs the value that the last one left.
    const { entry } = await kv.get(key);
    const next = String(Number(entry?.value ?? 0) + 1);
    const { succeeded } = await only(kv, transaction([unchanged(key, entry?.modRevision ?? 0)], [put(key, next)]));
    if (succeeded) done += 1;
  }
}
