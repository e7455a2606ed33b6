// Original file: ../../proto/volplane/v1/volumes.proto


export interface ForgetVolumeRequestInput {
  'name'?: (string);
  'node'?: (string);
  '_node'?: "node";
}

export interface ForgetVolumeRequest {
  'name': (string);
  'node'?: (string);
  '_node'?: "node";
}
