import type { KvCompare, KvOutcome, KvStore, KvTransaction, KvWrite } from '@volplane/ports';

/** One store and what a test needs beside the port. */
export interface KvStoreWorld {
  readonly kv: KvStore;
  /** Forgets history below `revision`, as an operator's compaction does. */
  compact(revision: number): Promise<void>;
  /** Lets `ms` pass for the store's leases: moves a manual clock; with real time nothing, the test waits for the state. */
  letTimePass(ms: number): Promise<void>;
  end(): Promise<void>;
}

/** What one test works with. */
export interface KvTrial extends Pick<KvStoreWorld, 'kv' | 'compact' | 'letTimePass'> {
  /** Keys of this test begin with it; ends with a slash. */
  readonly prefix: string;
}

export function put(key: string, value: string, lease?: string): KvWrite {
  return { type: 'put', key, value, ...(lease === undefined ? {} : { lease }) };
}

export function remove(key: string): KvWrite {
  return { type: 'delete', key };
}

export function unchanged(key: string, modRevision: number): KvCompare {
  return { type: 'revision', key, modRevision };
}

export function transaction(compares: readonly KvCompare[], writes: readonly KvWrite[]): KvTransaction {
  return { compares, writes };
}

/** Writes without conditions, as one transaction. */
export async function write(kv: KvStore, ...writes: readonly KvWrite[]): Promise<KvOutcome> {
  return await only(kv, transaction([], writes));
}

/** The outcome of a batch of one. */
export async function only(kv: KvStore, single: KvTransaction): Promise<KvOutcome> {
  const [outcome] = await kv.transact([single]);
  if (outcome === undefined) throw new Error('a batch of one has one outcome');
  return outcome;
}

/** What `work` throws or rejects with, whatever it is. */
export async function failure(work: () => Promise<unknown>): Promise<unknown> {
  try {
    await work();
  } catch (error) {
    return error;
  }
  throw new Error('expected a failure');
}
