// Original file: ../../proto/volplane/v1/volumes.proto

import type { AccessModeInput as _volplane_v1_AccessModeInput, AccessMode as _volplane_v1_AccessMode } from '../../volplane/v1/AccessMode.js';
import type { TakeoverPolicyInput as _volplane_v1_TakeoverPolicyInput, TakeoverPolicy as _volplane_v1_TakeoverPolicy } from '../../volplane/v1/TakeoverPolicy.js';
import type { VolumeSourceInput as _volplane_v1_VolumeSourceInput, VolumeSource as _volplane_v1_VolumeSource } from '../../volplane/v1/VolumeSource.js';
import type { Long } from '@grpc/proto-loader';

export interface CreateVolumeRequestInput {
  'name'?: (string);
  'driver'?: (string);
  'options'?: ({[key: string]: string});
  'labels'?: ({[key: string]: string});
  'accessMode'?: (_volplane_v1_AccessModeInput);
  'takeover'?: (_volplane_v1_TakeoverPolicyInput);
  'sizeBytes'?: (number | string | Long);
  'node'?: (string);
  'topology'?: ({[key: string]: string});
  'source'?: (_volplane_v1_VolumeSourceInput | null);
  '_driver'?: "driver";
  '_sizeBytes'?: "sizeBytes";
  '_node'?: "node";
}

export interface CreateVolumeRequest {
  'name': (string);
  'driver'?: (string);
  'options': ({[key: string]: string});
  'labels': ({[key: string]: string});
  'accessMode': (_volplane_v1_AccessMode);
  'takeover': (_volplane_v1_TakeoverPolicy);
  'sizeBytes'?: (string);
  'node'?: (string);
  'topology': ({[key: string]: string});
  'source': (_volplane_v1_VolumeSource | null);
  '_driver'?: "driver";
  '_sizeBytes'?: "sizeBytes";
  '_node'?: "node";
}
