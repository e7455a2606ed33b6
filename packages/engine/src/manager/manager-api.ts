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
  MountVolumeRequest,
  MountView,
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
import type { CallContext, VolplaneApi } from '../api.js';
import type { ClusterCache } from '../store/cluster-cache.js';
import type { Capacity } from './capacity.js';
import type { Explaining } from './explaining.js';
import type { GoneRelease } from './gone-release.js';
import type { ManagerNodes } from './manager-nodes.js';
import type { ManagerVolumes } from './manager-volumes.js';
import type { SnapshotListing } from './snapshot-listing.js';
import { watchVolumes } from './volume-watching.js';

/** The API of a manager: one object for every door, each method at the part that knows it. */
export class ManagerApi implements VolplaneApi {
  readonly #parts: ApiParts;

  constructor(parts: ApiParts) {
    this.#parts = parts;
  }

  createVolume = (request: CreateVolumeRequest, context: CallContext): Promise<VolumeView> =>
    this.#parts.volumes.createVolume(request, context);
  getVolume = (request: VolumeRef, context: CallContext): Promise<VolumeView> => this.#parts.volumes.getVolume(request, context);
  listVolumes = (request: ListVolumesRequest, context: CallContext): Promise<VolumePage> =>
    this.#parts.volumes.listVolumes(request, context);
  updateLabels = (request: UpdateLabelsRequest, context: CallContext): Promise<VolumeView> =>
    this.#parts.volumes.updateLabels(request, context);
  removeVolume = (request: RemoveVolumeRequest, context: CallContext): Promise<void> => this.#parts.volumes.removeVolume(request, context);
  forgetVolume = (request: VolumeRef, context: CallContext): Promise<void> => this.#parts.volumes.forgetVolume(request, context);
  mountVolume = (request: MountVolumeRequest, context: CallContext): Promise<MountView> =>
    this.#parts.volumes.mountVolume(request, context);
  unmountVolume = (request: UnmountVolumeRequest, context: CallContext): Promise<void> =>
    this.#parts.volumes.unmountVolume(request, context);
  getPath = (request: VolumeRef, context: CallContext): Promise<{ readonly path?: string }> =>
    this.#parts.volumes.getPath(request, context);
  getStatus = (request: VolumeRef, context: CallContext): Promise<{ readonly status: StringMap }> =>
    this.#parts.volumes.getStatus(request, context);
  transferOwnership = (request: TransferOwnershipRequest): Promise<VolumeView> => this.#parts.volumes.transferOwnership(request);
  forceRelease = (request: ForceReleaseRequest, context: CallContext): Promise<VolumeView> =>
    this.#parts.volumes.forceRelease(request, context);
  expandVolume = (request: ExpandVolumeRequest, context: CallContext): Promise<VolumeView> =>
    this.#parts.volumes.expandVolume(request, context);
  createSnapshot = (request: SnapshotRequest, context: CallContext): Promise<VolumeView> =>
    this.#parts.volumes.createSnapshot(request, context);
  removeSnapshot = (request: SnapshotRequest, context: CallContext): Promise<VolumeView> =>
    this.#parts.volumes.removeSnapshot(request, context);
  watchVolumes = (request: WatchRequest, context: CallContext): AsyncIterable<VolumeEvent> =>
    watchVolumes(this.#parts.cache, request, context);

  releaseGone = (request: ReleaseGoneRequest): Promise<VolumeView> => this.#parts.goneRelease.releaseGone(request);
  listSnapshots = (request: ListSnapshotsRequest, context: CallContext): Promise<SnapshotPage> =>
    this.#parts.snapshots.page(request, context);
  getCapacity = (request: CapacityRequest, context: CallContext): Promise<CapacityView> =>
    this.#parts.capacity.getCapacity(request, context);

  explainVolume = (request: ExplainVolumeRequest, context: CallContext): Promise<VolumeExplanation> =>
    this.#parts.explaining.explainVolume(request, context);
  listNodes = (request: PageRequest): Promise<NodePage> => this.#parts.nodes.listNodes(request);
  getNode = (request: { readonly name: string }): Promise<NodeView> => this.#parts.nodes.getNode(request);
  cordonNode = (request: { readonly name: string; readonly cordoned: boolean }, context: CallContext): Promise<NodeView> =>
    this.#parts.nodes.cordonNode(request, context);
  drainNode = (request: { readonly name: string }, context: CallContext): Promise<DrainView> =>
    this.#parts.nodes.drainNode(request, context);
  planNodeLost = (request: { readonly name: string }): Promise<NodeLostPlan> => this.#parts.nodes.planNodeLost(request);
  declareNodeLost = (request: DeclareNodeLostRequest, context: CallContext): Promise<NodeLostPlan> =>
    this.#parts.nodes.declareNodeLost(request, context);
  watchNodes = (request: WatchRequest, context: CallContext): AsyncIterable<NodeEvent> => this.#parts.nodes.watchNodes(request, context);
  listDrivers = (request: { readonly node?: string }): Promise<readonly DriverView[]> => this.#parts.nodes.listDrivers(request);
}

export interface ApiParts {
  readonly volumes: ManagerVolumes;
  readonly nodes: ManagerNodes;
  readonly goneRelease: GoneRelease;
  readonly snapshots: SnapshotListing;
  readonly capacity: Capacity;
  readonly explaining: Explaining;
  readonly cache: ClusterCache;
}
