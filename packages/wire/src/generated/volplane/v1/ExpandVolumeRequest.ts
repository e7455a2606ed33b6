// Original file: ../../proto/volplane/v1/volumes.proto

import type { Long } from '@grpc/proto-loader';

export interface ExpandVolumeRequestInput {
  'name'?: (string);
  'node'?: (string);
  'sizeBytes'?: (number | string | Long);
  '_node'?: "node";
}

export interface ExpandVolumeRequest {
  'name': (string);
  'node'?: (string);
  'sizeBytes': (string);
  '_node'?: "node";
}
