import { isNodeName, isVolumeName, type NodeName, type VolumeName } from '@volplane/domain';

/** Everything that Volplane keeps in etcd is under this prefix; this file is the only place that knows its keys. */
export const ROOT_PREFIX = '/volplane/';

/** One for each kind of record. */
export const PREFIXES = {
  volume: `${ROOT_PREFIX}volumes/`,
  node: `${ROOT_PREFIX}nodes/`,
  session: `${ROOT_PREFIX}sessions/`,
  inventory: `${ROOT_PREFIX}inventory/`,
  manager: `${ROOT_PREFIX}managers/`,
  unguarded: `${ROOT_PREFIX}unguarded/`,
} as const;

export const volumeKey = (name: VolumeName): string => PREFIXES.volume + name;
export const nodeKey = (node: NodeName): string => PREFIXES.node + node;
export const sessionKey = (node: NodeName): string => PREFIXES.session + node;
export const inventoryKey = (node: NodeName): string => PREFIXES.inventory + node;
export const managerKey = (id: string): string => PREFIXES.manager + id;
export const unguardedKey = (node: NodeName): string => PREFIXES.unguarded + node;

export type ParsedKey =
  | { readonly type: 'volume'; readonly name: VolumeName }
  | { readonly type: 'node' | 'session' | 'inventory' | 'unguarded'; readonly node: NodeName }
  | { readonly type: 'manager'; readonly id: string };

/** What a key stands for; undefined for a key that Volplane did not make. */
export function parseKey(key: string): ParsedKey | undefined {
  for (const [type, prefix] of KINDS) {
    if (!key.startsWith(prefix)) continue;
    const rest = key.slice(prefix.length);
    if (type === 'volume') return isVolumeName(rest) ? { type, name: rest } : undefined;
    if (type === 'manager') return { type, id: rest };
    return isNodeName(rest) ? { type, node: rest } : undefined;
  }
  return undefined;
}

const KINDS = Object.entries(PREFIXES) as readonly (readonly [ParsedKey['type'], string])[]; // the keys of PREFIXES are the types
