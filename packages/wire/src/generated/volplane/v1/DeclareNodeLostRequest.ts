// Original file: ../../proto/volplane/v1/nodes.proto


export interface DeclareNodeLostRequestInput {
  'name'?: (string);
  'planRevision'?: (string);
  'note'?: (string);
}

export interface DeclareNodeLostRequest {
  'name': (string);
  'planRevision': (string);
  'note': (string);
}
