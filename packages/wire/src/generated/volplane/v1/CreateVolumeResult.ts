// Original file: ../../proto/volplane/v1/volumes.proto

import type { VolumeInput as _volplane_v1_VolumeInput, Volume as _volplane_v1_Volume } from '../../volplane/v1/Volume.js';
import type { RefusalInput as _volplane_v1_RefusalInput, Refusal as _volplane_v1_Refusal } from '../../volplane/v1/Refusal.js';

export interface CreateVolumeResultInput {
  'index'?: (number);
  'volume'?: (_volplane_v1_VolumeInput | null);
  'refusal'?: (_volplane_v1_RefusalInput | null);
  'outcome'?: "volume"|"refusal";
}

export interface CreateVolumeResult {
  'index': (number);
  'volume'?: (_volplane_v1_Volume | null);
  'refusal'?: (_volplane_v1_Refusal | null);
  'outcome'?: "volume"|"refusal";
}
