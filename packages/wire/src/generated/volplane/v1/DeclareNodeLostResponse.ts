// Original file: ../../proto/volplane/v1/nodes.proto

import type { NodeLostPlanInput as _volplane_v1_NodeLostPlanInput, NodeLostPlan as _volplane_v1_NodeLostPlan } from '../../volplane/v1/NodeLostPlan.js';

export interface DeclareNodeLostResponseInput {
  'plan'?: (_volplane_v1_NodeLostPlanInput | null);
}

export interface DeclareNodeLostResponse {
  'plan': (_volplane_v1_NodeLostPlan | null);
}
