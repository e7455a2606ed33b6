// Original file: ../../proto/volplane/v1/volumes.proto

import type { CreateVolumeResultInput as _volplane_v1_CreateVolumeResultInput, CreateVolumeResult as _volplane_v1_CreateVolumeResult } from '../../volplane/v1/CreateVolumeResult.js';

export interface CreateVolumesResponseInput {
  'results'?: (_volplane_v1_CreateVolumeResultInput)[];
}

export interface CreateVolumesResponse {
  'results': (_volplane_v1_CreateVolumeResult)[];
}
