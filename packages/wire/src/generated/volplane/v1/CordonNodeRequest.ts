// Original file: ../../proto/volplane/v1/nodes.proto


export interface CordonNodeRequestInput {
  'name'?: (string);
}

export interface CordonNodeRequest {
  'name': (string);
}
