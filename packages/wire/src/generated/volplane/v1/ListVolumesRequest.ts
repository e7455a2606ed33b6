// Original file: ../../proto/volplane/v1/volumes.proto

import type { VolumeFilterInput as _volplane_v1_VolumeFilterInput, VolumeFilter as _volplane_v1_VolumeFilter } from '../../volplane/v1/VolumeFilter.js';

export interface ListVolumesRequestInput {
  'pageSize'?: (number);
  'pageToken'?: (string);
  'filter'?: (_volplane_v1_VolumeFilterInput | null);
  'stale'?: (boolean);
  '_pageSize'?: "pageSize";
  '_pageToken'?: "pageToken";
}

export interface ListVolumesRequest {
  'pageSize'?: (number);
  'pageToken'?: (string);
  'filter': (_volplane_v1_VolumeFilter | null);
  'stale': (boolean);
  '_pageSize'?: "pageSize";
  '_pageToken'?: "pageToken";
}
