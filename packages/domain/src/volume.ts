import type { AccessMode, MountMode, TakeoverPolicy } from './access.js';
import type { DriverName, MountId, NodeName, NodeUid, OperationId, SessionId, VolumeName, VolumeUid } from './names.js';

/** Driver options and labels: string to string, bounded by {@link LIMITS}. */
export type StringMap = Readonly<Record<string, string>>;

/** Bounds of one volume document; a full one stays far below etcd's 1.5 MiB request limit. */
export const LIMITS = {
  /** Entries of an options or labels map. */
  mapEntries: 64,
  mapKeyBytes: 128,
  mapValueBytes: 4096,
  /** Nodes that can have one volume attached at once; about 300 bytes each. */
  attachments: 1024,
  /** Evidence kept in the document, the youngest last; older evidence is in etcd's history until compaction. */
  evidence: 8,
  /** Attachments that one change may end on evidence; each is compared in the transaction. */
  releasedAtOnce: 4,
  /** Former owners that still owe an acknowledgement. */
  formerOwners: 16,
} as const;

/** What the caller asked for. Identity is (name, driver, options, accessMode, sizeBytes); labels and takeover can change. */
export interface VolumeSpec {
  readonly driver: DriverName;
  readonly options: StringMap;
  readonly labels: StringMap;
  readonly accessMode: AccessMode;
  readonly takeover: TakeoverPolicy;
  /** Hard size in bytes, for drivers with the capability `size`; absent = not limited. */
  readonly sizeBytes?: number;
}

/**
 * `creating`: the driver may or may not have made it. `ready`: it exists. `removing`: the driver may or may not have
 * destroyed it, and only goes on. Monotone: a volume never goes back.
 */
export type VolumePhase = 'creating' | 'ready' | 'removing';

/** The recorded right of one node to have the volume mounted. */
export interface Attachment {
  readonly nodeUid: NodeUid;
  /** The session in which the claim was sent; the grant is worth nothing in another. */
  readonly session: SessionId;
  /** The node's sequence number of the claim; anything older of this node is ignored. */
  readonly seq: number;
  /** The volume's epoch as granted: the fencing token. */
  readonly epoch: number;
  readonly mode: MountMode;
  /** Wall clock of the manager at the grant, ISO 8601. */
  readonly since: string;
  /** The mount id for which the node claimed; the agent alone knows those that joined later. */
  readonly claimedFor: MountId;
}

/** A: released by the node. B: refused by the storage. C: session ended, mount aborted before. D: an operator said so. */
export type EvidenceKind = 'A' | 'B' | 'C' | 'D';

/** Why an attachment left the record. */
export interface Evidence {
  readonly kind: EvidenceKind;
  readonly node: NodeName;
  readonly nodeUid: NodeUid;
  readonly seq: number;
  /** The epoch that the attachment had. */
  readonly epoch: number;
  readonly at: string;
  /** What the evidence rests on: the released seq, the driver's fence receipt, the ended session, the operator's note. */
  readonly detail: string;
}

/** The work in flight, recorded before its effect; one per volume. */
export interface Operation {
  readonly id: OperationId;
  readonly kind: 'create' | 'remove' | 'expand' | 'snapshot' | 'remove-snapshot';
  readonly since: string;
  /** Parameters of the kind: size to expand to, name of the snapshot; empty for others. */
  readonly parameters: StringMap;
  /** In `removing`: the present owner has acknowledged. */
  readonly ownerDone?: boolean;
  /** In `removing` after a failed create: what failed, told to whoever asks. */
  readonly cause?: string;
}

/** A node that owned the volume while an operation was in flight and may still act on it. */
export interface FormerOwner {
  readonly node: NodeName;
  readonly nodeUid: NodeUid;
}

/** The whole truth about one global volume: the JSON document under /volplane/volumes/<name>. */
export interface VolumeDocument {
  readonly schema: 1;
  readonly name: VolumeName;
  readonly uid: VolumeUid;
  readonly spec: VolumeSpec;
  readonly createdAt: string;
  readonly phase: VolumePhase;
  readonly owner: NodeName;
  readonly ownerUid: NodeUid;
  /** Only grows; raised whenever who may write changes, with every change of owner, and by the step to removing. */
  readonly epoch: number;
  readonly attachments: Readonly<Record<NodeName, Attachment>>;
  readonly operation?: Operation;
  readonly formerOwners: readonly FormerOwner[];
  readonly evidence: readonly Evidence[];
  readonly snapshots?: Readonly<Record<string, Snapshot>>;
}

export interface Snapshot {
  readonly createdAt: string;
  readonly sizeBytes: number;
  readonly ready: boolean;
}
