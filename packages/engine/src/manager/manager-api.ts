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
import type { ManagerNodes } from './manager-nodes.js';
import type { ManagerVolumes } from './manager-volumes.js';
import { watchVolumes } from './volume-watching.js';

/** The API of a manager: one object for every door, each method at the part that knows it. */
export class ManagerApi implements VolplaneApi {
  readonly #volumes: ManagerVolumes;
  readonly #nodes: ManagerNodes;
  readonly #cache: ClusterCache;

  constructor(volumes: ManagerVolumes, nodes: ManagerNodes, cache: ClusterCache) {
    this.#volumes = volumes;
    this.#nodes = nodes;
    this.#cache = cache;
  }

  createVolume = (request: CreateVolumeRequest, context: CallContext): Promise<VolumeView> => this.#volumes.createVolume(request, context);
  getVolume = (request: VolumeRef, context: CallContext): Promise<VolumeView> => this.#volumes.getVolume(request, context);
  listVolumes = (request: ListVolumesRequest, context: CallContext): Promise<VolumePage> => this.#volumes.listVolumes(request, context);
  updateLabels = (request: UpdateLabelsRequest, context: CallContext): Promise<VolumeView> => this.#volumes.updateLabels(request, context);
  removeVolume = (request: RemoveVolumeRequest, context: CallContext): Promise<void> => this.#volumes.removeVolume(request, context);
  forgetVolume = (request: VolumeRef, context: CallContext): Promise<void> => this.#volumes.forgetVolume(request, context);
  mountVolume = (request: MountVolumeRequest, context: CallContext): Promise<MountView> => this.#volumes.mountVolume(request, context);
  unmountVolume = (request: UnmountVolumeRequest, context: CallContext): Promise<void> => this.#volumes.unmountVolume(request, context);
  getPath = (request: VolumeRef, context: CallContext): Promise<{ readonly path?: string }> => this.#volumes.getPath(request, context);
  getStatus = (request: VolumeRef, context: CallContext): Promise<{ readonly status: StringMap }> =>
    this.#volumes.getStatus(request, context);
  transferOwnership = (request: TransferOwnershipRequest, context: CallContext): Promise<VolumeView> =>
    this.#volumes.transferOwnership(request, context);
  forceRelease = (request: ForceReleaseRequest, context: CallContext): Promise<VolumeView> => this.#volumes.forceRelease(request, context);
  expandVolume = (request: ExpandVolumeRequest, context: CallContext): Promise<VolumeView> => this.#volumes.expandVolume(request, context);
  createSnapshot = (request: SnapshotRequest, context: CallContext): Promise<VolumeView> => this.#volumes.createSnapshot(request, context);
  removeSnapshot = (request: SnapshotRequest, context: CallContext): Promise<VolumeView> => this.#volumes.removeSnapshot(request, context);
  watchVolumes = (request: WatchRequest, context: CallContext): AsyncIterable<VolumeEvent> => watchVolumes(this.#cache, request, context);

  releaseGone = (request: ReleaseGoneRequest, context: CallContext): Promise<VolumeView> => this.#nodes.releaseGone(request, context);
  listSnapshots = (request: ListSnapshotsRequest, context: CallContext): Promise<SnapshotPage> =>
    this.#nodes.listSnapshots(request, context);
  getCapacity = (request: CapacityRequest, context: CallContext): Promise<CapacityView> => this.#nodes.getCapacity(request, context);

  explainVolume = (request: ExplainVolumeRequest, context: CallContext): Promise<VolumeExplanation> =>
    this.#nodes.explainVolume(request, context);
  listNodes = (request: PageRequest, context: CallContext): Promise<NodePage> => this.#nodes.listNodes(request, context);
  getNode = (request: { readonly name: string }, context: CallContext): Promise<NodeView> => this.#nodes.getNode(request, context);
  cordonNode = (request: { readonly name: string; readonly cordoned: boolean }, context: CallContext): Promise<NodeView> =>
    this.#nodes.cordonNode(request, context);
  drainNode = (request: { readonly name: string }, context: CallContext): Promise<DrainView> => this.#nodes.drainNode(request, context);
  planNodeLost = (request: { readonly name: string }, context: CallContext): Promise<NodeLostPlan> =>
    this.#nodes.planNodeLost(request, context);
  declareNodeLost = (request: DeclareNodeLostRequest, context: CallContext): Promise<NodeLostPlan> =>
    this.#nodes.declareNodeLost(request, context);
  watchNodes = (request: WatchRequest, context: CallContext): AsyncIterable<NodeEvent> => this.#nodes.watchNodes(request, context);
  listDrivers = (request: { readonly node?: string }, context: CallContext): Promise<readonly DriverView[]> =>
    this.#nodes.listDrivers(request, context);
}
