// Original file: ../../proto/volplane/v1/nodes.proto


export interface DrainNodeRequestInput {
  'name'?: (string);
}

export interface DrainNodeRequest {
  'name': (string);
}
