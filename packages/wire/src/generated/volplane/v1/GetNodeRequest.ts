// Original file: ../../proto/volplane/v1/nodes.proto


export interface GetNodeRequestInput {
  'name'?: (string);
}

export interface GetNodeRequest {
  'name': (string);
}
