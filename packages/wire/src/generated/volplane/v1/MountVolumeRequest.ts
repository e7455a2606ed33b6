// Original file: ../../proto/volplane/v1/volumes.proto

import type { MountModeInput as _volplane_v1_MountModeInput, MountMode as _volplane_v1_MountMode } from '../../volplane/v1/MountMode.js';

export interface MountVolumeRequestInput {
  'name'?: (string);
  'node'?: (string);
  'mountId'?: (string);
  'mode'?: (_volplane_v1_MountModeInput);
  '_node'?: "node";
}

export interface MountVolumeRequest {
  'name': (string);
  'node'?: (string);
  'mountId': (string);
  'mode': (_volplane_v1_MountMode);
  '_node'?: "node";
}
