// Original file: ../../proto/volplane/v1/volumes.proto

import type { ScopeInput as _volplane_v1_ScopeInput, Scope as _volplane_v1_Scope } from '../../volplane/v1/Scope.js';
import type { Long } from '@grpc/proto-loader';

export interface VolumeSnapshotInput {
  'name'?: (string);
  'volume'?: (string);
  'volumeUid'?: (string);
  'driver'?: (string);
  'scope'?: (_volplane_v1_ScopeInput);
  'node'?: (string);
  'createdAt'?: (string);
  'sizeBytes'?: (number | string | Long);
  'ready'?: (boolean);
}

export interface VolumeSnapshot {
  'name': (string);
  'volume': (string);
  'volumeUid': (string);
  'driver': (string);
  'scope': (_volplane_v1_Scope);
  'node': (string);
  'createdAt': (string);
  'sizeBytes': (string);
  'ready': (boolean);
}
