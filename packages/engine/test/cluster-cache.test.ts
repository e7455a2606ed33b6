import { seededRandom, silentLogger } from '@volplane/base';
import { ManualClock, MemoryKv, waitFor } from '@volplane/testkit';
import { expect } from 'chai';
import { encodeDocument } from '@volplane/wire';
import { volume } from '../../domain/test/world.js';
import { ClusterCache } from '../src/store/cluster-cache.js';
import { volumeKey } from '../src/store/keys.js';

describe('ClusterCache', () => {
  it('reaches a revision that changed nothing in its own prefix, by the progress of its watch', async () => {
    const clock = new ManualClock();
    let lists = 0;
    const kv = new MemoryKv({
      clock,
      beforeApply: ({ method }) => {
        if (method === 'range') lists += 1;
      },
    });
    const cache = new ClusterCache({ kv, clock, random: seededRandom(1), log: silentLogger });
    const stop = new AbortController();
    const running = cache.run(stop.signal);
    await cache.filled;
    const [foreign] = await kv.transact([{ compares: [], writes: [{ type: 'put', key: '/somebody-else', value: 'x' }] }]);
    const revision = foreign?.revision ?? 0;
    await waitFor(
      async () => {
        // A silent watch is asked for its progress after a while.
        await clock.advance(1_000);
        return cache.revision >= revision;
      },
      { what: `the cache reached revision ${String(revision)}` },
    );
    expect(await cache.barrier()).to.equal(true);
    expect(lists).to.equal(1, 'it did not list again for it');
    stop.abort();
    await running;
  });

  it('takes an event that brings what this process writes as the document that was written, and parses every other', async () => {
    const clock = new ManualClock();
    const kv = new MemoryKv({ clock });
    const cache = new ClusterCache({ kv, clock, random: seededRandom(1), log: silentLogger });
    const stop = new AbortController();
    const running = cache.run(stop.signal);
    await cache.filled;
    const document = volume();
    const { name } = document;
    const value = encodeDocument(document);
    const write = async (): Promise<void> => {
      const [done] = await kv.transact([{ compares: [], writes: [{ type: 'put', key: volumeKey(name), value }] }]);
      await waitFor(() => cache.volumes.get(name)?.modRevision === done?.revision, { what: 'the event is in memory' });
    };
    const arrived = cache.expect(volumeKey(name), value, document);
    await write();
    expect(cache.volumes.get(name)?.document).to.equal(document);
    arrived();
    await write();
    expect(cache.volumes.get(name)?.document).to.not.equal(document);
    expect(cache.volumes.get(name)?.document).to.deep.equal(document);
    stop.abort();
    await running;
  });
});
