import type { AccessMode, MountMode, Scope, TakeoverPolicy } from './access.js';
import type { DriverName, MountId, NodeName, NodeUid, VolumeName, VolumeUid } from './names.js';
import type { DriverInfo } from './node.js';
import type { Evidence, Operation, Snapshot, StringMap, VolumePhase } from './volume.js';

/** One volume as every door shows it. */
export interface VolumeView {
  readonly name: VolumeName;
  readonly uid: VolumeUid;
  readonly driver: DriverName;
  readonly scope: Scope;
  readonly options: StringMap;
  readonly labels: StringMap;
  readonly accessMode: AccessMode;
  readonly takeover: TakeoverPolicy;
  readonly sizeBytes?: number;
  readonly createdAt: string;
  readonly phase: VolumePhase;
  /** etcd's mod revision of the document; 0 for local volumes. */
  readonly generation: number;
  /** Global: the owner. Local: the node that it lives on. */
  readonly node: NodeName;
  readonly epoch: number;
  readonly attachments: readonly AttachmentView[];
  readonly operation?: Operation;
  readonly snapshots?: Readonly<Record<string, Snapshot>>;
  /** On an agent, for a local volume, or when the request named a node that answered: where it is mounted on that node. */
  readonly path?: string;
  /** On an agent, for a local volume, or when the request named a node that answered: the ids that use it on that node. */
  readonly mountIds?: readonly MountId[];
  /** Whoever knows does not answer, and this is what was last known: of the node for a local volume, by the node that has a global one mounted. */
  readonly unavailable?: boolean;
}

export interface AttachmentView {
  readonly node: NodeName;
  readonly nodeUid: NodeUid;
  readonly mode: MountMode;
  readonly epoch: number;
  readonly seq: number;
  readonly since: string;
  readonly claimedFor: MountId;
}

export interface VolumePage {
  readonly volumes: readonly VolumeView[];
  /** Absent on the last page. */
  readonly nextPageToken?: string;
  /** Nodes that did not answer for their local volumes. */
  readonly unansweredNodes: readonly NodeName[];
  readonly warnings: readonly string[];
}

export interface SnapshotView {
  readonly name: string;
  readonly volume: VolumeName;
  readonly volumeUid: VolumeUid;
  readonly driver: DriverName;
  readonly scope: Scope;
  /** As {@link VolumeView.node}. */
  readonly node: NodeName;
  readonly createdAt: string;
  readonly sizeBytes: number;
  readonly ready: boolean;
}

export interface SnapshotPage {
  readonly snapshots: readonly SnapshotView[];
  /** Absent on the last page. */
  readonly nextPageToken?: string;
  /** Nodes that did not answer for the snapshots of their local volumes. */
  readonly unansweredNodes: readonly NodeName[];
}

/** What a driver's storage has room for, as the driver tells it now; thin storage may promise more than it has. */
export interface CapacityView {
  readonly availableBytes: number;
  /** The biggest and the smallest volume that can be created; absent = no bound known. */
  readonly volumeBytesMax?: number;
  readonly volumeBytesMin?: number;
}

export interface MountView {
  readonly path: string;
  readonly node: NodeName;
  readonly mode: MountMode;
  readonly epoch: number;
  /** The claim that this use belongs to; names it at unmount. 0 for local volumes. */
  readonly seq: number;
}

/** `connected`: has a session. `silent`: no heartbeat for longer than one interval while the session lives. `gone`: no session. */
export type NodeState = 'connected' | 'silent' | 'gone' | 'lost';

export interface NodeView {
  readonly name: NodeName;
  readonly uid: NodeUid;
  readonly state: NodeState;
  readonly drivers: readonly DriverInfo[];
  readonly labels: StringMap;
  readonly version: string;
  readonly registeredAt: string;
  readonly cordoned: boolean;
  readonly sessionSince?: string;
  /** When the manager that answers saw its session end; absent while it has one, and when that manager did not run then. */
  readonly goneSince?: string;
  readonly attachedVolumes: number;
  readonly ownedVolumes: number;
}

export interface NodePage {
  readonly nodes: readonly NodeView[];
  readonly nextPageToken?: string;
}

export interface DrainView {
  readonly node: NodeView;
  readonly moved: readonly VolumeName[];
  readonly remaining: readonly { readonly name: string; readonly scope: Scope; readonly reason: string }[];
}

export interface NodeLostPlan {
  readonly node: NodeName;
  readonly nodeUid: NodeUid;
  readonly state: NodeState;
  /** Names the state that the plan was made from; changes when any of it changes. */
  readonly planRevision: string;
  readonly volumes: readonly { readonly name: string; readonly risk: string; readonly attached: boolean; readonly owned: boolean }[];
  readonly done: boolean;
}

export interface DriverView {
  readonly info: DriverInfo;
  readonly nodes: readonly NodeName[];
}

export interface VolumeExplanation {
  readonly volume: VolumeView;
  /** Sentences for people, most important first. */
  readonly summary: readonly string[];
  readonly holders: readonly HolderExplanation[];
  readonly waitsFor?: string;
  readonly evidence: readonly Evidence[];
  readonly candidates: readonly CandidateExplanation[];
  readonly history: readonly HistoryEntry[];
  /** What a mount on `forNode` would be answered; absent when not asked. */
  readonly refusal?: { readonly reason: string; readonly message: string; readonly freedBy: string };
}

export interface HolderExplanation {
  readonly attachment: AttachmentView;
  readonly nodeState: NodeState;
  /** Absent when the node did not answer. */
  readonly mountIds?: readonly MountId[];
  /** What would free it. */
  readonly freedBy: string;
}

export interface CandidateExplanation {
  readonly node: NodeName;
  /** It may own the volume. */
  readonly passed: boolean;
  readonly reason: string;
  /** What uses the volume there now, allowed or not; absent when the node was not asked or did not answer. */
  readonly mountIds?: readonly MountId[];
}

export interface HistoryEntry {
  readonly revision: number;
  readonly summary: string;
}

export type VolumeEvent =
  | { readonly type: 'present' | 'changed'; readonly volume: VolumeView; readonly revision: number }
  | { readonly type: 'removed'; readonly name: VolumeName; readonly revision: number }
  | { readonly type: 'synced'; readonly revision: number };

export type NodeEvent = { readonly type: 'present' | 'changed'; readonly node: NodeView } | { readonly type: 'synced' };
