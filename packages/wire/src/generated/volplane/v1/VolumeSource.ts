// Original file: ../../proto/volplane/v1/volumes.proto


export interface VolumeSourceInput {
  'volume'?: (string);
  'snapshot'?: (string);
  '_snapshot'?: "snapshot";
}

export interface VolumeSource {
  'volume': (string);
  'snapshot'?: (string);
  '_snapshot'?: "snapshot";
}
