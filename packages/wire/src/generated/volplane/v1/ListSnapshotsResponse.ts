// Original file: ../../proto/volplane/v1/volumes.proto

import type { VolumeSnapshotInput as _volplane_v1_VolumeSnapshotInput, VolumeSnapshot as _volplane_v1_VolumeSnapshot } from '../../volplane/v1/VolumeSnapshot.js';

export interface ListSnapshotsResponseInput {
  'snapshots'?: (_volplane_v1_VolumeSnapshotInput)[];
  'nextPageToken'?: (string);
  'unansweredNodes'?: (string)[];
  '_nextPageToken'?: "nextPageToken";
}

export interface ListSnapshotsResponse {
  'snapshots': (_volplane_v1_VolumeSnapshot)[];
  'nextPageToken'?: (string);
  'unansweredNodes': (string)[];
  '_nextPageToken'?: "nextPageToken";
}
