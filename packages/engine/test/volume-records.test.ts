import { AppError, noTelemetry, seededRandom, silentLogger, sleep } from '@volplane/base';
import { ManualClock, MemoryKv, rejection, waitFor, type MemoryKvCall } from '@volplane/testkit';
import type { VolumeDocument, VolumeUid } from '@volplane/domain';
import { encodeDocument, parseVolumeDocument } from '@volplane/wire';
import { expect } from 'chai';
import { volume } from '../../domain/test/world.js';
import { ClusterCache } from '../src/store/cluster-cache.js';
import { GroupCommit } from '../src/store/group-commit.js';
import { volumeKey } from '../src/store/keys.js';
import { VolumeRecords } from '../src/store/volume-records.js';

const document = volume();
const { name } = document;

/** Changes of volumes through a store whose calls a test disturbs. */
class Bench {
  readonly clock = new ManualClock();
  readonly store = new MemoryKv({ clock: this.clock });
  /** Called with every call of the records, before it is applied and after; it may throw. */
  disturb: (call: MemoryKvCall, when: 'before' | 'after') => Promise<void> | void = () => undefined;
  /** Nothing that is written from now on reaches the memory of the records by their watch. */
  isWatchHeld = false;
  readonly records: VolumeRecords;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  constructor() {
    const { clock } = this;
    const kv = this.store.connect({
      beforeApply: (call) => this.disturb(call, 'before'),
      afterApply: (call) => this.disturb(call, 'after'),
    });
    const watched = this.store.connect({
      scheduleDelivery: (_watch, deliver) => {
        if (!this.isWatchHeld) queueMicrotask(deliver);
      },
    });
    const cache = new ClusterCache({ kv: watched, clock, random: seededRandom(1), log: silentLogger });
    const commits = new GroupCommit({ kv, clock, telemetry: noTelemetry });
    this.records = new VolumeRecords({ cache, commits, kv, clock, telemetry: noTelemetry, brake: () => undefined });
    this.#running = cache.run(this.#stop.signal);
  }

  create(): Promise<unknown> {
    return this.records.change(name, (present) =>
      present === undefined
        ? { type: 'commit', document, requirements: [], answer: undefined }
        : { type: 'refuse', failure: { reason: 'VOLUME_CONFLICT', message: 'it is there', fields: {} } },
    );
  }

  /** Raises the epoch of a volume that is there. */
  raise(): Promise<unknown> {
    return this.records.change(name, (present) => {
      if (present === undefined) return { type: 'refuse', failure: { reason: 'VOLUME_NOT_FOUND', message: 'it is not there', fields: {} } };
      return { type: 'commit', document: { ...present, epoch: present.epoch + 1 }, requirements: [], answer: undefined };
    });
  }

  /** Writes behind the back of the records, as another manager does. */
  async write(changes: Partial<VolumeDocument>): Promise<void> {
    const value = encodeDocument({ ...document, ...changes });
    await this.store.transact([{ compares: [], writes: [{ type: 'put', key: volumeKey(name), value }] }]);
  }

  /** The outcome of `work`, with time passing while it is awaited. */
  async settle<T>(work: Promise<T>): Promise<T> {
    let isSettled = false;
    const settled = (): unknown => (isSettled = true);
    work.then(settled, settled);
    await waitFor(
      async () => {
        await this.clock.advance(5);
        return isSettled;
      },
      { what: 'it has ended' },
    );
    return await work;
  }

  get epoch(): number | undefined {
    const [entry] = this.store.entries(volumeKey(name));
    return entry === undefined ? undefined : parseVolumeDocument(entry.key, entry.value).epoch;
  }

  get isStored(): boolean {
    return this.store.entries(volumeKey(name)).length === 1;
  }

  async end(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}

describe('VolumeRecords', () => {
  let bench: Bench;

  beforeEach(() => {
    bench = new Bench();
  });

  afterEach(() => bench.end());

  it('leaves another volume alone that has the name after a commit whose outcome is not known', async () => {
    await bench.create();
    const other = 'e'.repeat(32) as VolumeUid; // 32 hexadecimal characters is what a uid is
    let commits = 0;
    bench.disturb = async ({ method }, when) => {
      if (method !== 'transact' || when !== 'after') return;
      commits += 1;
      // Raised, then removed and made anew by others, before anybody looks.
      await bench.write({ uid: other });
      throw new AppError('UNKNOWN_OUTCOME', 'the answer was lost');
    };
    const error = await rejection(bench.settle(bench.raise()));
    expect(error).to.include({ reason: 'UNKNOWN_OUTCOME' });
    expect(error.message).to.contain(document.uid).and.contain(other);
    expect([commits, bench.epoch]).to.deep.equal([1, document.epoch]);
  });

  it('finds out what became of a commit whose answer was lost', async () => {
    bench.disturb = ({ method }, when) => {
      if (method === 'transact' && when === 'after') throw new AppError('UNKNOWN_OUTCOME', 'the answer was lost');
    };
    await bench.create();
    expect(bench.isStored).to.equal(true);
  });

  it('does not say that nothing was changed when the store fails before it can be asked what became of a commit', async () => {
    let isDown = false;
    bench.disturb = ({ method }, when) => {
      if (isDown) throw new AppError('STORE_UNAVAILABLE', `${method}: nothing was changed`);
      if (method !== 'transact' || when !== 'after') return;
      isDown = true;
      throw new AppError('UNKNOWN_OUTCOME', 'the answer was lost');
    };
    const error = await rejection(bench.create());
    expect(bench.isStored).to.equal(true);
    expect(error.reason).to.equal('UNKNOWN_OUTCOME');
    expect(error.message).to.contain(`volume ${name}`);
  });

  it('does not say so either when a further try fails', async () => {
    let commits = 0;
    bench.disturb = ({ method }, when) => {
      if (method !== 'transact' || when !== 'before') return;
      commits += 1;
      // The first one may still be on its way to the store.
      if (commits === 1) throw new AppError('UNKNOWN_OUTCOME', 'no clear answer');
      throw new AppError('STORE_UNAVAILABLE', 'nothing was changed');
    };
    expect((await rejection(bench.create())).reason).to.equal('UNKNOWN_OUTCOME');
    expect(commits).to.equal(2);
  });

  it('makes many changes of one volume at once with one commit each, however long a commit takes', async () => {
    await bench.create();
    let commits = 0;
    bench.disturb = ({ method }, when) => {
      if (method !== 'transact' || when !== 'before') return undefined;
      commits += 1;
      return sleep(bench.clock, 5);
    };
    const changes = Array.from({ length: 20 }, () => bench.raise());
    await bench.settle(Promise.all(changes));
    expect([bench.epoch, commits]).to.deep.equal([document.epoch + changes.length, changes.length]);
  });

  describe('with a watch that is behind', () => {
    beforeEach(async () => {
      await bench.create();
      bench.isWatchHeld = true;
    });

    it('refuses nothing by what it remembers', async () => {
      await bench.store.transact([{ compares: [], writes: [{ type: 'delete', key: volumeKey(name) }] }]);
      await bench.settle(bench.create());
      expect(bench.isStored).to.equal(true);
    });

    it('decides again on what the store has after it has lost, and not on what it remembers', async () => {
      await bench.write({ epoch: 40 });
      let commits = 0;
      bench.disturb = ({ method }, when) => {
        if (method === 'transact' && when === 'before') commits += 1;
      };
      await bench.settle(bench.raise());
      expect([bench.epoch, commits]).to.deep.equal([41, 2]);
    });
  });
});
