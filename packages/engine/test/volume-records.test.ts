import { AppError, assert, noTelemetry, seededRandom, silentLogger, sleep } from '@volplane/base';
import { ManualClock, MemoryKv, rejection, waitFor, type MemoryKvCall } from '@volplane/testkit';
import { parseVolumeDocument } from '@volplane/wire';
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
  readonly records: VolumeRecords;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  constructor() {
    const { clock } = this;
    const kv = this.store.connect({
      beforeApply: (call) => this.disturb(call, 'before'),
      afterApply: (call) => this.disturb(call, 'after'),
    });
    const cache = new ClusterCache({ kv: this.store, clock, random: seededRandom(1), log: silentLogger });
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

  raise(): Promise<unknown> {
    return this.records.change(name, (present) => {
      assert(present !== undefined, 'it was created');
      return { type: 'commit', document: { ...present, epoch: present.epoch + 1 }, requirements: [], answer: undefined };
    });
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
    let settled = 0;
    const counted = (): unknown => (settled += 1);
    const changes = Array.from({ length: 20 }, () => bench.raise());
    for (const change of changes) change.then(counted, counted);
    await waitFor(
      async () => {
        await bench.clock.advance(5);
        return settled === changes.length;
      },
      { what: 'all have ended' },
    );
    await Promise.all(changes);
    expect([bench.epoch, commits]).to.deep.equal([document.epoch + changes.length, changes.length]);
  });
});
