// Original file: ../../proto/volplane/v1/volumes.proto


export interface ReleaseGoneRequestInput {
  'name'?: (string);
  'node'?: (string);
}

export interface ReleaseGoneRequest {
  'name': (string);
  'node': (string);
}
