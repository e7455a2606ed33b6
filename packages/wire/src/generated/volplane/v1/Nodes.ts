// Original file: ../../proto/volplane/v1/nodes.proto

import type { MethodDefinition } from '@grpc/proto-loader'
import type { CordonNodeRequestInput as _volplane_v1_CordonNodeRequestInput, CordonNodeRequest as _volplane_v1_CordonNodeRequest } from '../../volplane/v1/CordonNodeRequest.js';
import type { CordonNodeResponseInput as _volplane_v1_CordonNodeResponseInput, CordonNodeResponse as _volplane_v1_CordonNodeResponse } from '../../volplane/v1/CordonNodeResponse.js';
import type { DeclareNodeLostRequestInput as _volplane_v1_DeclareNodeLostRequestInput, DeclareNodeLostRequest as _volplane_v1_DeclareNodeLostRequest } from '../../volplane/v1/DeclareNodeLostRequest.js';
import type { DeclareNodeLostResponseInput as _volplane_v1_DeclareNodeLostResponseInput, DeclareNodeLostResponse as _volplane_v1_DeclareNodeLostResponse } from '../../volplane/v1/DeclareNodeLostResponse.js';
import type { DrainNodeRequestInput as _volplane_v1_DrainNodeRequestInput, DrainNodeRequest as _volplane_v1_DrainNodeRequest } from '../../volplane/v1/DrainNodeRequest.js';
import type { DrainNodeResponseInput as _volplane_v1_DrainNodeResponseInput, DrainNodeResponse as _volplane_v1_DrainNodeResponse } from '../../volplane/v1/DrainNodeResponse.js';
import type { GetNodeRequestInput as _volplane_v1_GetNodeRequestInput, GetNodeRequest as _volplane_v1_GetNodeRequest } from '../../volplane/v1/GetNodeRequest.js';
import type { GetNodeResponseInput as _volplane_v1_GetNodeResponseInput, GetNodeResponse as _volplane_v1_GetNodeResponse } from '../../volplane/v1/GetNodeResponse.js';
import type { ListNodesRequestInput as _volplane_v1_ListNodesRequestInput, ListNodesRequest as _volplane_v1_ListNodesRequest } from '../../volplane/v1/ListNodesRequest.js';
import type { ListNodesResponseInput as _volplane_v1_ListNodesResponseInput, ListNodesResponse as _volplane_v1_ListNodesResponse } from '../../volplane/v1/ListNodesResponse.js';
import type { PlanNodeLostRequestInput as _volplane_v1_PlanNodeLostRequestInput, PlanNodeLostRequest as _volplane_v1_PlanNodeLostRequest } from '../../volplane/v1/PlanNodeLostRequest.js';
import type { PlanNodeLostResponseInput as _volplane_v1_PlanNodeLostResponseInput, PlanNodeLostResponse as _volplane_v1_PlanNodeLostResponse } from '../../volplane/v1/PlanNodeLostResponse.js';
import type { UncordonNodeRequestInput as _volplane_v1_UncordonNodeRequestInput, UncordonNodeRequest as _volplane_v1_UncordonNodeRequest } from '../../volplane/v1/UncordonNodeRequest.js';
import type { UncordonNodeResponseInput as _volplane_v1_UncordonNodeResponseInput, UncordonNodeResponse as _volplane_v1_UncordonNodeResponse } from '../../volplane/v1/UncordonNodeResponse.js';
import type { WatchNodesRequestInput as _volplane_v1_WatchNodesRequestInput, WatchNodesRequest as _volplane_v1_WatchNodesRequest } from '../../volplane/v1/WatchNodesRequest.js';
import type { WatchNodesResponseInput as _volplane_v1_WatchNodesResponseInput, WatchNodesResponse as _volplane_v1_WatchNodesResponse } from '../../volplane/v1/WatchNodesResponse.js';

export interface NodesDefinition {
  CordonNode: MethodDefinition<_volplane_v1_CordonNodeRequestInput, _volplane_v1_CordonNodeResponseInput, _volplane_v1_CordonNodeRequest, _volplane_v1_CordonNodeResponse>
  DeclareNodeLost: MethodDefinition<_volplane_v1_DeclareNodeLostRequestInput, _volplane_v1_DeclareNodeLostResponseInput, _volplane_v1_DeclareNodeLostRequest, _volplane_v1_DeclareNodeLostResponse>
  DrainNode: MethodDefinition<_volplane_v1_DrainNodeRequestInput, _volplane_v1_DrainNodeResponseInput, _volplane_v1_DrainNodeRequest, _volplane_v1_DrainNodeResponse>
  GetNode: MethodDefinition<_volplane_v1_GetNodeRequestInput, _volplane_v1_GetNodeResponseInput, _volplane_v1_GetNodeRequest, _volplane_v1_GetNodeResponse>
  ListNodes: MethodDefinition<_volplane_v1_ListNodesRequestInput, _volplane_v1_ListNodesResponseInput, _volplane_v1_ListNodesRequest, _volplane_v1_ListNodesResponse>
  PlanNodeLost: MethodDefinition<_volplane_v1_PlanNodeLostRequestInput, _volplane_v1_PlanNodeLostResponseInput, _volplane_v1_PlanNodeLostRequest, _volplane_v1_PlanNodeLostResponse>
  UncordonNode: MethodDefinition<_volplane_v1_UncordonNodeRequestInput, _volplane_v1_UncordonNodeResponseInput, _volplane_v1_UncordonNodeRequest, _volplane_v1_UncordonNodeResponse>
  WatchNodes: MethodDefinition<_volplane_v1_WatchNodesRequestInput, _volplane_v1_WatchNodesResponseInput, _volplane_v1_WatchNodesRequest, _volplane_v1_WatchNodesResponse>
}
