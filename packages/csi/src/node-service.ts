import type { CallGate } from './call-gate.js';
import { advertise, NODE_CAPABILITIES } from './capability-lists.js';
import { changing, reading, volumeKey, type CsiHandlers } from './handlers.js';
import type { NodeContext } from './node/context.js';
import { nodeInfo, storageHealth } from './node/node-info.js';
import { publishVolume, unpublishVolume } from './node/publish-volume.js';
import { stageVolume, unstageVolume } from './node/stage-volume.js';
import { expandVolume, volumeHealth, volumeStats } from './node/volume-stats.js';

/** The Node service: what agents serve. */
export function nodeHandlers(node: NodeContext, gate: CallGate): CsiHandlers {
  return {
    NodeGetCapabilities: reading(gate, async (_request: object, context) => {
      const drivers = await node.catalog.list(context);
      const able = drivers.map((driver) => driver.info.capabilities);
      return { capabilities: advertise(NODE_CAPABILITIES, node.options.specLevel, able).map((type) => ({ rpc: { type } })) };
    }),
    NodeGetInfo: async () => nodeInfo(node),
    NodeStageVolume: changing(gate, 'NodeStageVolume', volumeKey, bind(node, stageVolume)),
    NodeUnstageVolume: changing(gate, 'NodeUnstageVolume', volumeKey, bind(node, unstageVolume)),
    NodePublishVolume: changing(gate, 'NodePublishVolume', volumeKey, bind(node, publishVolume)),
    NodeUnpublishVolume: changing(gate, 'NodeUnpublishVolume', volumeKey, bind(node, unpublishVolume)),
    NodeGetVolumeStats: reading(gate, bind(node, volumeStats)),
    NodeExpandVolume: changing(gate, 'NodeExpandVolume', volumeKey, bind(node, expandVolume)),
    NodeGetVolumeHealth: reading(gate, bind(node, volumeHealth)),
    NodeGetStorageHealth: reading(gate, bind(node, storageHealth)),
  };
}

function bind<Q, C, R>(
  node: NodeContext,
  work: (node: NodeContext, request: Q, context: C) => Promise<R>,
): (request: Q, context: C) => Promise<R> {
  return (request, context) => work(node, request, context);
}
