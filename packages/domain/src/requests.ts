import type { AccessMode, MountMode, Scope, TakeoverPolicy } from './access.js';
import type { StringMap } from './volume.js';

/** `node` absent: the global volume of that name (on an agent: its own local volume first). Present: as seen on that node, a local volume of it first. */
export interface VolumeRef {
  readonly name: string;
  readonly node?: string;
  /** Only a volume of this scope: a door that serves one scope never reaches the other's volume of the same name. Absent = as `node` says. */
  readonly scope?: Scope;
}

export interface CreateVolumeRequest {
  readonly name: string;
  /** Absent = `local` on an agent; on a manager `local` needs `node`. */
  readonly driver?: string;
  readonly options?: StringMap;
  readonly labels?: StringMap;
  /** Absent = the driver's default, its first. */
  readonly accessMode?: AccessMode;
  readonly takeover?: TakeoverPolicy;
  readonly sizeBytes?: number;
  /** Local scope: where it lives. Global scope: the wished-for owner. */
  readonly node?: string;
  /** Only nodes that carry all these labels may own it. */
  readonly topology?: StringMap;
  readonly source?: { readonly volume: string; readonly snapshot?: string };
}

export interface ListVolumesRequest extends PageRequest {
  readonly filter?: VolumeFilter;
  /** Answer from memory without the barrier: faster, may be late. */
  readonly stale?: boolean;
}

/** Keys combine with AND; `names` and `drivers` are any-of; `labels` must all match, an empty value means presence. */
export interface VolumeFilter {
  readonly names?: readonly string[];
  readonly namePrefix?: string;
  readonly drivers?: readonly string[];
  readonly scope?: Scope;
  readonly labels?: StringMap;
  readonly node?: string;
  /** true: attached nowhere and no mount ids; false: used. */
  readonly dangling?: boolean;
}

export interface PageRequest {
  /** 1 to 1000; absent = 100. */
  readonly pageSize?: number;
  readonly pageToken?: string;
}

export interface UpdateLabelsRequest extends VolumeRef {
  /** Set these. */
  readonly set: StringMap;
  /** Drop these keys. */
  readonly drop: readonly string[];
  /** Refuse with GENERATION_STALE unless the volume still has this generation. */
  readonly expectedGeneration?: number;
  /** Change the policy too; one that the driver cannot keep is refused with INVALID_ARGUMENT and nothing is changed. */
  readonly takeover?: TakeoverPolicy;
}

export interface RemoveVolumeRequest extends VolumeRef {
  /** Refuse unless the volume has this uid. */
  readonly uid?: string;
}

export interface MountVolumeRequest extends VolumeRef {
  readonly mountId: string;
  /** Absent = `rw` where the access mode allows it, else `ro`. */
  readonly mode?: MountMode;
}

export interface UnmountVolumeRequest extends VolumeRef {
  readonly mountId: string;
  /** Only if the claim still has this seq (MountView.seq); absent = whatever claim holds the id. */
  readonly seq?: number;
}

export interface TransferOwnershipRequest {
  readonly name: string;
  readonly toNode: string;
}

export interface ForceReleaseRequest {
  readonly name: string;
  readonly node: string;
  /** Who says so and why; stored as evidence. 1 to 200 characters. */
  readonly note: string;
}

export interface ExpandVolumeRequest extends VolumeRef {
  readonly sizeBytes: number;
}

export interface SnapshotRequest extends VolumeRef {
  readonly snapshot: string;
}

/** Ends the attachment of a node that is not in touch, on evidence alone. */
export interface ReleaseGoneRequest {
  readonly name: string;
  readonly node: string;
}

export interface CapacityRequest {
  readonly driver: string;
  /** The storage of this node. Absent: of any node; for local drivers the node with the most room. */
  readonly node?: string;
}

export interface ListSnapshotsRequest extends PageRequest {
  readonly filter?: SnapshotFilter;
}

/** Keys combine with AND; `names` is any-of. */
export interface SnapshotFilter {
  readonly names?: readonly string[];
  readonly namePrefix?: string;
  /** Snapshots of this volume. */
  readonly volume?: string;
  /** Snapshots of local volumes: those of this node only. Without it every node is asked. */
  readonly node?: string;
}

export interface ExplainVolumeRequest extends VolumeRef {
  /** What would refuse a mount on this node. */
  readonly forNode?: string;
  /** As of this etcd revision; absent = now. */
  readonly atRevision?: number;
}

export interface DeclareNodeLostRequest {
  readonly name: string;
  readonly planRevision: string;
  readonly note: string;
}

export interface WatchRequest {
  readonly namePrefix?: string;
}
