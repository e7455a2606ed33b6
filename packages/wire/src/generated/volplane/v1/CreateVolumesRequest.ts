// Original file: ../../proto/volplane/v1/volumes.proto

import type { CreateVolumeRequestInput as _volplane_v1_CreateVolumeRequestInput, CreateVolumeRequest as _volplane_v1_CreateVolumeRequest } from '../../volplane/v1/CreateVolumeRequest.js';

export interface CreateVolumesRequestInput {
  'volumes'?: (_volplane_v1_CreateVolumeRequestInput)[];
}

export interface CreateVolumesRequest {
  'volumes': (_volplane_v1_CreateVolumeRequest)[];
}
