// Original file: ../../proto/volplane/v1/volumes.proto

import type { VolumeInput as _volplane_v1_VolumeInput, Volume as _volplane_v1_Volume } from '../../volplane/v1/Volume.js';

export interface ListVolumesResponseInput {
  'volumes'?: (_volplane_v1_VolumeInput)[];
  'nextPageToken'?: (string);
  'unansweredNodes'?: (string)[];
  'warnings'?: (string)[];
  '_nextPageToken'?: "nextPageToken";
}

export interface ListVolumesResponse {
  'volumes': (_volplane_v1_Volume)[];
  'nextPageToken'?: (string);
  'unansweredNodes': (string)[];
  'warnings': (string)[];
  '_nextPageToken'?: "nextPageToken";
}
