import type { KvTransaction } from '@volplane/ports';
import type { EtcdServer } from '@volplane/testkit';

/** Writes `key`, whatever is there. */
export function put(key: string, value: string, lease?: string): KvTransaction {
  return { compares: [], writes: [{ type: 'put', key, value, ...(lease === undefined ? {} : { lease }) }] };
}

/** Writes `key` when it is absent. */
export function create(key: string, value: string): KvTransaction {
  return { compares: [{ type: 'revision', key, modRevision: 0 }], writes: [{ type: 'put', key, value }] };
}

export function portOf(etcd: EtcdServer): number {
  return Number(new URL(etcd.endpoints[0] ?? '').port);
}
