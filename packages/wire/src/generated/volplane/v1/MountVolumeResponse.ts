// Original file: ../../proto/volplane/v1/volumes.proto

import type { MountModeInput as _volplane_v1_MountModeInput, MountMode as _volplane_v1_MountMode } from '../../volplane/v1/MountMode.js';
import type { Long } from '@grpc/proto-loader';

export interface MountVolumeResponseInput {
  'path'?: (string);
  'node'?: (string);
  'mode'?: (_volplane_v1_MountModeInput);
  'epoch'?: (number | string | Long);
  'seq'?: (number | string | Long);
}

export interface MountVolumeResponse {
  'path': (string);
  'node': (string);
  'mode': (_volplane_v1_MountMode);
  'epoch': (string);
  'seq': (string);
}
