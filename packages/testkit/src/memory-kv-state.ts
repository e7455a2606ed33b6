import { AppError, assert, SortedKeys } from '@volplane/base';
import {
  KvCompacted,
  type KvCompare,
  type KvEntry,
  type KvEvent,
  type KvOutcome,
  type KvPage,
  type KvRangeQuery,
  type KvTransaction,
  type KvWrite,
} from '@volplane/ports';

/** The events of one revision, in the order of their writes. */
export interface Change {
  readonly revision: number;
  readonly events: readonly KvEvent[];
}

/**
 * What etcd keeps, as a synchronous state machine: versions of keys, the history of changes, leases and their keys.
 *
 * Every method either throws and changes nothing, or does all of its work. Time and delivery are outside.
 */
export class MemoryKvState {
  /** A fresh etcd is at revision 1. */
  #revision = 1;
  /** Reads below this revision are refused; 0 until the first compaction. */
  #compactedRevision = 0;
  readonly #keys = new SortedKeys();
  /** Versions of each key since the compaction, oldest first; an absent entry is a deletion. */
  readonly #versions = new Map<string, Version[]>();
  /** Changes from the compacted revision on, oldest first. */
  #history: Change[] = [];
  readonly #leases = new Map<string, Set<string>>();

  get revision(): number {
    return this.#revision;
  }

  /** Evaluates every transaction against the present state, then makes the writes of those that hold, as one revision. */
  transact(batch: readonly KvTransaction[]): { readonly outcomes: readonly KvOutcome[]; readonly change: Change | undefined } {
    const succeeded = batch.map((transaction) => this.#holds(transaction));
    const change = this.#commit(batch.flatMap(({ writes }, index) => (succeeded[index] === true ? writes : [])));
    return { outcomes: succeeded.map((one) => ({ succeeded: one, revision: this.#revision })), change };
  }

  get(key: string): KvEntry | undefined {
    return this.#versions.get(key)?.at(-1)?.entry;
  }

  /** @throws KvCompacted; AppError STORE_UNAVAILABLE for a revision that does not exist yet */
  range({ prefix, after, limit, atRevision }: KvRangeQuery): KvPage {
    const revision = atRevision ?? this.#revision;
    this.#checkReadable(revision);
    const entries: KvEntry[] = [];
    for (const key of this.#keys.from(after === undefined || after < prefix ? prefix : after)) {
      if (!key.startsWith(prefix)) break;
      const entry = key === after ? undefined : this.#entryAt(key, revision);
      if (entry === undefined) continue;
      if (entries.length === limit) return { entries, revision, more: true };
      entries.push(entry);
    }
    return { entries, revision, more: false };
  }

  /** The changes from `fromRevision` on that touch `prefix`, oldest first; undefined when they are compacted away. */
  changesSince(fromRevision: number, prefix: string): readonly Change[] | undefined {
    if (fromRevision < this.#compactedRevision) return undefined;
    const changes: Change[] = [];
    for (let index = this.#firstChangeFrom(fromRevision); index < this.#history.length; index += 1) {
      const change = this.#history[index];
      const events = change?.events.filter((event) => keyOf(event).startsWith(prefix)) ?? [];
      if (change !== undefined && events.length > 0) changes.push({ revision: change.revision, events });
    }
    return changes;
  }

  /** Forgets what is older than `revision`, as etcd's compaction does. @throws KvCompacted when that is done already */
  compact(revision: number): void {
    if (revision <= this.#compactedRevision) throw new KvCompacted(revision);
    this.#checkReadable(revision);
    const keep = this.#firstChangeFrom(revision);
    const keepAfter = this.#firstChangeFrom(revision + 1);
    // Only keys that changed up to the revision can have versions to drop.
    const touched = new Set(this.#history.slice(0, keepAfter).flatMap(({ events }) => events.map(keyOf)));
    for (const key of touched) this.#dropVersions(key, revision);
    this.#history = this.#history.slice(keep);
    this.#compactedRevision = revision;
  }

  addLease(lease: string): void {
    assert(!this.#leases.has(lease), 'a lease id is granted once');
    this.#leases.set(lease, new Set());
  }

  /** Ends the lease and deletes its keys, as one revision; nothing happens when it is gone. */
  removeLease(lease: string): Change | undefined {
    const keys = this.#leases.get(lease) ?? [];
    const change = this.#commit([...keys].sort().map((key) => ({ type: 'delete', key })));
    this.#leases.delete(lease);
    return change;
  }

  #holds({ compares, writes }: KvTransaction): boolean {
    const leasesLive = writes.every((write) => write.type === 'delete' || write.lease === undefined || this.#leases.has(write.lease));
    return leasesLive && compares.every((compare) => this.#matches(compare));
  }

  #matches(compare: KvCompare): boolean {
    const entry = this.get(compare.key);
    return compare.type === 'lease' ? entry?.lease === compare.lease : (entry?.modRevision ?? 0) === compare.modRevision;
  }

  #commit(writes: readonly KvWrite[]): Change | undefined {
    const effective = writes.filter((write) => write.type === 'put' || this.get(write.key) !== undefined);
    if (effective.length === 0) return undefined;
    const revision = this.#revision + 1;
    const change: Change = { revision, events: effective.map((write) => this.#write(write, revision)) };
    this.#history.push(change);
    this.#revision = revision;
    return change;
  }

  #write(write: KvWrite, revision: number): KvEvent {
    const { key } = write;
    const before = this.get(key);
    if (before?.lease !== undefined) this.#leases.get(before.lease)?.delete(key);
    if (write.type === 'delete') {
      this.#pushVersion(key, { revision });
      return { type: 'delete', key, modRevision: revision };
    }
    const { value, lease } = write;
    const createRevision = before?.createRevision ?? revision;
    const entry: KvEntry = { key, value, modRevision: revision, createRevision, ...(lease === undefined ? {} : { lease }) };
    if (lease !== undefined) this.#leases.get(lease)?.add(key);
    this.#pushVersion(key, { revision, entry });
    return { type: 'put', entry };
  }

  #pushVersion(key: string, version: Version): void {
    const versions = this.#versions.get(key);
    if (versions === undefined) {
      this.#versions.set(key, [version]);
      this.#keys.add(key);
    } else {
      versions.push(version);
    }
  }

  #dropVersions(key: string, revision: number): void {
    const versions = this.#versions.get(key) ?? [];
    const current = versions.findLastIndex((version) => version.revision <= revision);
    const kept = versions.slice(Math.max(0, current)).filter((version) => version.revision > revision || version.entry !== undefined);
    if (kept.length > 0) {
      this.#versions.set(key, kept);
    } else {
      this.#versions.delete(key);
      this.#keys.delete(key);
    }
  }

  #entryAt(key: string, revision: number): KvEntry | undefined {
    return this.#versions.get(key)?.findLast((version) => version.revision <= revision)?.entry;
  }

  #checkReadable(revision: number): void {
    if (revision < this.#compactedRevision) throw new KvCompacted(revision);
    if (revision > this.#revision) throw new AppError('STORE_UNAVAILABLE', `the store has not reached revision ${String(revision)}`);
  }

  /** Index in the history of the first change at or after `revision`. */
  #firstChangeFrom(revision: number): number {
    let low = 0;
    let high = this.#history.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#history[middle]?.revision ?? 0) < revision) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

interface Version {
  readonly revision: number;
  /** Absent: deleted at this revision. */
  readonly entry?: KvEntry;
}

export function keyOf(event: KvEvent): string {
  return event.type === 'put' ? event.entry.key : event.key;
}
