import { KV_LIMITS, type KvPage, type KvRangeQuery } from '@volplane/ports';
import { ManualClock, MemoryKv } from '@volplane/testkit';
import { expect } from 'chai';
import { pagesOf } from '../src/store/pages.js';

describe('pagesOf', () => {
  it('gives every key once, in order, as of the revision of its first page', async () => {
    const { kv, queries } = await filled(3_000, 100);
    const keys: string[] = [];
    for await (const page of pagesOf(kv, '/a/', new AbortController().signal)) {
      // What is written meanwhile is of a younger revision.
      await kv.transact([{ compares: [], writes: [{ type: 'put', key: `/a/9-${String(keys.length)}`, value: '' }] }]);
      keys.push(...page.entries.map(({ key }) => key));
    }
    expect(keys).to.deep.equal(names(3_000));
    expect(new Set(queries.slice(1).map(({ atRevision }) => atRevision)).size).to.equal(1);
  });

  it('makes pages of some 1.5 million characters, whatever the size of the values', async () => {
    for (const chars of [10, 1_000, 50_000]) {
      const { kv, queries } = await filled(1_200, chars);
      for await (const page of pagesOf(kv, '/a/', new AbortController().signal)) expect(page.entries).not.to.have.length(0);
      const second = queries[1]?.limit ?? 0;
      expect(Math.min(KV_LIMITS.pageKeys, Math.floor(1_500_000 / (chars + 7)))).to.equal(second);
    }
  });

  it('asks for the next page before the present one is taken, and for no further one', async () => {
    const { kv, queries } = await filled(3_000, 1_000);
    const pages = pagesOf(kv, '/a/', new AbortController().signal);
    await pages.next();
    expect(queries).to.have.length(2);
    await pages.return();
    expect(queries).to.have.length(2);
  });

  it('leaves a failure of the page ahead to whoever comes for it', async () => {
    const { kv } = await filled(3_000, 1_000);
    const refusing = Object.assign(Object.create(kv) as MemoryKv, {
      range: (query: KvRangeQuery): Promise<KvPage> => (query.after === undefined ? kv.range(query) : Promise.reject(new Error('refused'))),
    });
    const pages = pagesOf(refusing, '/a/', new AbortController().signal);
    await pages.next();
    const failure = await pages.next().catch((error: unknown) => error);
    expect(failure).to.have.property('message', 'refused');
  });
});

const names = (count: number): string[] => Array.from({ length: count }, (_, index) => `/a/${String(1_000 + index)}`);

async function filled(count: number, chars: number): Promise<{ readonly kv: MemoryKv; readonly queries: KvRangeQuery[] }> {
  const kv = new MemoryKv({ clock: new ManualClock() });
  const queries: KvRangeQuery[] = [];
  const all = names(count);
  while (all.length > 0) {
    const writes = all.splice(0, 16).map((key) => ({ compares: [], writes: [{ type: 'put' as const, key, value: 'x'.repeat(chars) }] }));
    // Batch after batch, each of one revision.
    await kv.transact(writes);
  }
  const range = kv.range.bind(kv);
  kv.range = (query, signal) => {
    queries.push(query);
    return range(query, signal);
  };
  return { kv, queries };
}
