// Original file: ../../proto/volplane/v1/nodes.proto

import type { NodeInput as _volplane_v1_NodeInput, Node as _volplane_v1_Node } from '../../volplane/v1/Node.js';
import type { WatchSyncedInput as _volplane_v1_WatchSyncedInput, WatchSynced as _volplane_v1_WatchSynced } from '../../volplane/v1/WatchSynced.js';

export interface WatchNodesResponseInput {
  'present'?: (_volplane_v1_NodeInput | null);
  'changed'?: (_volplane_v1_NodeInput | null);
  'synced'?: (_volplane_v1_WatchSyncedInput | null);
  'event'?: "present"|"changed"|"synced";
}

export interface WatchNodesResponse {
  'present'?: (_volplane_v1_Node | null);
  'changed'?: (_volplane_v1_Node | null);
  'synced'?: (_volplane_v1_WatchSynced | null);
  'event'?: "present"|"changed"|"synced";
}
