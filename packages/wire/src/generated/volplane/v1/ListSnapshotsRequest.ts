// Original file: ../../proto/volplane/v1/volumes.proto

import type { SnapshotFilterInput as _volplane_v1_SnapshotFilterInput, SnapshotFilter as _volplane_v1_SnapshotFilter } from '../../volplane/v1/SnapshotFilter.js';

export interface ListSnapshotsRequestInput {
  'pageSize'?: (number);
  'pageToken'?: (string);
  'filter'?: (_volplane_v1_SnapshotFilterInput | null);
  '_pageSize'?: "pageSize";
  '_pageToken'?: "pageToken";
}

export interface ListSnapshotsRequest {
  'pageSize'?: (number);
  'pageToken'?: (string);
  'filter': (_volplane_v1_SnapshotFilter | null);
  '_pageSize'?: "pageSize";
  '_pageToken'?: "pageToken";
}
