// Original file: ../../proto/volplane/v1/nodes.proto


export interface UncordonNodeRequestInput {
  'name'?: (string);
}

export interface UncordonNodeRequest {
  'name': (string);
}
