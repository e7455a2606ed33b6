import { KV_LIMITS, type KvCompare, type KvEntry, type KvOutcome, type KvTransaction, type KvWrite } from '@volplane/ports';
import { expect } from 'chai';
import fc from 'fast-check';
import { waitFor } from '../wait-for.js';
import type { KvTrial } from './kv-trial.js';
import { eventText, recordWatch } from './watch-recorder.js';

/**
 * Random batches, one after the other, against a model that is too plain to be wrong: a map, and a batch is its
 * transactions one by one. Outcomes, the final content and the watch's whole story must be the same, revisions included.
 */
export function kvModelTests(trial: () => KvTrial, runs: number): void {
  it('give the outcomes, contents and events of the model', async () => {
    let histories = 0;
    const property = fc.asyncProperty(fc.array(batchOf(), { minLength: 1, maxLength: 12 }), async (drafts) => {
      histories += 1;
      const { kv, prefix: testPrefix } = trial();
      const prefix = `${testPrefix}${String(histories)}/`;
      const live = (await kv.grantLease(600_000)).lease;
      const other = (await kv.grantLease(600_000)).lease;
      const gone = (await kv.grantLease(600_000)).lease;
      await kv.revokeLease(gone);
      const model = new NaiveStore(await kv.currentRevision(), [live, other]);
      const record = recordWatch(kv, { prefix, fromRevision: model.revision + 1 });
      for (const draft of drafts) {
        const batch = toBatch(draft, { prefix, leases: [live, other, gone], model });
        expect(await kv.transact(batch)).to.deep.equal(model.transact(batch));
      }
      await kv.revokeLease(live);
      model.endLease(live);
      expect((await kv.range({ prefix, limit: KV_LIMITS.pageKeys })).entries).to.deep.equal(model.entries());
      await waitFor(() => record.events.length >= model.events.length, { what: 'the watch told every event' });
      expect(record.events.map(eventText)).to.deep.equal(model.events);
      record.watch.close();
      expect(record.breaches).to.deep.equal([]);
      await kv.revokeLease(other);
    });
    await fc.assert(property, { numRuns: runs, endOnFailure: runs < SHRINK_FROM_RUNS });
  });
}

/** Where a run costs real time, the first counterexample must do. */
const SHRINK_FROM_RUNS = 100;

const KEYS = ['a', 'b', 'c', 'd', 'e'] as const;

interface TransactionDraft {
  readonly compares: readonly { readonly key: string; readonly kind: 'current' | 'absent' | 'stale' | 'lease'; readonly lease: number }[];
  readonly writes: readonly { readonly key: string; readonly kind: 'put' | 'delete'; readonly value: string; readonly lease: number }[];
}

function batchOf(): fc.Arbitrary<readonly TransactionDraft[]> {
  const key = fc.constantFrom(...KEYS);
  const lease = fc.integer({ min: 0, max: 3 });
  const compare = fc.record({ key, kind: fc.constantFrom('current', 'current', 'current', 'absent', 'stale', 'lease'), lease });
  const write = fc.record({ key, kind: fc.constantFrom('put', 'put', 'delete'), value: fc.string({ maxLength: 4 }), lease });
  const draft = fc.record({ compares: fc.array(compare, { maxLength: 2 }), writes: fc.array(write, { maxLength: 2 }) });
  return fc.array(draft, { minLength: 1, maxLength: 6 });
}

interface Resolution {
  readonly prefix: string;
  /** The third one is gone; a draft's fourth means none. */
  readonly leases: readonly [string, string, string];
  readonly model: NaiveStore;
}

/** A legal batch: what would break the rules of a batch is left out. */
function toBatch(drafts: readonly TransactionDraft[], { prefix, leases, model }: Resolution): readonly KvTransaction[] {
  const written = new Set<string>();
  return drafts.map((draft) => {
    const compares = draft.compares
      .map((compare): KvCompare => {
        const key = `${prefix}${compare.key}`;
        if (compare.kind === 'lease') return { type: 'lease', key, lease: leases[compare.lease] ?? leases[0] };
        const current = model.modRevision(key);
        return { type: 'revision', key, modRevision: { current, absent: 0, stale: Math.max(0, current - 1) }[compare.kind] };
      })
      .filter(({ key }) => !written.has(key));
    const writes: KvWrite[] = [];
    for (const { key: name, kind, value, lease } of draft.writes) {
      const key = `${prefix}${name}`;
      if (written.has(key)) continue;
      written.add(key);
      const bound = leases[lease];
      writes.push(
        kind === 'delete' ? { type: 'delete', key } : { type: 'put', key, value, ...(bound === undefined ? {} : { lease: bound }) },
      );
    }
    return { compares, writes };
  });
}

class NaiveStore {
  revision: number;
  readonly events: string[] = [];
  readonly #entries = new Map<string, KvEntry>();
  readonly #leases: Set<string>;

  constructor(revision: number, leases: readonly string[]) {
    this.revision = revision;
    this.#leases = new Set(leases);
  }

  modRevision(key: string): number {
    return this.#entries.get(key)?.modRevision ?? 0;
  }

  entries(): readonly KvEntry[] {
    return [...this.#entries.values()].sort((left, right) => (left.key < right.key ? -1 : 1));
  }

  transact(batch: readonly KvTransaction[]): readonly KvOutcome[] {
    const next = this.revision + 1;
    const before = this.events.length;
    const succeeded = batch.map(({ compares, writes }) => {
      const holds = compares.every((compare) => this.#holds(compare)) && writes.every((write) => this.#canWrite(write));
      if (holds) for (const write of writes) this.#write(write, next);
      return holds;
    });
    if (this.events.length > before) this.revision = next;
    return succeeded.map((one) => ({ succeeded: one, revision: this.revision }));
  }

  endLease(lease: string): void {
    const keys = this.entries()
      .filter((entry) => entry.lease === lease)
      .map(({ key }) => key);
    for (const key of keys) this.#write({ type: 'delete', key }, this.revision + 1);
    if (keys.length > 0) this.revision += 1;
  }

  #holds(compare: KvCompare): boolean {
    if (compare.type === 'revision') return this.modRevision(compare.key) === compare.modRevision;
    return this.#entries.get(compare.key)?.lease === compare.lease;
  }

  #canWrite(write: KvWrite): boolean {
    return write.type === 'delete' || write.lease === undefined || this.#leases.has(write.lease);
  }

  #write(write: KvWrite, revision: number): void {
    const { key } = write;
    if (write.type === 'delete') {
      if (this.#entries.delete(key)) this.events.push(eventText({ type: 'delete', key, modRevision: revision }));
      return;
    }
    const { value, lease } = write;
    const entry = {
      key,
      value,
      ...(lease === undefined ? {} : { lease }),
      modRevision: revision,
      createRevision: this.#entries.get(key)?.createRevision ?? revision,
    };
    this.#entries.set(key, entry);
    this.events.push(eventText({ type: 'put', entry }));
  }
}
