import { parseNodeName, type NodeName, type VolumeRef } from '@volplane/domain';

/**
 * The node whose agent has to say which volume is meant; undefined = the global one. With a node, a local volume of it comes first, and
 * only its agent knows what there is: a global volume of that name must not be changed, or removed, in its place. The agent sends back, without the
 * node, what means a global volume after all.
 */
export function askedNode({ node, scope }: Pick<VolumeRef, 'node' | 'scope'>): NodeName | undefined {
  return node === undefined || scope === 'global' ? undefined : parseNodeName(node);
}
