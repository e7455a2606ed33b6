// Original file: ../../proto/volplane/v1/volumes.proto


export interface RemoveVolumeRequestInput {
  'name'?: (string);
  'node'?: (string);
  'uid'?: (string);
  '_node'?: "node";
  '_uid'?: "uid";
}

export interface RemoveVolumeRequest {
  'name': (string);
  'node'?: (string);
  'uid'?: (string);
  '_node'?: "node";
  '_uid'?: "uid";
}
