/**
 * The store as the engine needs it: a revisioned key-value register with transactions, watches and leases.
 *
 * The contract is etcd's (strict serializability of transactions, revisions that only grow) in as few words as
 * possible, so that a simulated store can keep the same contract; `kvStoreContract` in testkit is its proof.
 * Keys are ASCII without control characters and do not end in {@link KV_RESERVED_SUFFIX}; values are UTF-8 text of at most
 * {@link KV_LIMITS}.valueBytes.
 */
export interface KvStore {
  /**
   * Runs up to {@link KV_LIMITS}.transactionsPerBatch independent transactions as one proposal, each with its own
   * outcome, in their order. Two rules make the batch equal to its transactions one after the other, because etcd takes
   * every compare of a proposal before its first write: a key is written at most once in a batch, and no transaction
   * compares a key that an earlier one of the batch writes. {@link checkBatch} enforces both.
   *
   * All writes of a batch share one revision. A batch that changes nothing (all failed, or only deletes of absent keys)
   * makes no revision.
   *
   * @param signal - stops waiting (CANCELLED); the batch may still be applied
   * @returns one outcome per transaction
   * @throws AppError STORE_UNAVAILABLE when it certainly was not applied; UNKNOWN_OUTCOME when that cannot be told;
   *   TOO_LARGE when a value or the batch is above its limit
   */
  transact(batch: readonly KvTransaction[], signal?: AbortSignal): Promise<readonly KvOutcome[]>;

  /** Linearizable read of one key. @throws AppError STORE_UNAVAILABLE */
  get(key: string, signal?: AbortSignal): Promise<KvRead>;

  /**
   * One page of the keys that begin with `prefix`, in key order, all as of one revision.
   *
   * @throws AppError STORE_UNAVAILABLE; COMPACTED as a {@link KvCompacted} when `atRevision` is gone
   */
  range(query: KvRangeQuery, signal?: AbortSignal): Promise<KvPage>;

  /** The store's revision at some moment between call and answer: the linearizable read barrier. @throws AppError STORE_UNAVAILABLE */
  currentRevision(signal?: AbortSignal): Promise<number>;

  /**
   * Follows every change under `prefix` from `fromRevision` on (at least 1), in order, each exactly once.
   *
   * Ends by itself only by calling `onEnd`; after that nothing more is delivered and the caller lists again.
   * `close` on the returned watch stops it; no callback comes after it.
   */
  watch(query: { readonly prefix: string; readonly fromRevision: number }, observer: KvObserver): KvWatch;

  /**
   * Grants a lease of `ttlMs`, rounded up to whole seconds and to the store's minimum (etcd: 2 s with its default
   * election timeout); the answer says what was granted. It may live longer than that, never shorter.
   *
   * @returns `lease`: decimal id, never used again
   * @throws AppError STORE_UNAVAILABLE, UNKNOWN_OUTCOME (an unknown lease holds no keys and expires by itself)
   */
  grantLease(ttlMs: number, signal?: AbortSignal): Promise<{ readonly lease: string; readonly ttlMs: number }>;

  /**
   * Refreshes a lease once: from some moment between call and answer it lives for at least its TTL.
   *
   * @returns false when the lease is gone (its keys with it)
   * @throws AppError STORE_UNAVAILABLE, UNKNOWN_OUTCOME
   */
  keepAliveLease(lease: string, signal?: AbortSignal): Promise<boolean>;

  /** Ends a lease and deletes its keys; done already is fine. @throws AppError STORE_UNAVAILABLE, UNKNOWN_OUTCOME */
  revokeLease(lease: string, signal?: AbortSignal): Promise<void>;
}

export const KV_LIMITS = {
  /** Nested transactions in one proposal; etcd takes this number from what is left for each of them (--max-txn-ops, default 128). */
  transactionsPerBatch: 32,
  /** Bytes of all values of one proposal; etcd's default request limit is 1.5 MiB (--max-request-bytes). */
  batchBytes: 1_000_000,
  valueBytes: 512_000,
  /** Compares and writes of one transaction; a takeover needs 5, the removal of a volume with dead holders 2 for each of them and 2. */
  operationsPerTransaction: 12,
  /** Keys of one range page. */
  pageKeys: 5_000,
} as const;

/**
 * A store may keep marks of its own under keys with this ending, inside of any prefix; no read and no watch shows them.
 * They do make revisions.
 */
export const KV_RESERVED_SUFFIX = '~progress';

/** What must hold for the writes to be made. */
export type KvCompare =
  /** The key was last changed at `modRevision`; 0 = the key is absent. */
  | { readonly type: 'revision'; readonly key: string; readonly modRevision: number }
  /** The key is present and bound to `lease`. */
  | { readonly type: 'lease'; readonly key: string; readonly lease: string };

export type KvWrite =
  | { readonly type: 'put'; readonly key: string; readonly value: string; readonly lease?: string }
  | { readonly type: 'delete'; readonly key: string };

/**
 * All compares hold and every lease that a put names is alive: all writes are made. Else none is.
 * Without writes it is a linearizable check.
 */
export interface KvTransaction {
  readonly compares: readonly KvCompare[];
  readonly writes: readonly KvWrite[];
}

export interface KvOutcome {
  readonly succeeded: boolean;
  /** The store's revision right after the batch; with writes made, their modRevision. */
  readonly revision: number;
}

export interface KvEntry {
  readonly key: string;
  readonly value: string;
  readonly modRevision: number;
  readonly createRevision: number;
  /** Absent when the key is bound to no lease. */
  readonly lease?: string;
}

export interface KvRead {
  readonly entry?: KvEntry;
  readonly revision: number;
}

export interface KvRangeQuery {
  readonly prefix: string;
  /** Begin after this key; absent = at the first. */
  readonly after?: string;
  /** 1 to {@link KV_LIMITS}.pageKeys. */
  readonly limit: number;
  /** Read as of this revision; absent = the newest. */
  readonly atRevision?: number;
}

export interface KvPage {
  /** At most `limit`; fewer, even with `more`, when large values fill an answer. With `more` at least one. */
  readonly entries: readonly KvEntry[];
  /** The revision of which the page is; hand it in as `atRevision` for the next page. */
  readonly revision: number;
  readonly more: boolean;
}

export type KvEvent =
  { readonly type: 'put'; readonly entry: KvEntry } | { readonly type: 'delete'; readonly key: string; readonly modRevision: number };

export interface KvObserver {
  /** All changes of one or more whole revisions; `revision` is the last of them. */
  onEvents(events: readonly KvEvent[], revision: number): void;
  /** Everything up to `revision` has been delivered. May come at any time, also with nothing new. */
  onProgress(revision: number): void;
  /** The watch is over: {@link KvCompacted}, connection lost for good, server's word. Called once, never from within `watch`. */
  onEnd(error: Error): void;
}

export interface KvWatch {
  /** Asks the store to say how far it has delivered; an {@link KvObserver.onProgress} follows when it can. */
  requestProgress(): void;
  close(): void;
}

/** Thrown when the asked revision was compacted away. */
export class KvCompacted extends Error {
  readonly atRevision: number;

  constructor(atRevision: number) {
    super(`revision ${String(atRevision)} was compacted away`);
    this.name = 'KvCompacted';
    this.atRevision = atRevision;
  }
}
