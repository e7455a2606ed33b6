// Original file: ../../proto/volplane/v1/volumes.proto


export interface WatchVolumesRequestInput {
  'namePrefix'?: (string);
  '_namePrefix'?: "namePrefix";
}

export interface WatchVolumesRequest {
  'namePrefix'?: (string);
  '_namePrefix'?: "namePrefix";
}
