// Original file: ../../proto/volplane/v1/volumes.proto

import type { Long } from '@grpc/proto-loader';

export interface ExplainVolumeRequestInput {
  'name'?: (string);
  'node'?: (string);
  'forNode'?: (string);
  'atRevision'?: (number | string | Long);
  '_node'?: "node";
  '_forNode'?: "forNode";
  '_atRevision'?: "atRevision";
}

export interface ExplainVolumeRequest {
  'name': (string);
  'node'?: (string);
  'forNode'?: (string);
  'atRevision'?: (string);
  '_node'?: "node";
  '_forNode'?: "forNode";
  '_atRevision'?: "atRevision";
}
