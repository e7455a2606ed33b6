/**
 * The messages of proto/csi/v1/csi.proto as they come off and go on the wire: names as in the proto file, int64 as decimal
 * text, enums as numbers, an absent message as null. Requests have every field; answers leave out what is not set.
 */
export type WireMap = Readonly<Record<string, string>>;

export interface WireCapability {
  readonly access_type?: 'block' | 'mount' | undefined;
  readonly block?: object | null;
  readonly mount?: WireMount | null;
  readonly access_mode?: { readonly mode: number } | null;
}

export interface WireMount {
  readonly fs_type?: string;
  readonly mount_flags?: readonly string[];
  readonly volume_mount_group?: string;
}

export interface WireCapacityRange {
  readonly required_bytes: string;
  readonly limit_bytes: string;
}

export interface WireContentSource {
  readonly type?: 'snapshot' | 'volume' | undefined;
  readonly snapshot?: { readonly snapshot_id: string } | null;
  readonly volume?: { readonly volume_id: string } | null;
}

export interface WireTopology {
  readonly segments: WireMap;
}

export interface WireTopologyRequirement {
  readonly requisite: readonly WireTopology[];
  readonly preferred: readonly WireTopology[];
}

export interface WireVolume {
  readonly capacity_bytes: string;
  readonly volume_id: string;
  readonly volume_context: WireMap;
  readonly content_source?: WireContentSource;
  readonly accessible_topology: readonly WireTopology[];
}

export interface WireSnapshot {
  readonly size_bytes: string;
  readonly snapshot_id: string;
  readonly source_volume_id: string;
  readonly creation_time: { readonly seconds: string; readonly nanos: number };
  readonly ready_to_use: boolean;
  readonly group_snapshot_id?: string;
  readonly accessible_topology?: readonly WireTopology[];
}

export interface WireCondition {
  readonly abnormal: boolean;
  readonly message: string;
}

export interface WireVolumeStatus {
  readonly published_node_ids: readonly string[];
  readonly volume_condition?: WireCondition;
}

export interface WireVolumeHealth {
  readonly volume_id: string;
  readonly health_statuses: readonly { readonly status: number; readonly reason: string; readonly message: string }[];
}

export interface CreateVolumeRequest {
  readonly name: string;
  readonly capacity_range: WireCapacityRange | null;
  readonly volume_capabilities: readonly WireCapability[];
  readonly parameters: WireMap;
  readonly volume_content_source: WireContentSource | null;
  readonly accessibility_requirements: WireTopologyRequirement | null;
  readonly mutable_parameters: WireMap;
}

export interface VolumeIdRequest {
  readonly volume_id: string;
}

export interface ControllerPublishRequest extends VolumeIdRequest {
  readonly node_id: string;
  readonly volume_capability: WireCapability | null;
  readonly readonly: boolean;
  readonly volume_context: WireMap;
}

export interface ControllerUnpublishRequest extends VolumeIdRequest {
  readonly node_id: string;
}

export interface ValidateRequest extends VolumeIdRequest {
  readonly volume_context: WireMap;
  readonly volume_capabilities: readonly WireCapability[];
  readonly parameters: WireMap;
  readonly mutable_parameters: WireMap;
}

export interface ValidateResponse {
  readonly confirmed?: {
    readonly volume_context: WireMap;
    readonly volume_capabilities: readonly WireCapability[];
    readonly parameters: WireMap;
    readonly mutable_parameters: WireMap;
  };
  readonly message: string;
}

export interface ListRequest {
  readonly max_entries: number;
  readonly starting_token: string;
}

export interface ListVolumesResponse {
  readonly entries: readonly { readonly volume: WireVolume; readonly status: WireVolumeStatus }[];
  readonly next_token: string;
}

export interface ControllerGetVolumeResponse {
  readonly volume: WireVolume;
  readonly status: WireVolumeStatus;
}

export interface ModifyRequest extends VolumeIdRequest {
  readonly mutable_parameters: WireMap;
}

export interface GetCapacityRequest {
  readonly volume_capabilities: readonly WireCapability[];
  readonly parameters: WireMap;
  readonly accessible_topology: WireTopology | null;
}

export interface GetCapacityResponse {
  readonly available_capacity: string;
  readonly maximum_volume_size?: { readonly value: string };
  readonly minimum_volume_size?: { readonly value: string };
}

export interface CreateSnapshotRequest {
  readonly source_volume_id: string;
  readonly name: string;
  readonly parameters: WireMap;
  readonly accessibility_requirements: WireTopologyRequirement | null;
}

export interface SnapshotIdRequest {
  readonly snapshot_id: string;
}

export interface ListSnapshotsRequest extends ListRequest {
  readonly source_volume_id: string;
  readonly snapshot_id: string;
}

export interface ListSnapshotsResponse {
  readonly entries: readonly { readonly snapshot: WireSnapshot }[];
  readonly next_token: string;
}

export interface ExpandRequest extends VolumeIdRequest {
  readonly capacity_range: WireCapacityRange | null;
  readonly volume_capability: WireCapability | null;
}

export interface CreateGroupRequest {
  readonly name: string;
  readonly source_volume_ids: readonly string[];
  readonly parameters: WireMap;
}

export interface GroupIdRequest {
  readonly group_snapshot_id: string;
  readonly snapshot_ids: readonly string[];
}

export interface WireGroupSnapshot {
  readonly group_snapshot_id: string;
  readonly snapshots: readonly WireSnapshot[];
  readonly creation_time: { readonly seconds: string; readonly nanos: number };
  readonly ready_to_use: boolean;
}

export interface NodeStageRequest extends VolumeIdRequest {
  readonly publish_context: WireMap;
  readonly staging_target_path: string;
  readonly volume_capability: WireCapability | null;
  readonly volume_context: WireMap;
}

export interface NodeUnstageRequest extends VolumeIdRequest {
  readonly staging_target_path: string;
}

export interface NodePublishRequest extends NodeStageRequest {
  readonly target_path: string;
  readonly readonly: boolean;
}

export interface NodeUnpublishRequest extends VolumeIdRequest {
  readonly target_path: string;
}

export interface NodeStatsRequest extends VolumeIdRequest {
  readonly volume_path: string;
  readonly staging_target_path: string;
}

export interface NodeStatsResponse {
  readonly usage: readonly { readonly available: string; readonly total: string; readonly used: string; readonly unit: number }[];
  readonly volume_condition?: WireCondition;
}

export interface NodeExpandRequest extends VolumeIdRequest {
  readonly volume_path: string;
  readonly capacity_range: WireCapacityRange | null;
  readonly staging_target_path: string;
  readonly volume_capability: WireCapability | null;
}

export interface NodeHealthRequest extends VolumeIdRequest {
  readonly volume_publish_path: string;
  readonly staging_target_path: string;
}

export interface NodeInfoResponse {
  readonly node_id: string;
  readonly max_volumes_per_node: string;
  readonly accessible_topology: WireTopology;
}
