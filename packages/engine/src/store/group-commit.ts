import { AppError, type Clock, type Telemetry } from '@volplane/base';
import { checkBatch, KV_LIMITS, type KvOutcome, type KvStore, type KvTransaction } from '@volplane/ports';

/**
 * Sends independent transactions together: whatever waits when a batch slot is free goes out as one proposal.
 *
 * An idle committer sends at once; batches form by themselves while an earlier one is in flight. A transaction that writes a
 * key that is being written, or that touches one that is written earlier in the queue, waits for it: the writes of one key
 * are made in the order of the calls. Fairness is the queue's order.
 */
export class GroupCommit {
  readonly #kv: KvStore;
  readonly #clock: Clock;
  readonly #telemetry: Telemetry;
  #waiting: Waiting[] = [];
  readonly #keysInFlight = new Set<string>();
  #batchesInFlight = 0;
  #flushPlanned = false;

  constructor(parts: { readonly kv: KvStore; readonly clock: Clock; readonly telemetry: Telemetry }) {
    this.#kv = parts.kv;
    this.#clock = parts.clock;
    this.#telemetry = parts.telemetry;
  }

  /**
   * @throws AppError OVERLOADED when too many wait, TOO_LARGE (both: nothing was sent); STORE_UNAVAILABLE; UNKNOWN_OUTCOME
   * for this very transaction, which the caller resolves by reading
   */
  async submit(transaction: KvTransaction): Promise<KvOutcome> {
    // Alone and before it is queued: a transaction that the store would refuse must not take its whole batch with it.
    checkBatch([transaction]);
    if (this.#waiting.length >= WAITING_MAX) {
      this.#telemetry.shed('commits');
      throw new AppError('OVERLOADED', `${String(WAITING_MAX)} changes already wait for etcd`, { retryDelayMs: '500' });
    }
    return await new Promise((resolve, reject) => {
      this.#waiting.push({
        transaction,
        keys: writtenKeys(transaction),
        compared: comparedKeys(transaction),
        bytes: bytesOf(transaction),
        sinceMs: this.#clock.monotonicMs(),
        resolve,
        reject,
      });
      this.#planFlush();
    });
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Callers of one turn of the event loop go together: the answers that one read from a socket brings make one batch. */
  #planFlush(): void {
    if (this.#flushPlanned) return;
    this.#flushPlanned = true;
    this.#clock.soon(() => {
      this.#flushPlanned = false;
      this.#flush();
    });
  }

  #flush(): void {
    while (this.#maySend()) {
      const batch = this.#takeBatch();
      if (batch.length === 0) return;
      this.#send(batch);
    }
  }

  /** A batch that is not full gains by waiting for the one before: every batch costs a call. A full one gains nothing. */
  #maySend(): boolean {
    if (this.#waiting.length === 0 || this.#batchesInFlight >= BATCHES_IN_FLIGHT_MAX) return false;
    return this.#batchesInFlight === 0 || this.#waiting.length >= KV_LIMITS.transactionsPerBatch;
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
      const waits =
        entry.keys.some((key) => this.#keysInFlight.has(key) || blocked.has(key)) || entry.compared.some((key) => blocked.has(key));
      const fits = batch.length === 0 || bytes + entry.bytes <= KV_LIMITS.batchBytes;
      if (waits || !fits) {
        left.push(entry);
        for (const key of entry.keys) blocked.add(key);
        continue;
      }
      batch.push(entry);
      bytes += entry.bytes;
      // etcd takes every compare of a batch before its first write, so what speaks of an earlier result goes into a later batch.
      for (const key of entry.keys) blocked.add(key);
    }
    this.#waiting = left;
    return batch;
  }

  #send(batch: readonly Waiting[]): void {
    this.#batchesInFlight += 1;
    const sentMs = this.#clock.monotonicMs();
    this.#telemetry.batch(batch.length);
    for (const { sinceMs } of batch) this.#telemetry.phase('queue', sentMs - sinceMs);
    for (const entry of batch) for (const key of entry.keys) this.#keysInFlight.add(key);
    this.#kv.transact(batch.map((entry) => entry.transaction)).then(
      (outcomes) => {
        this.#finished(batch, sentMs);
        for (const [index, entry] of batch.entries()) {
          const outcome = outcomes[index];
          if (outcome === undefined) entry.reject(new AppError('UNKNOWN_OUTCOME', 'etcd answered fewer outcomes than were asked'));
          else entry.resolve(outcome);
        }
      },
      (error: unknown) => {
        this.#finished(batch, sentMs);
        for (const entry of batch) entry.reject(error as Error);
      },
    );
  }

  #finished(batch: readonly Waiting[], sentMs: number): void {
    this.#batchesInFlight -= 1;
    this.#telemetry.phase('commit', this.#clock.monotonicMs() - sentMs);
    for (const entry of batch) for (const key of entry.keys) this.#keysInFlight.delete(key);
    if (this.#waiting.length > 0) this.#planFlush();
  }
}

interface Waiting {
  readonly transaction: KvTransaction;
  readonly keys: readonly string[];
  readonly compared: readonly string[];
  readonly bytes: number;
  readonly sinceMs: number;
  readonly resolve: (outcome: KvOutcome) => void;
  readonly reject: (error: Error) => void;
}

function writtenKeys(transaction: KvTransaction): readonly string[] {
  return transaction.writes.map((write) => write.key);
}

function comparedKeys(transaction: KvTransaction): readonly string[] {
  return transaction.compares.map((compare) => compare.key);
}

/** The bytes of the values, which is what the store bounds. */
function bytesOf(transaction: KvTransaction): number {
  let bytes = 0;
  for (const write of transaction.writes) if (write.type === 'put') bytes += Buffer.byteLength(write.value);
  return bytes;
}

/**
 * etcd persists proposals in order, and takes what has come meanwhile with its next sync: one under way and one that waits keep it
 * busy, however much there is to do.
 */
const BATCHES_IN_FLIGHT_MAX = 2;

/** A caller waits at most for this many others; past it calls are refused instead of queued. */
const WAITING_MAX = 20_000;

/** How far a batch looks past transactions that wait for a key. */
const LOOK_AHEAD_MAX = 512;
