// Original file: ../../proto/volplane/v1/volumes.proto

import type { Long } from '@grpc/proto-loader';

export interface SnapshotInput {
  'createdAt'?: (string);
  'sizeBytes'?: (number | string | Long);
  'ready'?: (boolean);
}

export interface Snapshot {
  'createdAt': (string);
  'sizeBytes': (string);
  'ready': (boolean);
}
