// Original file: ../../proto/volplane/v1/volumes.proto


export interface VolumeRemovedInput {
  'name'?: (string);
}

export interface VolumeRemoved {
  'name': (string);
}
