// Original file: ../../proto/volplane/v1/volumes.proto


export interface GetVolumeRequestInput {
  'name'?: (string);
  'node'?: (string);
  '_node'?: "node";
}

export interface GetVolumeRequest {
  'name': (string);
  'node'?: (string);
  '_node'?: "node";
}
