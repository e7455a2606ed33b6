import type { NodeName } from '@volplane/domain';
import type { ClusterCache } from '../store/cluster-cache.js';

/** What a node's mirror says of one of its local volumes; never trusted for anything but showing. */
export interface MirroredVolume {
  readonly name: string;
  readonly uid: string;
  readonly driver: string;
  readonly createdAt: string;
}

/** The local volumes of a node as it told them last, by name; empty when it never did. */
export function mirroredVolumes(cache: ClusterCache, node: NodeName): readonly MirroredVolume[] {
  const json = cache.inventories.get(node);
  if (json === undefined) return [];
  const parsed = JSON.parse(json) as { readonly volumes?: readonly MirroredVolume[] }; // written by managers from a validated message
  return [...(parsed.volumes ?? [])].sort((one, other) => (one.name < other.name ? -1 : 1));
}
