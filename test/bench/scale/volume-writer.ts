import type { NodeName, NodeUid } from '@volplane/domain';
import { KV_LIMITS } from '@volplane/ports';
import type { EtcdKv } from '@volplane/store-etcd';
import { nodeKey, PREFIXES, volumeKey } from '../../../packages/engine/src/store/keys.js';
import { parseNodeDocument, parseVolumeDocument } from '../../../packages/wire/src/document.js';

/** Writes the documents of `count` volumes, spread over the registered nodes, as managers would have. */
export async function writeVolumes(kv: EtcdKv, count: number): Promise<void> {
  const owners = await registeredNodes(kv);
  let next = 0;
  const writer = async (): Promise<void> => {
    while (next < count) {
      const numbers = Array.from({ length: Math.min(KV_LIMITS.transactionsPerBatch, count - next) }, (_, index) => next + index);
      next += numbers.length;
      const documents = numbers.map((number) => volumeJson(number, owners[number % owners.length]));
      // Some writers at once; each waits for its own.
      await kv.transact(documents.map(({ key, value }) => ({ compares: [], writes: [{ type: 'put' as const, key, value }] })));
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, writer));
}

/** The store's keys of nodes that have one. */
async function registeredNodes(kv: EtcdKv): Promise<readonly { readonly name: NodeName; readonly uid: NodeUid }[]> {
  const page = await kv.range({ prefix: PREFIXES.node, limit: KV_LIMITS.pageKeys });
  return page.entries.map(({ key, value }) => parseNodeDocument(key, value)).filter(({ name }) => nodeKey(name) !== '');
}

function volumeJson(
  number: number,
  owner: { readonly name: string; readonly uid: string } | undefined,
): { readonly key: string; readonly value: string } {
  const hex = number.toString(16).padStart(32, '0');
  const name = `volume-${String(number).padStart(6, '0')}`;
  const value = JSON.stringify({
    schema: 1,
    name,
    uid: hex,
    spec: {
      driver: 'shared',
      options: {},
      labels: { app: 'shop', tier: String(number % 10) },
      accessMode: 'single-node-writer',
      takeover: 'manual',
    },
    createdAt: '2026-01-01T00:00:00.000Z',
    phase: 'ready',
    owner: owner?.name ?? '',
    ownerUid: owner?.uid ?? '',
    epoch: 1,
    attachments: {},
    formerOwners: [],
    evidence: [],
  });
  return { key: volumeKey(parseVolumeDocument(name, value).name), value };
}

const WRITERS = 6;
