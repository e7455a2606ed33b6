// Original file: ../../proto/volplane/v1/volumes.proto

import type { ScopeInput as _volplane_v1_ScopeInput, Scope as _volplane_v1_Scope } from '../../volplane/v1/Scope.js';
import type { AccessModeInput as _volplane_v1_AccessModeInput, AccessMode as _volplane_v1_AccessMode } from '../../volplane/v1/AccessMode.js';
import type { TakeoverPolicyInput as _volplane_v1_TakeoverPolicyInput, TakeoverPolicy as _volplane_v1_TakeoverPolicy } from '../../volplane/v1/TakeoverPolicy.js';
import type { VolumePhaseInput as _volplane_v1_VolumePhaseInput, VolumePhase as _volplane_v1_VolumePhase } from '../../volplane/v1/VolumePhase.js';
import type { AttachmentInput as _volplane_v1_AttachmentInput, Attachment as _volplane_v1_Attachment } from '../../volplane/v1/Attachment.js';
import type { OperationInput as _volplane_v1_OperationInput, Operation as _volplane_v1_Operation } from '../../volplane/v1/Operation.js';
import type { SnapshotInput as _volplane_v1_SnapshotInput, Snapshot as _volplane_v1_Snapshot } from '../../volplane/v1/Snapshot.js';
import type { MountIdsInput as _volplane_v1_MountIdsInput, MountIds as _volplane_v1_MountIds } from '../../volplane/v1/MountIds.js';
import type { Long } from '@grpc/proto-loader';

export interface VolumeInput {
  'name'?: (string);
  'uid'?: (string);
  'driver'?: (string);
  'scope'?: (_volplane_v1_ScopeInput);
  'options'?: ({[key: string]: string});
  'labels'?: ({[key: string]: string});
  'accessMode'?: (_volplane_v1_AccessModeInput);
  'takeover'?: (_volplane_v1_TakeoverPolicyInput);
  'sizeBytes'?: (number | string | Long);
  'createdAt'?: (string);
  'phase'?: (_volplane_v1_VolumePhaseInput);
  'generation'?: (number | string | Long);
  'node'?: (string);
  'epoch'?: (number | string | Long);
  'attachments'?: (_volplane_v1_AttachmentInput)[];
  'operation'?: (_volplane_v1_OperationInput | null);
  'snapshots'?: ({[key: string]: _volplane_v1_SnapshotInput});
  'path'?: (string);
  'mountIds'?: (_volplane_v1_MountIdsInput | null);
  'unavailable'?: (boolean);
  '_sizeBytes'?: "sizeBytes";
  '_path'?: "path";
}

export interface Volume {
  'name': (string);
  'uid': (string);
  'driver': (string);
  'scope': (_volplane_v1_Scope);
  'options': ({[key: string]: string});
  'labels': ({[key: string]: string});
  'accessMode': (_volplane_v1_AccessMode);
  'takeover': (_volplane_v1_TakeoverPolicy);
  'sizeBytes'?: (string);
  'createdAt': (string);
  'phase': (_volplane_v1_VolumePhase);
  'generation': (string);
  'node': (string);
  'epoch': (string);
  'attachments': (_volplane_v1_Attachment)[];
  'operation': (_volplane_v1_Operation | null);
  'snapshots': ({[key: string]: _volplane_v1_Snapshot});
  'path'?: (string);
  'mountIds': (_volplane_v1_MountIds | null);
  'unavailable': (boolean);
  '_sizeBytes'?: "sizeBytes";
  '_path'?: "path";
}
