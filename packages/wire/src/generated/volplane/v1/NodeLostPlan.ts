// Original file: ../../proto/volplane/v1/nodes.proto

import type { NodeStateInput as _volplane_v1_NodeStateInput, NodeState as _volplane_v1_NodeState } from '../../volplane/v1/NodeState.js';
import type { NodeLostVolumeInput as _volplane_v1_NodeLostVolumeInput, NodeLostVolume as _volplane_v1_NodeLostVolume } from '../../volplane/v1/NodeLostVolume.js';

export interface NodeLostPlanInput {
  'node'?: (string);
  'nodeUid'?: (string);
  'state'?: (_volplane_v1_NodeStateInput);
  'planRevision'?: (string);
  'volumes'?: (_volplane_v1_NodeLostVolumeInput)[];
  'done'?: (boolean);
}

export interface NodeLostPlan {
  'node': (string);
  'nodeUid': (string);
  'state': (_volplane_v1_NodeState);
  'planRevision': (string);
  'volumes': (_volplane_v1_NodeLostVolume)[];
  'done': (boolean);
}
