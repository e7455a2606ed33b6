import { AppError, seededRandom, silentLogger, type Logger } from '@volplane/base';
import type { KvStore, KvWrite } from '@volplane/ports';
import { gate, ManualClock, MemoryKv, rejection, waitFor, type Gate } from '@volplane/testkit';
import { expect } from 'chai';
import { encodeDocument } from '@volplane/wire';
import { node, sessionDocument, volume } from '../../domain/test/world.js';
import { ClusterCache } from '../src/store/cluster-cache.js';
import { sessionKey, volumeKey } from '../src/store/keys.js';
import { recordingLogger, type LogLine } from './recording-logger.js';
import { runningCache } from './running-cache.js';

/** A store that counts how often it is listed. */
function countedStore(clock: ManualClock): { readonly kv: MemoryKv; readonly lists: () => number } {
  let lists = 0;
  const kv = new MemoryKv({
    clock,
    beforeApply: ({ method }) => {
      if (method === 'range') lists += 1;
    },
  });
  return { kv, lists: () => lists };
}

describe('ClusterCache', () => {
  it('reaches a revision that changed nothing in its own prefix, by the progress of its watch', async () => {
    const clock = new ManualClock();
    const { kv, lists } = countedStore(clock);
    const { cache, end } = await runningCache({ kv, clock });
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
    expect(lists()).to.equal(1, 'it did not list again for it');
    await end();
  });

  it('takes an event that brings what this process writes as the document that was written, and parses every other', async () => {
    const clock = new ManualClock();
    const kv = new MemoryKv({ clock });
    const { cache, end } = await runningCache({ kv, clock });
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
    await end();
  });

  it('lists ever more rarely, with a warning, while each watch ends at once, and at once again when one has lived', async () => {
    const clock = new ManualClock();
    const { kv, lists } = countedStore(clock);
    const warnings: string[] = [];
    const log: Logger = { ...silentLogger, warn: (message) => warnings.push(message) };
    const { end } = await runningCache({ kv, clock, log });
    for (let passedMs = 0; passedMs < 20_000; passedMs += 20) {
      kv.breakWatches();
      await clock.advance(20);
    }
    expect(lists()).to.be.within(5, 20);
    expect(warnings).to.include('cluster cache cannot watch the store');
    await clock.advance(15_000);
    const before = lists();
    kv.breakWatches();
    await clock.advance(20);
    expect(lists()).to.equal(before + 1);
    await end();
  });

  for (const [how, revisions, notice] of [
    ['an earlier revision', 0, 'watch'],
    ['a later revision with an earlier state', 50, 'watch'],
    // The adapter resumes a watch that broke, and one from a revision to come is silent.
    ['an earlier revision, and its watch does not tell', 0, 'reader'],
  ] as const) {
    it(`fails when the store was put back to ${how}: what is in memory is true no more`, async () => {
      const clock = new ManualClock();
      const document = volume();
      const write = async (kv: MemoryKv, epoch: number): Promise<void> => {
        const value = encodeDocument({ ...document, epoch });
        await kv.transact([{ compares: [], writes: [{ type: 'put', key: volumeKey(document.name), value }] }]);
      };
      const [before, restored] = [new MemoryKv({ clock }), new MemoryKv({ clock })];
      let store = before;
      const kv: KvStore = new Proxy(before, { get: (_, key) => (Reflect.get(store, key) as () => unknown).bind(store) });
      await write(restored, 1);
      for (const epoch of [1, 2]) await write(before, epoch);
      const cache = new ClusterCache({ kv, clock, random: seededRandom(1), log: silentLogger });
      const failure = cache.run(new AbortController().signal).catch((error: unknown) => error);
      await cache.filled;
      expect(cache.volumes.get(document.name)?.document.epoch).to.equal(2);
      // Until its watch is open.
      await clock.advance(1_000);
      for (let count = 0; count < revisions; count += 1) {
        // One after the other: each is a revision.
        await restored.transact([{ compares: [], writes: [{ type: 'put', key: '/somebody-else', value: String(count) }] }]);
      }
      store = restored;
      if (notice === 'watch') before.breakWatches();
      else expect((await rejection(cache.barrier())).reason).to.equal('STORE_UNAVAILABLE');
      // A watch that ended soon is followed by a pause.
      await clock.advance(1_000);
      expect(String(await failure)).to.contain('the store was put back');
    });
  }

  it('says once and at once that the store cannot be read, and that it can be again', async () => {
    const clock = new ManualClock();
    let isDown = false;
    const kv = new MemoryKv({
      clock,
      beforeApply: () => {
        if (isDown) throw new AppError('STORE_UNAVAILABLE', 'the store is away');
      },
    });
    const lines: LogLine[] = [];
    const told = (): readonly string[] => lines.filter(({ level }) => level !== 'debug').map(({ level, message }) => `${level} ${message}`);
    const { end } = await runningCache({ kv, clock, log: recordingLogger(lines) });
    await clock.advance(10_000);
    for (let outage = 0; outage < 2; outage += 1) {
      lines.length = 0;
      isDown = true;
      kv.breakWatches();
      await clock.advance(20);
      expect(told()).to.deep.equal(['warn cluster cache cannot read the store']);
      await clock.advance(600_000);
      isDown = false;
      await clock.advance(30_000);
      expect(told()).to.deep.equal(['warn cluster cache cannot read the store', 'info cluster cache reads the store again']);
    }
    await end();
  });

  describe('with an answer of the store that the watch has overtaken', () => {
    const clock = new ManualClock();
    let server: MemoryKv;
    let cache: ClusterCache;
    /** Answers of single reads wait for it. */
    let held: Gate;
    let end: () => Promise<void>;

    beforeEach(async () => {
      server = new MemoryKv({ clock });
      held = gate();
      const kv = server.connect({ afterApply: ({ method }) => (method === 'get' ? held.opened : undefined) });
      ({ cache, end } = await runningCache({ kv, clock }));
    });

    afterEach(() => end());

    const put = async (key: string, value: string): Promise<number> => (await write({ type: 'put', key, value }))[0]?.revision ?? 0;
    const write = (...writes: readonly KvWrite[]): ReturnType<MemoryKv['transact']> => server.transact([{ compares: [], writes }]);
    const caughtUp = async (): Promise<void> => {
      const revision = await server.currentRevision();
      await waitFor(() => cache.revision >= revision, { what: `the cache is at revision ${String(revision)}` });
    };

    it('does not bring back a session that has ended', async () => {
      await put(sessionKey(node('n1')), encodeDocument(sessionDocument('n1', 1)));
      await caughtUp();
      const reading = cache.readSession(node('n1'));
      await Promise.resolve();
      await write({ type: 'delete', key: sessionKey(node('n1')) });
      await caughtUp();
      held.open();
      expect(await reading).to.equal(undefined);
      expect(cache.sessions.has(node('n1'))).to.equal(false);
    });

    it('does not take away a session that has begun', async () => {
      const reading = cache.readSession(node('n1'));
      await Promise.resolve();
      await put(sessionKey(node('n1')), encodeDocument(sessionDocument('n1', 1)));
      await caughtUp();
      held.open();
      expect((await reading)?.document.session).to.equal('1');
    });

    it('does not bring back a volume that came and went between two lists', () => {
      const document = volume();
      // The commit was answered after the list that no longer had it.
      cache.applyCommitted(document.name, document, cache.revision);
      expect(cache.volumes.get(document.name)).to.equal(undefined);
    });
  });
});
