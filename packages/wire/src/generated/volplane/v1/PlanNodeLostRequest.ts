// Original file: ../../proto/volplane/v1/nodes.proto


export interface PlanNodeLostRequestInput {
  'name'?: (string);
}

export interface PlanNodeLostRequest {
  'name': (string);
}
