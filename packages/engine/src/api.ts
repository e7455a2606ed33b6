import type {
  CapacityRequest,
  CapacityView,
  CreateVolumeRequest,
  DeclareNodeLostRequest,
  DrainView,
  DriverView,
  ExpandVolumeRequest,
  ExplainVolumeRequest,
  ForceReleaseRequest,
  ListSnapshotsRequest,
  ListVolumesRequest,
  MountView,
  MountVolumeRequest,
  NodeEvent,
  NodeLostPlan,
  NodePage,
  NodeView,
  PageRequest,
  ReleaseGoneRequest,
  RemoveVolumeRequest,
  SnapshotPage,
  SnapshotRequest,
  StringMap,
  TransferOwnershipRequest,
  UnmountVolumeRequest,
  UpdateLabelsRequest,
  VolumeEvent,
  VolumeExplanation,
  VolumePage,
  VolumeRef,
  VolumeView,
  WatchRequest,
} from '@volplane/domain';

/**
 * What a caller can ask of Volplane, whatever the door. Managers implement it for the cluster, agents for their node
 * (local volumes from the node itself, global ones passed to a manager). Requests and views are plain JSON data of the domain,
 * because the same requests travel over the bus.
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
  /**
   * Ends the attachment of a node that has no session, if evidence B or C allows it by the volume's policy; not attached: fine.
   * Never on anybody's word: that is {@link forceRelease}. @throws VOLUME_HELD saying what would free it, TAKEOVER_BRAKE, UNGUARDED
   */
  releaseGone(request: ReleaseGoneRequest, context: CallContext): Promise<VolumeView>;
  expandVolume(request: ExpandVolumeRequest, context: CallContext): Promise<VolumeView>;
  createSnapshot(request: SnapshotRequest, context: CallContext): Promise<VolumeView>;
  removeSnapshot(request: SnapshotRequest, context: CallContext): Promise<VolumeView>;
  /** One page, ordered by volume, then name; global volumes first. Names the nodes that did not answer. */
  listSnapshots(request: ListSnapshotsRequest, context: CallContext): Promise<SnapshotPage>;
  /** @throws DRIVER_NOT_FOUND, CAPABILITY_MISSING when the driver cannot tell, NODE_UNAVAILABLE */
  getCapacity(request: CapacityRequest, context: CallContext): Promise<CapacityView>;
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
