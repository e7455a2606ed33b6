import { AppError } from '@volplane/base';
import { KV_LIMITS, KvCompacted, type KvEntry, type KvStore } from '@volplane/ports';
import { expect } from 'chai';
import { failure, put, remove, write, type KvTrial } from './kv-trial.js';

export function kvRangeTests(trial: () => KvTrial): void {
  it('reads an absent key as absent, at the present revision', async () => {
    const { kv, prefix } = trial();
    const { revision } = await write(kv, put(`${prefix}other`, 'x'));
    const read = await kv.get(`${prefix}absent`);
    expect(read.entry).to.equal(undefined);
    // Somebody else may have written meanwhile.
    expect(read.revision).to.be.at.least(revision);
  });

  it('shows the lease of a key, and none once it was written without one', async () => {
    const { kv, prefix } = trial();
    const { lease } = await kv.grantLease(600_000);
    await write(kv, put(`${prefix}a`, 'x', lease));
    expect((await kv.get(`${prefix}a`)).entry?.lease).to.equal(lease);
    await write(kv, put(`${prefix}a`, 'y'));
    expect((await kv.get(`${prefix}a`)).entry).to.not.have.property('lease');
  });

  it('lists a prefix in key order and nothing beside it', async () => {
    const { kv, prefix } = trial();
    await write(kv, put(`${prefix}b`, '2'), put(`${prefix}a`, '1'));
    await write(kv, put(`${prefix}a/b`, '3'), put(`${prefix.slice(0, -1)}0`, 'beside'), put(prefix.slice(0, -1), 'above'));
    const { entries, more } = await kv.range({ prefix, limit: 10 });
    expect(entries.map(({ key }) => key.slice(prefix.length))).to.deep.equal(['a', 'a/b', 'b']);
    expect(more).to.equal(false);
  });

  it('lists in pages, each beginning after the last key', async () => {
    const { kv, prefix } = trial();
    for (const key of ['a', 'b', 'c', 'd', 'e']) await write(kv, put(`${prefix}${key}`, key));
    const first = await kv.range({ prefix, limit: 2 });
    expect(first.entries.map(({ value }) => value)).to.deep.equal(['a', 'b']);
    expect(first.more).to.equal(true);
    const second = await kv.range({ prefix, limit: 3, after: `${prefix}b` });
    expect(second.entries.map(({ value }) => value)).to.deep.equal(['c', 'd', 'e']);
    expect(second.more).to.equal(false);
    // The key to begin after need not exist.
    const third = await kv.range({ prefix, limit: 3, after: `${prefix}bb` });
    expect(third.entries.map(({ value }) => value)).to.deep.equal(['c', 'd', 'e']);
    expect((await kv.range({ prefix, limit: 3, after: `${prefix}e` })).entries).to.deep.equal([]);
  });

  it('keeps the pages of one list at one revision while writes go on', async () => {
    const { kv, prefix } = trial();
    const keys = Array.from({ length: 12 }, (_, index) => `${prefix}${String.fromCharCode(97 + index)}`);
    for (const key of keys) await write(kv, put(key, 'old'));
    const first = await kv.range({ prefix, limit: 5 });
    let written = 0;
    const overwrite = async (): Promise<void> => {
      for (const key of keys) {
        await write(kv, put(key, 'new'), put(`${key}-added`, 'new'));
        written += 1;
      }
      await write(kv, remove(keys[11] ?? ''));
    };
    const rest = async (): Promise<readonly KvEntry[]> => {
      const second = await kv.range({ prefix, limit: 5, after: keys[4] ?? '', atRevision: first.revision });
      const third = await kv.range({ prefix, limit: 5, after: keys[9] ?? '', atRevision: second.revision });
      expect([second.revision, third.revision, third.more]).to.deep.equal([first.revision, first.revision, false]);
      return [...second.entries, ...third.entries];
    };
    const [, during] = await Promise.all([overwrite(), rest()]);
    const after = await rest();
    expect(written).to.equal(keys.length);
    for (const entries of [during, after]) {
      expect([...first.entries, ...entries].map(({ key, value }) => `${key}=${value}`)).to.deep.equal(keys.map((key) => `${key}=old`));
    }
  });

  it('says that a revision was compacted away, and still reads at the compacted one', async () => {
    const { kv, prefix, compact } = trial();
    const { revision: first } = await write(kv, put(`${prefix}a`, 'one'), put(`${prefix}b`, 'stays'));
    const { revision: second } = await write(kv, put(`${prefix}a`, 'two'));
    await write(kv, remove(`${prefix}a`));
    await compact(second);
    const error = await failure(() => kv.range({ prefix, limit: 10, atRevision: first }));
    expect(error).to.be.instanceOf(KvCompacted).with.property('atRevision', first);
    const { entries } = await kv.range({ prefix, limit: 10, atRevision: second });
    expect(entries.map(({ value }) => value)).to.deep.equal(['two', 'stays']);
    expect((await kv.range({ prefix, limit: 10 })).entries.map(({ value }) => value)).to.deep.equal(['stays']);
  });

  it('refuses a revision that the store has not reached', async () => {
    const { kv, prefix } = trial();
    const revision = await kv.currentRevision();
    const error = await failure(() => kv.range({ prefix, limit: 10, atRevision: revision + 1_000_000 }));
    expect(error).to.be.instanceOf(AppError).with.property('reason', 'STORE_UNAVAILABLE');
  });

  it('lists more bytes than one answer can carry', async () => {
    const { kv, prefix } = trial();
    const value = 'x'.repeat(300_000);
    const keys = Array.from({ length: 30 }, (_, index) => `${prefix}${String(index).padStart(3, '0')}`);
    for (const key of keys) await write(kv, put(key, value));
    const entries = await listAll(kv, prefix);
    expect(entries.map(({ key }) => key)).to.deep.equal(keys);
    expect(entries.every((entry) => entry.value.length === value.length)).to.equal(true);
  });

  it('refuses a page size outside of 1 to the limit', async () => {
    const { kv, prefix } = trial();
    for (const limit of [0, -1, 1.5, KV_LIMITS.pageKeys + 1]) {
      expect(String(await failure(() => kv.range({ prefix, limit })))).to.contain(`1 to ${String(KV_LIMITS.pageKeys)} keys`);
    }
  });

  it('tells a current revision that no earlier answer exceeds', async () => {
    const { kv, prefix } = trial();
    const { revision } = await write(kv, put(`${prefix}a`, 'x'));
    expect(await kv.currentRevision()).to.equal(revision);
    const { revision: later } = await write(kv, put(`${prefix}a`, 'y'));
    expect(later).to.equal(revision + 1);
    expect(await kv.currentRevision()).to.equal(later);
  });
}

async function listAll(kv: KvStore, prefix: string): Promise<readonly KvEntry[]> {
  const entries: KvEntry[] = [];
  let page = await kv.range({ prefix, limit: KV_LIMITS.pageKeys });
  entries.push(...page.entries);
  while (page.more) {
    // A page begins where the last one ended.
    page = await kv.range({ prefix, limit: KV_LIMITS.pageKeys, after: entries.at(-1)?.key ?? '', atRevision: page.revision });
    entries.push(...page.entries);
  }
  return entries;
}
