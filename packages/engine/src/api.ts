import type {
  AccessMode,
  DriverInfo,
  DriverName,
  Evidence,
  MountId,
  MountMode,
  NodeName,
  NodeUid,
  Operation,
  Scope,
  Snapshot,
  StringMap,
  TakeoverPolicy,
  VolumeName,
  VolumePhase,
  VolumeUid,
} from '@volplane/domain';

/**
 * What a caller can ask of Volplane, whatever the door. Managers implement it for the cluster, agents for their node
 * (local volumes from the node itself, global ones passed to a manager). All types are plain JSON data, because the same
 * requests travel over the bus.
 *
 * Every method is idempotent: an unknown outcome (UNKNOWN_OUTCOME, DEADLINE_EXCEEDED) is followed by the same call again.
 * Names arrive as unchecked strings; the implementation parses them and refuses with INVALID_NAME.
 */
export interface VolumesApi {
  /** The same identity again returns the volume. @throws VOLUME_CONFLICT with the difference, DRIVER_NOT_FOUND, INVALID_OPTION, … */
  createVolume(request: CreateVolumeRequest, context: CallContext): Promise<VolumeView>;
  /** @throws VOLUME_NOT_FOUND as a fact; NODE_UNAVAILABLE, STORE_UNAVAILABLE when it cannot be told */
  getVolume(request: VolumeRef, context: CallContext): Promise<VolumeView>;
  /** One page, global volumes first, each scope by name. Names the nodes that did not answer. */
  listVolumes(request: ListVolumesRequest, context: CallContext): Promise<VolumePage>;
  updateLabels(request: UpdateLabelsRequest, context: CallContext): Promise<VolumeView>;
  /** Destroys the data. @throws VOLUME_ATTACHED naming each holder, VOLUME_IN_USE */
  removeVolume(request: RemoveVolumeRequest, context: CallContext): Promise<void>;
  /** Forgets the record and leaves the data; another call than remove on purpose. @throws VOLUME_ATTACHED */
  forgetVolume(request: VolumeRef, context: CallContext): Promise<void>;
  /** Adds a mount id. The node's agent claims if it does not hold the volume yet. */
  mountVolume(request: MountVolumeRequest, context: CallContext): Promise<MountView>;
  /** Takes a mount id out. Not there: fine. The last one unmounts and releases. */
  unmountVolume(request: UnmountVolumeRequest, context: CallContext): Promise<void>;
  /** Where the volume is mounted on that node; absent = not mounted there. */
  getPath(request: VolumeRef, context: CallContext): Promise<{ readonly path?: string }>;
  /** Facts of the driver about the volume, for people. */
  getStatus(request: VolumeRef, context: CallContext): Promise<{ readonly status: StringMap }>;
  /** Moves the control operations to another node. @throws VOLUME_HELD for single-node volumes that are attached elsewhere */
  transferOwnership(request: TransferOwnershipRequest, context: CallContext): Promise<VolumeView>;
  /** Ends an attachment on an operator's word (live node: by asking its agent; dead node: evidence D). */
  forceRelease(request: ForceReleaseRequest, context: CallContext): Promise<VolumeView>;
  expandVolume(request: ExpandVolumeRequest, context: CallContext): Promise<VolumeView>;
  createSnapshot(request: SnapshotRequest, context: CallContext): Promise<VolumeView>;
  removeSnapshot(request: SnapshotRequest, context: CallContext): Promise<VolumeView>;
  /** Who holds it, why, what it waits for, what would free it, its recent history; for a node: what would refuse it. */
  explainVolume(request: ExplainVolumeRequest, context: CallContext): Promise<VolumeExplanation>;
  /** The present volumes first, then every change, until the signal fires. */
  watchVolumes(request: WatchRequest, context: CallContext): AsyncIterable<VolumeEvent>;
}

export interface NodesApi {
  listNodes(request: PageRequest, context: CallContext): Promise<NodePage>;
  getNode(request: { readonly name: string }, context: CallContext): Promise<NodeView>;
  cordonNode(request: { readonly name: string; readonly cordoned: boolean }, context: CallContext): Promise<NodeView>;
  /** Cordons, then moves ownership of what is not attached. Names what cannot move. */
  drainNode(request: { readonly name: string }, context: CallContext): Promise<DrainView>;
  /** What declaring the node lost would concern; its revision confirms {@link declareNodeLost}. */
  planNodeLost(request: { readonly name: string }, context: CallContext): Promise<NodeLostPlan>;
  /** Evidence D for everything on the node. @throws NODE_ALIVE, PLAN_STALE */
  declareNodeLost(request: DeclareNodeLostRequest, context: CallContext): Promise<NodeLostPlan>;
  watchNodes(request: WatchRequest, context: CallContext): AsyncIterable<NodeEvent>;
  listDrivers(request: { readonly node?: string }, context: CallContext): Promise<readonly DriverView[]>;
}

export type VolplaneApi = VolumesApi & NodesApi;

/** What a call brings along beside its request. */
export interface CallContext {
  /** Fires when the caller is gone or the deadline passed. */
  readonly signal: AbortSignal;
  /** Milliseconds left for the call when it came in; work done on its behalf is bounded by it. */
  readonly timeoutMs: number;
}

/** `node` absent: the global volume of that name (on an agent: its own local volume first). Present: as seen on that node, a local volume of it first. */
export interface VolumeRef {
  readonly name: string;
  readonly node?: string;
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

export interface ExplainVolumeRequest extends VolumeRef {
  /** What would refuse a mount on this node. */
  readonly forNode?: string;
  /** As of this etcd revision; absent = now. */
  readonly atRevision?: number;
}

export interface WatchRequest {
  readonly namePrefix?: string;
}

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
  /** On an agent, or for a local volume: where it is mounted on that node. */
  readonly path?: string;
  /** On an agent, or for a local volume: the ids that use it on that node. */
  readonly mountIds?: readonly MountId[];
  /** The node does not answer and this is what was last known of it. */
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

export interface DeclareNodeLostRequest {
  readonly name: string;
  readonly planRevision: string;
  readonly note: string;
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
  readonly candidates: readonly { readonly node: NodeName; readonly passed: boolean; readonly reason: string }[];
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

export interface HistoryEntry {
  readonly revision: number;
  readonly summary: string;
}

export type VolumeEvent =
  | { readonly type: 'present' | 'changed'; readonly volume: VolumeView; readonly revision: number }
  | { readonly type: 'removed'; readonly name: VolumeName; readonly revision: number }
  | { readonly type: 'synced'; readonly revision: number };

export type NodeEvent = { readonly type: 'present' | 'changed'; readonly node: NodeView } | { readonly type: 'synced' };
