import { AppError, assert } from '@volplane/base';
import { KV_LIMITS, KV_RESERVED_SUFFIX, type KvRangeQuery, type KvTransaction } from './kv-store.js';

/**
 * The rules of {@link KvStore.transact}, checked by every store before it does anything.
 *
 * @throws Error (a fault of the caller) for a wrong shape: too many transactions or operations, a key written twice, a
 *   compare of a key that an earlier transaction of the batch writes, a malformed key or lease
 * @throws AppError TOO_LARGE for a value or a batch above its limit, naming the key
 */
export function checkBatch(batch: readonly KvTransaction[]): void {
  assert(
    batch.length <= KV_LIMITS.transactionsPerBatch,
    () => `a batch has at most ${String(KV_LIMITS.transactionsPerBatch)} transactions`,
  );
  const writtenBefore = new Set<string>();
  let batchBytes = 0;
  for (const { compares, writes } of batch) {
    const operations = compares.length + writes.length;
    assert(
      operations <= KV_LIMITS.operationsPerTransaction,
      () => `a transaction has at most ${String(KV_LIMITS.operationsPerTransaction)} operations`,
    );
    for (const compare of compares) {
      checkKey(compare.key);
      assert(!writtenBefore.has(compare.key), () => `no transaction compares a key written earlier in its batch (${compare.key})`);
      if (compare.type === 'lease') checkLease(compare.lease);
      else
        assert(
          Number.isSafeInteger(compare.modRevision) && compare.modRevision >= 0,
          () => `a revision is a whole number (${compare.key})`,
        );
    }
    for (const write of writes) {
      checkKey(write.key);
      assert(!writtenBefore.has(write.key), () => `a batch writes a key once (${write.key})`);
      writtenBefore.add(write.key);
      if (write.type === 'put') batchBytes += checkValue(write);
    }
  }
  if (batchBytes > KV_LIMITS.batchBytes) {
    throw new AppError(
      'TOO_LARGE',
      `the values of one batch hold ${String(batchBytes)} bytes, the limit is ${String(KV_LIMITS.batchBytes)}`,
    );
  }
}

/** The rules of {@link KvStore.range}. @throws Error, a fault of the caller */
export function checkRangeQuery(query: KvRangeQuery): void {
  const { prefix, limit, atRevision } = query;
  checkPrefix(prefix);
  assert(Number.isInteger(limit) && limit >= 1 && limit <= KV_LIMITS.pageKeys, () => `a page has 1 to ${String(KV_LIMITS.pageKeys)} keys`);
  assert(
    atRevision === undefined || (Number.isSafeInteger(atRevision) && atRevision >= 1),
    'a revision to read at is a whole number above 0',
  );
}

/** The rules of {@link KvStore.watch}. @throws Error, a fault of the caller */
export function checkWatchQuery({ prefix, fromRevision }: { readonly prefix: string; readonly fromRevision: number }): void {
  checkPrefix(prefix);
  assert(Number.isSafeInteger(fromRevision) && fromRevision >= 1, 'a watch begins at a whole revision above 0');
}

/** Printable ASCII, so that the order of strings here is the order of bytes in the store. */
const KEY = /^[ -~]+$/;

const PREFIX = /^[ -~]*$/;

const LEASE = /^[1-9][0-9]{0,18}$/;

function checkKey(key: string): void {
  assert(KEY.test(key), () => `a key is printable ASCII and not empty (${JSON.stringify(key)})`);
  assert(!key.endsWith(KV_RESERVED_SUFFIX), () => `no key ends in ${KV_RESERVED_SUFFIX} (${key})`);
}

function checkPrefix(prefix: string): void {
  assert(PREFIX.test(prefix), () => `a prefix is printable ASCII (${JSON.stringify(prefix)})`);
}

function checkLease(lease: string): void {
  assert(LEASE.test(lease), () => `a lease is a decimal id above 0 (${JSON.stringify(lease)})`);
}

function checkValue(put: { readonly key: string; readonly value: string; readonly lease?: string }): number {
  if (put.lease !== undefined) checkLease(put.lease);
  const valueBytes = Buffer.byteLength(put.value, 'utf8');
  if (valueBytes <= KV_LIMITS.valueBytes) return valueBytes;
  throw new AppError('TOO_LARGE', `the value of ${put.key} has ${String(valueBytes)} bytes, the limit is ${String(KV_LIMITS.valueBytes)}`, {
    key: put.key,
    bytes: String(valueBytes),
    limit: String(KV_LIMITS.valueBytes),
  });
}
