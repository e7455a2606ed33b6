import { AppError, assert } from '@volplane/base';
import { KV_LIMITS, type KvOutcome, type KvStore, type KvTransaction } from '@volplane/ports';

/**
 * Sends independent transactions together: whatever waits when a batch slot is free goes out as one proposal.
 *
 * An idle committer sends at once; batches form by themselves while earlier ones are in flight. Transactions that touch a
 * key that is in flight or earlier in the queue wait for it, so the order of one key is the order of the calls.
 * Fairness is the queue's order.
 */
export class GroupCommit {
  readonly #kv: KvStore;
  readonly #observe: (batchSize: number) => void;
  #waiting: Waiting[] = [];
  readonly #keysInFlight = new Set<string>();
  #batchesInFlight = 0;
  #flushPlanned = false;

  constructor(kv: KvStore, observe: (batchSize: number) => void = () => undefined) {
    this.#kv = kv;
    this.#observe = observe;
  }

  /**
   * @throws AppError OVERLOADED when too many wait (nothing was sent); STORE_UNAVAILABLE; UNKNOWN_OUTCOME for this very
   * transaction, which the caller resolves by reading
   */
  submit(transaction: KvTransaction): Promise<KvOutcome> {
    assert(transaction.compares.length + transaction.writes.length <= KV_LIMITS.operationsPerTransaction * 2, 'a transaction within its bound');
    if (this.#waiting.length >= WAITING_MAX) {
      return Promise.reject(new AppError('OVERLOADED', `${String(WAITING_MAX)} changes already wait for etcd`, { retryDelayMs: '500' }));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ transaction, keys: keysOf(transaction), bytes: bytesOf(transaction), resolve, reject });
      this.#planFlush();
    });
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Callers of one turn of the event loop go together. */
  #planFlush(): void {
    if (this.#flushPlanned) return;
    this.#flushPlanned = true;
    queueMicrotask(() => {
      this.#flushPlanned = false;
      this.#flush();
    });
  }

  #flush(): void {
    while (this.#batchesInFlight < BATCHES_IN_FLIGHT_MAX && this.#waiting.length > 0) {
      const batch = this.#takeBatch();
      if (batch.length === 0) return;
      this.#send(batch);
    }
  }

  #takeBatch(): readonly Waiting[] {
    const batch: Waiting[] = [];
    const left: Waiting[] = [];
    const blocked = new Set<string>();
    let bytes = 0;
    for (const [index, entry] of this.#waiting.entries()) {
      if (batch.length >= KV_LIMITS.transactionsPerBatch || index >= LOOK_AHEAD_MAX) {
        for (const rest of this.#waiting.slice(index)) left.push(rest);
        break;
      }
      const waits = entry.keys.some((key) => this.#keysInFlight.has(key) || blocked.has(key));
      const fits = batch.length === 0 || bytes + entry.bytes <= KV_LIMITS.batchBytes;
      if (waits || !fits) {
        left.push(entry);
        for (const key of entry.keys) blocked.add(key);
        continue;
      }
      batch.push(entry);
      bytes += entry.bytes;
      // Two transactions on one key never share a batch: the second's compare speaks of the first's result.
      for (const key of entry.keys) blocked.add(key);
    }
    this.#waiting = left;
    return batch;
  }

  #send(batch: readonly Waiting[]): void {
    this.#batchesInFlight += 1;
    this.#observe(batch.length);
    for (const entry of batch) for (const key of entry.keys) this.#keysInFlight.add(key);
    this.#kv.transact(batch.map((entry) => entry.transaction)).then(
      (outcomes) => {
        this.#finished(batch);
        for (const [index, entry] of batch.entries()) {
          const outcome = outcomes[index];
          if (outcome === undefined) entry.reject(new AppError('UNKNOWN_OUTCOME', 'etcd answered fewer outcomes than were asked'));
          else entry.resolve(outcome);
        }
      },
      (error: unknown) => {
        this.#finished(batch);
        for (const entry of batch) entry.reject(error as Error);
      },
    );
  }

  #finished(batch: readonly Waiting[]): void {
    this.#batchesInFlight -= 1;
    for (const entry of batch) for (const key of entry.keys) this.#keysInFlight.delete(key);
    if (this.#waiting.length > 0) this.#planFlush();
  }
}

interface Waiting {
  readonly transaction: KvTransaction;
  readonly keys: readonly string[];
  readonly bytes: number;
  readonly resolve: (outcome: KvOutcome) => void;
  readonly reject: (error: Error) => void;
}

/** Only written keys order transactions; compared keys of others (sessions) may be shared freely. */
function keysOf(transaction: KvTransaction): readonly string[] {
  return transaction.writes.map((write) => write.key);
}

function bytesOf(transaction: KvTransaction): number {
  let bytes = 0;
  for (const write of transaction.writes) bytes += write.key.length + (write.type === 'put' ? write.value.length : 0) + 64;
  for (const compare of transaction.compares) bytes += compare.key.length + 64;
  return bytes;
}

/** etcd persists proposals in order; a few in flight keep it busy, more only lengthen the queue inside it. */
const BATCHES_IN_FLIGHT_MAX = 4;

/** A caller waits at most for this many others; past it calls are refused instead of queued. */
const WAITING_MAX = 20_000;

/** How far a batch looks past transactions that wait for a key. */
const LOOK_AHEAD_MAX = 512;
