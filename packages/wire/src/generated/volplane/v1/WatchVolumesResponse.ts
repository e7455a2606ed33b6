// Original file: ../../proto/volplane/v1/volumes.proto

import type { VolumeInput as _volplane_v1_VolumeInput, Volume as _volplane_v1_Volume } from '../../volplane/v1/Volume.js';
import type { VolumeRemovedInput as _volplane_v1_VolumeRemovedInput, VolumeRemoved as _volplane_v1_VolumeRemoved } from '../../volplane/v1/VolumeRemoved.js';
import type { WatchSyncedInput as _volplane_v1_WatchSyncedInput, WatchSynced as _volplane_v1_WatchSynced } from '../../volplane/v1/WatchSynced.js';
import type { Long } from '@grpc/proto-loader';

export interface WatchVolumesResponseInput {
  'present'?: (_volplane_v1_VolumeInput | null);
  'changed'?: (_volplane_v1_VolumeInput | null);
  'removed'?: (_volplane_v1_VolumeRemovedInput | null);
  'synced'?: (_volplane_v1_WatchSyncedInput | null);
  'revision'?: (number | string | Long);
  'event'?: "present"|"changed"|"removed"|"synced";
}

export interface WatchVolumesResponse {
  'present'?: (_volplane_v1_Volume | null);
  'changed'?: (_volplane_v1_Volume | null);
  'removed'?: (_volplane_v1_VolumeRemoved | null);
  'synced'?: (_volplane_v1_WatchSynced | null);
  'revision': (string);
  'event'?: "present"|"changed"|"removed"|"synced";
}
