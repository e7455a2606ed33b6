// Original file: ../../proto/volplane/v1/volumes.proto

import type { MethodDefinition } from '@grpc/proto-loader'
import type { CreateSnapshotRequestInput as _volplane_v1_CreateSnapshotRequestInput, CreateSnapshotRequest as _volplane_v1_CreateSnapshotRequest } from '../../volplane/v1/CreateSnapshotRequest.js';
import type { CreateSnapshotResponseInput as _volplane_v1_CreateSnapshotResponseInput, CreateSnapshotResponse as _volplane_v1_CreateSnapshotResponse } from '../../volplane/v1/CreateSnapshotResponse.js';
import type { CreateVolumeRequestInput as _volplane_v1_CreateVolumeRequestInput, CreateVolumeRequest as _volplane_v1_CreateVolumeRequest } from '../../volplane/v1/CreateVolumeRequest.js';
import type { CreateVolumeResponseInput as _volplane_v1_CreateVolumeResponseInput, CreateVolumeResponse as _volplane_v1_CreateVolumeResponse } from '../../volplane/v1/CreateVolumeResponse.js';
import type { CreateVolumesRequestInput as _volplane_v1_CreateVolumesRequestInput, CreateVolumesRequest as _volplane_v1_CreateVolumesRequest } from '../../volplane/v1/CreateVolumesRequest.js';
import type { CreateVolumesResponseInput as _volplane_v1_CreateVolumesResponseInput, CreateVolumesResponse as _volplane_v1_CreateVolumesResponse } from '../../volplane/v1/CreateVolumesResponse.js';
import type { ExpandVolumeRequestInput as _volplane_v1_ExpandVolumeRequestInput, ExpandVolumeRequest as _volplane_v1_ExpandVolumeRequest } from '../../volplane/v1/ExpandVolumeRequest.js';
import type { ExpandVolumeResponseInput as _volplane_v1_ExpandVolumeResponseInput, ExpandVolumeResponse as _volplane_v1_ExpandVolumeResponse } from '../../volplane/v1/ExpandVolumeResponse.js';
import type { ExplainVolumeRequestInput as _volplane_v1_ExplainVolumeRequestInput, ExplainVolumeRequest as _volplane_v1_ExplainVolumeRequest } from '../../volplane/v1/ExplainVolumeRequest.js';
import type { ExplainVolumeResponseInput as _volplane_v1_ExplainVolumeResponseInput, ExplainVolumeResponse as _volplane_v1_ExplainVolumeResponse } from '../../volplane/v1/ExplainVolumeResponse.js';
import type { ForceReleaseRequestInput as _volplane_v1_ForceReleaseRequestInput, ForceReleaseRequest as _volplane_v1_ForceReleaseRequest } from '../../volplane/v1/ForceReleaseRequest.js';
import type { ForceReleaseResponseInput as _volplane_v1_ForceReleaseResponseInput, ForceReleaseResponse as _volplane_v1_ForceReleaseResponse } from '../../volplane/v1/ForceReleaseResponse.js';
import type { ForgetVolumeRequestInput as _volplane_v1_ForgetVolumeRequestInput, ForgetVolumeRequest as _volplane_v1_ForgetVolumeRequest } from '../../volplane/v1/ForgetVolumeRequest.js';
import type { ForgetVolumeResponseInput as _volplane_v1_ForgetVolumeResponseInput, ForgetVolumeResponse as _volplane_v1_ForgetVolumeResponse } from '../../volplane/v1/ForgetVolumeResponse.js';
import type { GetPathRequestInput as _volplane_v1_GetPathRequestInput, GetPathRequest as _volplane_v1_GetPathRequest } from '../../volplane/v1/GetPathRequest.js';
import type { GetPathResponseInput as _volplane_v1_GetPathResponseInput, GetPathResponse as _volplane_v1_GetPathResponse } from '../../volplane/v1/GetPathResponse.js';
import type { GetStatusRequestInput as _volplane_v1_GetStatusRequestInput, GetStatusRequest as _volplane_v1_GetStatusRequest } from '../../volplane/v1/GetStatusRequest.js';
import type { GetStatusResponseInput as _volplane_v1_GetStatusResponseInput, GetStatusResponse as _volplane_v1_GetStatusResponse } from '../../volplane/v1/GetStatusResponse.js';
import type { GetVolumeRequestInput as _volplane_v1_GetVolumeRequestInput, GetVolumeRequest as _volplane_v1_GetVolumeRequest } from '../../volplane/v1/GetVolumeRequest.js';
import type { GetVolumeResponseInput as _volplane_v1_GetVolumeResponseInput, GetVolumeResponse as _volplane_v1_GetVolumeResponse } from '../../volplane/v1/GetVolumeResponse.js';
import type { ListSnapshotsRequestInput as _volplane_v1_ListSnapshotsRequestInput, ListSnapshotsRequest as _volplane_v1_ListSnapshotsRequest } from '../../volplane/v1/ListSnapshotsRequest.js';
import type { ListSnapshotsResponseInput as _volplane_v1_ListSnapshotsResponseInput, ListSnapshotsResponse as _volplane_v1_ListSnapshotsResponse } from '../../volplane/v1/ListSnapshotsResponse.js';
import type { ListVolumesRequestInput as _volplane_v1_ListVolumesRequestInput, ListVolumesRequest as _volplane_v1_ListVolumesRequest } from '../../volplane/v1/ListVolumesRequest.js';
import type { ListVolumesResponseInput as _volplane_v1_ListVolumesResponseInput, ListVolumesResponse as _volplane_v1_ListVolumesResponse } from '../../volplane/v1/ListVolumesResponse.js';
import type { MountVolumeRequestInput as _volplane_v1_MountVolumeRequestInput, MountVolumeRequest as _volplane_v1_MountVolumeRequest } from '../../volplane/v1/MountVolumeRequest.js';
import type { MountVolumeResponseInput as _volplane_v1_MountVolumeResponseInput, MountVolumeResponse as _volplane_v1_MountVolumeResponse } from '../../volplane/v1/MountVolumeResponse.js';
import type { ReleaseGoneRequestInput as _volplane_v1_ReleaseGoneRequestInput, ReleaseGoneRequest as _volplane_v1_ReleaseGoneRequest } from '../../volplane/v1/ReleaseGoneRequest.js';
import type { ReleaseGoneResponseInput as _volplane_v1_ReleaseGoneResponseInput, ReleaseGoneResponse as _volplane_v1_ReleaseGoneResponse } from '../../volplane/v1/ReleaseGoneResponse.js';
import type { RemoveSnapshotRequestInput as _volplane_v1_RemoveSnapshotRequestInput, RemoveSnapshotRequest as _volplane_v1_RemoveSnapshotRequest } from '../../volplane/v1/RemoveSnapshotRequest.js';
import type { RemoveSnapshotResponseInput as _volplane_v1_RemoveSnapshotResponseInput, RemoveSnapshotResponse as _volplane_v1_RemoveSnapshotResponse } from '../../volplane/v1/RemoveSnapshotResponse.js';
import type { RemoveVolumeRequestInput as _volplane_v1_RemoveVolumeRequestInput, RemoveVolumeRequest as _volplane_v1_RemoveVolumeRequest } from '../../volplane/v1/RemoveVolumeRequest.js';
import type { RemoveVolumeResponseInput as _volplane_v1_RemoveVolumeResponseInput, RemoveVolumeResponse as _volplane_v1_RemoveVolumeResponse } from '../../volplane/v1/RemoveVolumeResponse.js';
import type { TransferOwnershipRequestInput as _volplane_v1_TransferOwnershipRequestInput, TransferOwnershipRequest as _volplane_v1_TransferOwnershipRequest } from '../../volplane/v1/TransferOwnershipRequest.js';
import type { TransferOwnershipResponseInput as _volplane_v1_TransferOwnershipResponseInput, TransferOwnershipResponse as _volplane_v1_TransferOwnershipResponse } from '../../volplane/v1/TransferOwnershipResponse.js';
import type { UnmountVolumeRequestInput as _volplane_v1_UnmountVolumeRequestInput, UnmountVolumeRequest as _volplane_v1_UnmountVolumeRequest } from '../../volplane/v1/UnmountVolumeRequest.js';
import type { UnmountVolumeResponseInput as _volplane_v1_UnmountVolumeResponseInput, UnmountVolumeResponse as _volplane_v1_UnmountVolumeResponse } from '../../volplane/v1/UnmountVolumeResponse.js';
import type { UpdateLabelsRequestInput as _volplane_v1_UpdateLabelsRequestInput, UpdateLabelsRequest as _volplane_v1_UpdateLabelsRequest } from '../../volplane/v1/UpdateLabelsRequest.js';
import type { UpdateLabelsResponseInput as _volplane_v1_UpdateLabelsResponseInput, UpdateLabelsResponse as _volplane_v1_UpdateLabelsResponse } from '../../volplane/v1/UpdateLabelsResponse.js';
import type { WatchVolumesRequestInput as _volplane_v1_WatchVolumesRequestInput, WatchVolumesRequest as _volplane_v1_WatchVolumesRequest } from '../../volplane/v1/WatchVolumesRequest.js';
import type { WatchVolumesResponseInput as _volplane_v1_WatchVolumesResponseInput, WatchVolumesResponse as _volplane_v1_WatchVolumesResponse } from '../../volplane/v1/WatchVolumesResponse.js';

export interface VolumesDefinition {
  CreateSnapshot: MethodDefinition<_volplane_v1_CreateSnapshotRequestInput, _volplane_v1_CreateSnapshotResponseInput, _volplane_v1_CreateSnapshotRequest, _volplane_v1_CreateSnapshotResponse>
  CreateVolume: MethodDefinition<_volplane_v1_CreateVolumeRequestInput, _volplane_v1_CreateVolumeResponseInput, _volplane_v1_CreateVolumeRequest, _volplane_v1_CreateVolumeResponse>
  CreateVolumes: MethodDefinition<_volplane_v1_CreateVolumesRequestInput, _volplane_v1_CreateVolumesResponseInput, _volplane_v1_CreateVolumesRequest, _volplane_v1_CreateVolumesResponse>
  ExpandVolume: MethodDefinition<_volplane_v1_ExpandVolumeRequestInput, _volplane_v1_ExpandVolumeResponseInput, _volplane_v1_ExpandVolumeRequest, _volplane_v1_ExpandVolumeResponse>
  ExplainVolume: MethodDefinition<_volplane_v1_ExplainVolumeRequestInput, _volplane_v1_ExplainVolumeResponseInput, _volplane_v1_ExplainVolumeRequest, _volplane_v1_ExplainVolumeResponse>
  ForceRelease: MethodDefinition<_volplane_v1_ForceReleaseRequestInput, _volplane_v1_ForceReleaseResponseInput, _volplane_v1_ForceReleaseRequest, _volplane_v1_ForceReleaseResponse>
  ForgetVolume: MethodDefinition<_volplane_v1_ForgetVolumeRequestInput, _volplane_v1_ForgetVolumeResponseInput, _volplane_v1_ForgetVolumeRequest, _volplane_v1_ForgetVolumeResponse>
  GetPath: MethodDefinition<_volplane_v1_GetPathRequestInput, _volplane_v1_GetPathResponseInput, _volplane_v1_GetPathRequest, _volplane_v1_GetPathResponse>
  GetStatus: MethodDefinition<_volplane_v1_GetStatusRequestInput, _volplane_v1_GetStatusResponseInput, _volplane_v1_GetStatusRequest, _volplane_v1_GetStatusResponse>
  GetVolume: MethodDefinition<_volplane_v1_GetVolumeRequestInput, _volplane_v1_GetVolumeResponseInput, _volplane_v1_GetVolumeRequest, _volplane_v1_GetVolumeResponse>
  ListSnapshots: MethodDefinition<_volplane_v1_ListSnapshotsRequestInput, _volplane_v1_ListSnapshotsResponseInput, _volplane_v1_ListSnapshotsRequest, _volplane_v1_ListSnapshotsResponse>
  ListVolumes: MethodDefinition<_volplane_v1_ListVolumesRequestInput, _volplane_v1_ListVolumesResponseInput, _volplane_v1_ListVolumesRequest, _volplane_v1_ListVolumesResponse>
  MountVolume: MethodDefinition<_volplane_v1_MountVolumeRequestInput, _volplane_v1_MountVolumeResponseInput, _volplane_v1_MountVolumeRequest, _volplane_v1_MountVolumeResponse>
  ReleaseGone: MethodDefinition<_volplane_v1_ReleaseGoneRequestInput, _volplane_v1_ReleaseGoneResponseInput, _volplane_v1_ReleaseGoneRequest, _volplane_v1_ReleaseGoneResponse>
  RemoveSnapshot: MethodDefinition<_volplane_v1_RemoveSnapshotRequestInput, _volplane_v1_RemoveSnapshotResponseInput, _volplane_v1_RemoveSnapshotRequest, _volplane_v1_RemoveSnapshotResponse>
  RemoveVolume: MethodDefinition<_volplane_v1_RemoveVolumeRequestInput, _volplane_v1_RemoveVolumeResponseInput, _volplane_v1_RemoveVolumeRequest, _volplane_v1_RemoveVolumeResponse>
  TransferOwnership: MethodDefinition<_volplane_v1_TransferOwnershipRequestInput, _volplane_v1_TransferOwnershipResponseInput, _volplane_v1_TransferOwnershipRequest, _volplane_v1_TransferOwnershipResponse>
  UnmountVolume: MethodDefinition<_volplane_v1_UnmountVolumeRequestInput, _volplane_v1_UnmountVolumeResponseInput, _volplane_v1_UnmountVolumeRequest, _volplane_v1_UnmountVolumeResponse>
  UpdateLabels: MethodDefinition<_volplane_v1_UpdateLabelsRequestInput, _volplane_v1_UpdateLabelsResponseInput, _volplane_v1_UpdateLabelsRequest, _volplane_v1_UpdateLabelsResponse>
  WatchVolumes: MethodDefinition<_volplane_v1_WatchVolumesRequestInput, _volplane_v1_WatchVolumesResponseInput, _volplane_v1_WatchVolumesRequest, _volplane_v1_WatchVolumesResponse>
}
