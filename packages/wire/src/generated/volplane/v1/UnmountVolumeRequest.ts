// Original file: ../../proto/volplane/v1/volumes.proto

import type { Long } from '@grpc/proto-loader';

export interface UnmountVolumeRequestInput {
  'name'?: (string);
  'node'?: (string);
  'mountId'?: (string);
  'seq'?: (number | string | Long);
  '_node'?: "node";
  '_seq'?: "seq";
}

export interface UnmountVolumeRequest {
  'name': (string);
  'node'?: (string);
  'mountId': (string);
  'seq'?: (string);
  '_node'?: "node";
  '_seq'?: "seq";
}
