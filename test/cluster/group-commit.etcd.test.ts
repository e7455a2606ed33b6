import { AppError, noTelemetry, seededRandom, silentLogger, systemClock, type Random } from '@volplane/base';
import type { KvCompare, KvEvent, KvOutcome, KvTransaction } from '@volplane/ports';
import { EtcdKv } from '@volplane/store-etcd';
import { startEtcd, waitFor, type EtcdServer } from '@volplane/testkit';
import { expect } from 'chai';
import { GroupCommit } from '../../packages/engine/src/store/group-commit.js';

/**
 * Group commit on a real etcd that is killed in the middle, against the same transactions one by one. etcd's own history, as a watch
 * tells it, is what happened; a model replays it and is asked whether each answer is the one that the transaction has alone.
 * Every put has a value of its own, so the history tells whose it is.
 */
describe('Group commit on etcd', () => {
  let etcd: EtcdServer;
  let kv: EtcdKv;

  before(async () => {
    etcd = await startEtcd();
    kv = await EtcdKv.open({ endpoints: etcd.endpoints, callTimeoutMs: 2_000, log: silentLogger });
  });

  after(async () => {
    await kv.close();
    await etcd.stop();
  });

  for (const seed of [1, 2, 3]) {
    it(`gives every transaction the outcome that it has alone, whatever is batched with it and whenever etcd dies (seed ${String(seed)})`, async () => {
      const world = new Trial(kv, `/trial-${String(seed)}/`, seededRandom(seed));
      await world.begin();
      const callers = world.startCallers();
      for (let kill = 0; kill < KILLS; kill += 1) {
        const made = world.told.length;
        await waitFor(() => world.told.length >= made + 150, { what: 'many transactions are answered', timeoutMs: 60_000 });
        await etcd.kill();
        await etcd.restart();
      }
      world.stop();
      await callers;
      await world.check();
    });
  }
});

type Fate = 'made' | 'refused' | 'not sent' | 'unknown';

interface Told {
  readonly transaction: KvTransaction;
  readonly fate: Fate;
  readonly revision: number;
}

class Trial {
  readonly told: Told[] = [];
  readonly #kv: EtcdKv;
  readonly #prefix: string;
  readonly #random: Random;
  readonly #commits: GroupCommit;
  readonly #sizes: number[] = [];
  #lease = '';
  #startRevision = 0;
  #values = 0;
  #stopped = false;

  constructor(kv: EtcdKv, prefix: string, random: Random) {
    this.#kv = kv;
    this.#prefix = prefix;
    this.#random = random;
    const telemetry = { ...noTelemetry, batch: (size: number): unknown => this.#sizes.push(size) };
    this.#commits = new GroupCommit({ kv, clock: systemClock, telemetry });
  }

  /** A session key, as of a node, that half of the transactions rest on. */
  async begin(): Promise<void> {
    this.#startRevision = await this.#kv.currentRevision();
    this.#lease = (await this.#kv.grantLease(600_000)).lease;
    await this.#kv.transact([{ compares: [], writes: [{ type: 'put', key: this.#session, value: 'session', lease: this.#lease }] }]);
  }

  async startCallers(): Promise<void> {
    const changers = Array.from({ length: 24 }, () => this.#change());
    await Promise.all([...changers, this.#pipeline(), this.#endSession()]);
  }

  stop(): void {
    this.#stopped = true;
  }

  get #session(): string {
    return `${this.#prefix}session`;
  }

  #pick(): string {
    return `${this.#prefix}key-${String(Math.floor(this.#random.float() * KEYS))}`;
  }

  #value(): string {
    this.#values += 1;
    return String(this.#values);
  }

  /** Reads, decides, commits, as managers do; sometimes by what it has seen long ago. */
  async #change(): Promise<void> {
    let seen = 0;
    while (!this.#stopped) {
      const key = this.#pick();
      const compares: KvCompare[] = [];
      try {
        if (this.#random.float() < 0.9) seen = (await this.#kv.get(key)).entry?.modRevision ?? 0;
        compares.push({ type: 'revision', key, modRevision: seen });
      } catch {
        // etcd is down; the next round reads again.
        continue;
      }
      if (this.#random.float() < 0.5) compares.push({ type: 'lease', key: this.#session, lease: this.#lease });
      await this.#submit({ compares, writes: [{ type: 'put', key, value: this.#value() }] });
    }
  }

  /** Writes one key without waiting for the answers: the order of the calls is the order of the writes. */
  async #pipeline(): Promise<void> {
    const key = `${this.#prefix}pipeline`;
    while (!this.#stopped) {
      const calls = Array.from({ length: 5 }, () => this.#submit({ compares: [], writes: [{ type: 'put', key, value: this.#value() }] }));
      await Promise.all(calls);
    }
  }

  /** The session ends somewhere in the middle. */
  async #endSession(): Promise<void> {
    await waitFor(() => this.told.length > 200, { what: 'the middle of the trial', timeoutMs: 60_000 });
    await waitFor(
      () =>
        this.#kv.revokeLease(this.#lease).then(
          () => true,
          () => false,
        ),
      { what: 'the session is ended', timeoutMs: 60_000 },
    );
  }

  async #submit(transaction: KvTransaction): Promise<void> {
    const tell = (fate: Fate, revision = 0): unknown => this.told.push({ transaction, fate, revision });
    await this.#commits.submit(transaction).then(
      ({ succeeded, revision }: KvOutcome) => tell(succeeded ? 'made' : 'refused', revision),
      (error: unknown) => {
        if (!(error instanceof AppError)) throw error;
        tell(error.reason === 'UNKNOWN_OUTCOME' ? 'unknown' : 'not sent');
      },
    );
  }

  async check(): Promise<void> {
    const history = await this.#history();
    const revisionOf = new Map<string, number>();
    for (const event of history) {
      if (event.type !== 'put') continue;
      expect(revisionOf.has(event.entry.value), `value ${event.entry.value} was written twice`).to.equal(false);
      revisionOf.set(event.entry.value, event.entry.modRevision);
    }
    const states = new States(history);
    for (const { transaction, fate, revision } of this.told) {
      const [write] = transaction.writes;
      const at = write?.type === 'put' ? revisionOf.get(write.value) : undefined;
      const what = `${JSON.stringify(transaction)} was told as ${fate} at ${String(revision)} and is in the history at ${String(at)}`;
      if (fate === 'made') expect(at, what).to.equal(revision);
      if (fate === 'refused' || fate === 'not sent') expect(at, what).to.equal(undefined);
      if (at !== undefined) expect(states.hold(transaction.compares, at - 1), what).to.equal(true);
      // A refused transaction made no revision: it was compared right before the writes of its batch, or after the last ones.
      const refusedRightly = !states.hold(transaction.compares, revision - 1) || !states.hold(transaction.compares, revision);
      if (fate === 'refused') expect(refusedRightly, what).to.equal(true);
    }
    const pipelined = history.flatMap((event) =>
      event.type === 'put' && event.entry.key.endsWith('pipeline') ? [Number(event.entry.value)] : [],
    );
    expect(pipelined).to.deep.equal([...pipelined].sort((a, b) => a - b));
    // The trial was one: batches, refusals, and answers lost by the kills.
    const fates = new Set(this.told.map(({ fate }) => fate));
    expect([...fates]).to.include.members(['made', 'refused']);
    expect(Math.max(...this.#sizes)).to.be.greaterThan(1);
  }

  /** Everything that etcd did under the prefix since the beginning, in order. */
  async #history(): Promise<readonly KvEvent[]> {
    const events: KvEvent[] = [];
    const end = await this.#kv.currentRevision();
    let reached = 0;
    const watch = this.#kv.watch(
      { prefix: this.#prefix, fromRevision: this.#startRevision + 1 },
      {
        onEvents: (more, revision) => {
          events.push(...more);
          reached = revision;
        },
        onProgress: (revision) => {
          reached = Math.max(reached, revision);
        },
        onEnd: () => undefined,
      },
    );
    await waitFor(
      () => {
        watch.requestProgress();
        return reached >= end;
      },
      { what: 'the history is read', timeoutMs: 60_000 },
    );
    watch.close();
    return events;
  }
}

/** What was there after each revision. */
class States {
  readonly #changes = new Map<string, { readonly from: number; readonly modRevision: number; readonly lease?: string }[]>();

  constructor(history: readonly KvEvent[]) {
    for (const event of history) {
      const key = event.type === 'put' ? event.entry.key : event.key;
      const changes = this.#changes.get(key) ?? [];
      this.#changes.set(key, changes);
      if (event.type === 'delete') changes.push({ from: event.modRevision, modRevision: 0 });
      else {
        const { modRevision, lease } = event.entry;
        changes.push({ from: modRevision, modRevision, ...(lease === undefined ? {} : { lease }) });
      }
    }
  }

  hold(compares: readonly KvCompare[], revision: number): boolean {
    return compares.every((compare) => {
      const state = this.#changes.get(compare.key)?.findLast(({ from }) => from <= revision);
      return compare.type === 'lease' ? state?.lease === compare.lease : (state?.modRevision ?? 0) === compare.modRevision;
    });
  }
}

const KEYS = 12;
const KILLS = 2;
