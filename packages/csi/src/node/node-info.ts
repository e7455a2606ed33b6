import { hasReason } from '@volplane/base';
import type { CallContext } from '@volplane/engine';
import type { NodeInfoResponse } from '../messages.js';
import { maxVolumesOf } from '../options.js';
import type { NodeContext } from './context.js';

/** NodeGetInfo: from the agent's own configuration, so that it answers whatever else is away. */
export function nodeInfo(node: NodeContext): NodeInfoResponse {
  return {
    node_id: node.node.name,
    max_volumes_per_node: String(maxVolumesOf(node.node.labels)),
    accessible_topology: { segments: node.topology.ofNode(node.node) },
  };
}

export interface StorageHealth {
  readonly backend_health: readonly { readonly status: number; readonly reason: string; readonly message: string }[];
}

/** NodeGetStorageHealth (from CSI 1.13): the drivers of this node whose storage does not answer. */
export async function storageHealth(node: NodeContext, _request: object, context: CallContext): Promise<StorageHealth> {
  const drivers = await node.catalog.list(context);
  const told = await Promise.all(
    drivers
      .filter((driver) => driver.info.capabilities.size)
      .map(async ({ info }) => {
        try {
          await node.api.getCapacity({ driver: info.name, node: node.node.name }, context);
          return undefined;
        } catch (error) {
          if (!hasReason(error, 'DRIVER_UNAVAILABLE')) throw error;
          return {
            status: STORAGE_UNREACHABLE,
            reason: 'StorageUnreachable',
            message: `storage of driver ${info.name} does not answer: ${error.message}`,
          };
        }
      }),
  );
  return { backend_health: told.filter((health) => health !== undefined) };
}

/** StorageHealthErrorType of csi.proto. */
const STORAGE_UNREACHABLE = 2;
