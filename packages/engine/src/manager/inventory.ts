import type { NodeName } from '@volplane/domain';
import type { ClusterCache } from '../store/cluster-cache.js';
import { parseInventory, type MirroredVolume } from '../store/inventory-document.js';
import { inventoryKey } from '../store/keys.js';

/** The local volumes of a node as it told them last, by name; empty when it never did. */
export function mirroredVolumes(cache: ClusterCache, node: NodeName): readonly MirroredVolume[] {
  const json = cache.inventories.get(node);
  if (json === undefined) return [];
  return [...parseInventory(inventoryKey(node), json)].sort((one, other) => (one.name < other.name ? -1 : 1));
}
