// Original file: ../../proto/volplane/v1/volumes.proto

import type { VolumeInput as _volplane_v1_VolumeInput, Volume as _volplane_v1_Volume } from '../../volplane/v1/Volume.js';

export interface UpdateLabelsResponseInput {
  'volume'?: (_volplane_v1_VolumeInput | null);
}

export interface UpdateLabelsResponse {
  'volume': (_volplane_v1_Volume | null);
}
