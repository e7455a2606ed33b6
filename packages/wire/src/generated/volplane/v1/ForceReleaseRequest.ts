// Original file: ../../proto/volplane/v1/volumes.proto


export interface ForceReleaseRequestInput {
  'name'?: (string);
  'node'?: (string);
  'note'?: (string);
}

export interface ForceReleaseRequest {
  'name': (string);
  'node': (string);
  'note': (string);
}
