import {
  KV_RESERVED_SUFFIX,
  type KvCompare,
  type KvEntry,
  type KvEvent,
  type KvRangeQuery,
  type KvTransaction,
  type KvWrite,
} from '@volplane/ports';
import type { ICompare, IEvent, IKeyValue, IRangeRequest, IRequestOp, ITxnRequest, ITxnResponse } from 'etcd3';

/** The batch as one etcd transaction: alone as it is, several nested in the success branch of an unconditional one. */
export function toTxn(batch: readonly KvTransaction[]): ITxnRequest {
  const [first] = batch;
  if (first !== undefined && batch.length === 1) return toSingleTxn(first);
  return { success: batch.map((transaction) => ({ request_txn: toSingleTxn(transaction) })) };
}

/** Which of the batch's transactions etcd made, in their order. */
export function successesOf(batch: readonly KvTransaction[], response: ITxnResponse): readonly boolean[] {
  if (batch.length === 1) return [response.succeeded];
  const nested = response.responses.map(({ response_txn }) => response_txn.succeeded);
  if (nested.length !== batch.length) throw new Error(`etcd answered ${String(nested.length)} of ${String(batch.length)} transactions`);
  return nested;
}

export function toRange({ prefix, after, limit, atRevision }: KvRangeQuery): IRangeRequest {
  // The key right behind `after` is `after` and a zero byte.
  const from = after !== undefined && after >= prefix ? Buffer.from(`${after}\0`, 'ascii') : prefixRange(prefix).key;
  return { key: from, range_end: prefixRange(prefix).range_end, limit, ...(atRevision === undefined ? {} : { revision: atRevision }) };
}

/** The first key of a prefix and the first one behind it. */
export function prefixRange(prefix: string): { readonly key: Buffer; readonly range_end: Buffer } {
  // etcd's way to say "from the first key" and "without end".
  if (prefix === '') return { key: Buffer.from([0]), range_end: Buffer.from([0]) };
  const key = Buffer.from(prefix, 'ascii');
  const range_end = Buffer.from(key);
  // Prefixes are printable ASCII, so there is always room above the last byte.
  range_end[range_end.length - 1] = (key.at(-1) ?? 0) + 1;
  return { key, range_end };
}

export function toEntry({ key, value, mod_revision, create_revision, lease }: IKeyValue): KvEntry {
  return {
    key: key.toString('ascii'),
    value: value.toString('utf8'),
    modRevision: Number(mod_revision),
    createRevision: Number(create_revision),
    ...(lease === '0' ? {} : { lease }),
  };
}

export function toEvent({ type, kv }: IEvent): KvEvent {
  if (type === 'Put') return { type: 'put', entry: toEntry(kv) };
  return { type: 'delete', key: kv.key.toString('ascii'), modRevision: Number(kv.mod_revision) };
}

/** True for the store's own marks, which no user of the port sees. */
export function isMark(key: string): boolean {
  return key.endsWith(KV_RESERVED_SUFFIX);
}

function toSingleTxn({ compares, writes }: KvTransaction): ITxnRequest {
  return { compare: compares.map(toCompare), success: writes.map(toOperation) };
}

function toCompare(compare: KvCompare): ICompare {
  const key = Buffer.from(compare.key, 'ascii');
  // An absent key has modification revision 0 in etcd, and lease 0.
  if (compare.type === 'revision') return { key, target: 'Mod', result: 'Equal', mod_revision: compare.modRevision };
  return { key, target: 'Lease', result: 'Equal', lease: compare.lease };
}

function toOperation(write: KvWrite): IRequestOp {
  const key = Buffer.from(write.key, 'ascii');
  if (write.type === 'delete') return { request_delete_range: { key } };
  const value = Buffer.from(write.value, 'utf8');
  return { request_put: { key, value, ...(write.lease === undefined ? {} : { lease: write.lease }) } };
}
