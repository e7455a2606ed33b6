import type {
  CreateVolumeRequest,
  ExpandVolumeRequest,
  ExplainVolumeRequest,
  ForceReleaseRequest,
  ListSnapshotsRequest,
  ListVolumesRequest,
  MountVolumeRequest,
  PageRequest,
  ReleaseGoneRequest,
  RemoveVolumeRequest,
  SnapshotFilter,
  SnapshotRequest,
  TransferOwnershipRequest,
  UnmountVolumeRequest,
  UpdateLabelsRequest,
  VolumeFilter,
  VolumeRef,
  WatchRequest,
} from '@volplane/domain';
import type { CreateVolumeRequest as WireCreateVolume, CreateVolumeRequestInput } from '../generated/volplane/v1/CreateVolumeRequest.js';
import type { ExpandVolumeRequest as WireExpandVolume, ExpandVolumeRequestInput } from '../generated/volplane/v1/ExpandVolumeRequest.js';
import type {
  ExplainVolumeRequest as WireExplainVolume,
  ExplainVolumeRequestInput,
} from '../generated/volplane/v1/ExplainVolumeRequest.js';
import type { ForceReleaseRequest as WireForceRelease, ForceReleaseRequestInput } from '../generated/volplane/v1/ForceReleaseRequest.js';
import type {
  ListSnapshotsRequest as WireListSnapshots,
  ListSnapshotsRequestInput,
} from '../generated/volplane/v1/ListSnapshotsRequest.js';
import type { ListVolumesRequest as WireListVolumes, ListVolumesRequestInput } from '../generated/volplane/v1/ListVolumesRequest.js';
import type { MountVolumeRequest as WireMountVolume, MountVolumeRequestInput } from '../generated/volplane/v1/MountVolumeRequest.js';
import type { ReleaseGoneRequest as WireReleaseGone, ReleaseGoneRequestInput } from '../generated/volplane/v1/ReleaseGoneRequest.js';
import type { RemoveVolumeRequest as WireRemoveVolume, RemoveVolumeRequestInput } from '../generated/volplane/v1/RemoveVolumeRequest.js';
import type { SnapshotFilter as WireSnapshotFilter, SnapshotFilterInput } from '../generated/volplane/v1/SnapshotFilter.js';
import type {
  TransferOwnershipRequest as WireTransferOwnership,
  TransferOwnershipRequestInput,
} from '../generated/volplane/v1/TransferOwnershipRequest.js';
import type {
  UnmountVolumeRequest as WireUnmountVolume,
  UnmountVolumeRequestInput,
} from '../generated/volplane/v1/UnmountVolumeRequest.js';
import type { UpdateLabelsRequest as WireUpdateLabels, UpdateLabelsRequestInput } from '../generated/volplane/v1/UpdateLabelsRequest.js';
import type { VolumeFilter as WireVolumeFilter, VolumeFilterInput } from '../generated/volplane/v1/VolumeFilter.js';
import { accessModes, mountModes, scopes, takeoverPolicies } from './enums.js';
import { listFromWire, mapFromWire, optionalMapFromWire, uint32ToWire, uint64FromWire, uint64ToWire, type Writable } from './scalars.js';

/*
 * Requests about volumes. What is checked here is what a message can get wrong: numbers, enums, sizes. The rules for names,
 * notes and mount ids are the domain's, and are checked by whoever serves the request, through whichever door it came.
 */

export function createVolumeToWire(request: CreateVolumeRequest): CreateVolumeRequestInput {
  const message: CreateVolumeRequestInput = { name: request.name };
  if (request.driver !== undefined) message.driver = request.driver;
  if (request.options !== undefined) message.options = request.options;
  if (request.labels !== undefined) message.labels = request.labels;
  if (request.accessMode !== undefined) message.accessMode = accessModes.toWire(request.accessMode);
  if (request.takeover !== undefined) message.takeover = takeoverPolicies.toWire(request.takeover);
  if (request.sizeBytes !== undefined) message.sizeBytes = uint64ToWire(request.sizeBytes, 'size_bytes');
  if (request.node !== undefined) message.node = request.node;
  if (request.topology !== undefined) message.topology = request.topology;
  if (request.source !== undefined) message.source = request.source;
  return message;
}

/** @throws AppError INVALID_ARGUMENT or TOO_LARGE naming the field; so do the others below */
export function createVolumeFromWire(message: WireCreateVolume): CreateVolumeRequest {
  const request: Writable<CreateVolumeRequest> = { name: message.name };
  const options = optionalMapFromWire(message.options, 'options');
  const labels = optionalMapFromWire(message.labels, 'labels');
  const topology = optionalMapFromWire(message.topology, 'topology');
  const accessMode = accessModes.fromWire(message.accessMode, 'access_mode');
  const takeover = takeoverPolicies.fromWire(message.takeover, 'takeover');
  if (message.driver !== undefined) request.driver = message.driver;
  if (options !== undefined) request.options = options;
  if (labels !== undefined) request.labels = labels;
  if (accessMode !== undefined) request.accessMode = accessMode;
  if (takeover !== undefined) request.takeover = takeover;
  if (message.sizeBytes !== undefined) request.sizeBytes = uint64FromWire(message.sizeBytes, 'size_bytes');
  if (message.node !== undefined) request.node = message.node;
  if (topology !== undefined) request.topology = topology;
  if (message.source !== null) {
    const { volume, snapshot } = message.source;
    request.source = snapshot === undefined ? { volume } : { volume, snapshot };
  }
  return request;
}

export function listVolumesToWire(request: ListVolumesRequest): ListVolumesRequestInput {
  const message: ListVolumesRequestInput = pageToWire(request);
  if (request.filter !== undefined) message.filter = filterToWire(request.filter);
  if (request.stale === true) message.stale = true;
  return message;
}

export function listVolumesFromWire(message: WireListVolumes): ListVolumesRequest {
  const request: Writable<ListVolumesRequest> = pageFromWire(message);
  if (message.filter !== null) request.filter = filterFromWire(message.filter);
  if (message.stale) request.stale = true;
  return request;
}

function filterToWire(filter: VolumeFilter): VolumeFilterInput {
  const message: VolumeFilterInput = {};
  if (filter.names !== undefined) message.names = [...filter.names];
  if (filter.namePrefix !== undefined) message.namePrefix = filter.namePrefix;
  if (filter.drivers !== undefined) message.drivers = [...filter.drivers];
  if (filter.scope !== undefined) message.scope = scopes.toWire(filter.scope);
  if (filter.labels !== undefined) message.labels = filter.labels;
  if (filter.node !== undefined) message.node = filter.node;
  if (filter.dangling !== undefined) message.dangling = filter.dangling;
  return message;
}

function filterFromWire(message: WireVolumeFilter): VolumeFilter {
  const filter: Writable<VolumeFilter> = {};
  const scope = scopes.fromWire(message.scope, 'filter.scope');
  const labels = optionalMapFromWire(message.labels, 'filter.labels');
  if (message.names.length > 0) filter.names = listFromWire(message.names, 'filter.names');
  if (message.namePrefix !== undefined) filter.namePrefix = message.namePrefix;
  if (message.drivers.length > 0) filter.drivers = listFromWire(message.drivers, 'filter.drivers');
  if (scope !== undefined) filter.scope = scope;
  if (labels !== undefined) filter.labels = labels;
  if (message.node !== undefined) filter.node = message.node;
  if (message.dangling !== undefined) filter.dangling = message.dangling;
  return filter;
}

export function updateLabelsToWire(request: UpdateLabelsRequest): UpdateLabelsRequestInput {
  const message: UpdateLabelsRequestInput = { ...refToWire(request), set: request.set, drop: [...request.drop] };
  if (request.expectedGeneration !== undefined)
    message.expectedGeneration = uint64ToWire(request.expectedGeneration, 'expected_generation');
  if (request.takeover !== undefined) message.takeover = takeoverPolicies.toWire(request.takeover);
  return message;
}

export function updateLabelsFromWire(message: WireUpdateLabels): UpdateLabelsRequest {
  const request: Writable<UpdateLabelsRequest> = {
    ...refFromWire(message),
    set: mapFromWire(message.set, 'set'),
    drop: listFromWire(message.drop, 'drop'),
  };
  const takeover = takeoverPolicies.fromWire(message.takeover, 'takeover');
  if (message.expectedGeneration !== undefined)
    request.expectedGeneration = uint64FromWire(message.expectedGeneration, 'expected_generation');
  if (takeover !== undefined) request.takeover = takeover;
  return request;
}

export function removeVolumeToWire(request: RemoveVolumeRequest): RemoveVolumeRequestInput {
  const message: RemoveVolumeRequestInput = refToWire(request);
  if (request.uid !== undefined) message.uid = request.uid;
  return message;
}

export function removeVolumeFromWire(message: WireRemoveVolume): RemoveVolumeRequest {
  const request: Writable<RemoveVolumeRequest> = refFromWire(message);
  if (message.uid !== undefined) request.uid = message.uid;
  return request;
}

export function mountVolumeToWire(request: MountVolumeRequest): MountVolumeRequestInput {
  const message: MountVolumeRequestInput = { name: request.name, mountId: request.mountId };
  if (request.node !== undefined) message.node = request.node;
  if (request.mode !== undefined) message.mode = mountModes.toWire(request.mode);
  return message;
}

export function mountVolumeFromWire(message: WireMountVolume): MountVolumeRequest {
  const request: Writable<MountVolumeRequest> = { name: message.name, mountId: message.mountId };
  const mode = mountModes.fromWire(message.mode, 'mode');
  if (message.node !== undefined) request.node = message.node;
  if (mode !== undefined) request.mode = mode;
  return request;
}

export function unmountVolumeToWire(request: UnmountVolumeRequest): UnmountVolumeRequestInput {
  const message: UnmountVolumeRequestInput = { name: request.name, mountId: request.mountId };
  if (request.node !== undefined) message.node = request.node;
  if (request.seq !== undefined) message.seq = uint64ToWire(request.seq, 'seq');
  return message;
}

export function unmountVolumeFromWire(message: WireUnmountVolume): UnmountVolumeRequest {
  const request: Writable<UnmountVolumeRequest> = { name: message.name, mountId: message.mountId };
  if (message.node !== undefined) request.node = message.node;
  if (message.seq !== undefined) request.seq = uint64FromWire(message.seq, 'seq');
  return request;
}

export function transferOwnershipToWire(request: TransferOwnershipRequest): TransferOwnershipRequestInput {
  return request;
}

export function transferOwnershipFromWire(message: WireTransferOwnership): TransferOwnershipRequest {
  return { name: message.name, toNode: message.toNode };
}

export function forceReleaseToWire(request: ForceReleaseRequest): ForceReleaseRequestInput {
  return request;
}

export function forceReleaseFromWire(message: WireForceRelease): ForceReleaseRequest {
  return { name: message.name, node: message.node, note: message.note };
}

export function releaseGoneToWire(request: ReleaseGoneRequest): ReleaseGoneRequestInput {
  return request;
}

export function releaseGoneFromWire(message: WireReleaseGone): ReleaseGoneRequest {
  return { name: message.name, node: message.node };
}

export function expandVolumeToWire(request: ExpandVolumeRequest): ExpandVolumeRequestInput {
  return { ...refToWire(request), sizeBytes: uint64ToWire(request.sizeBytes, 'size_bytes') };
}

export function expandVolumeFromWire(message: WireExpandVolume): ExpandVolumeRequest {
  return { ...refFromWire(message), sizeBytes: uint64FromWire(message.sizeBytes, 'size_bytes') };
}

/** For the two requests about a snapshot, whose messages have the same fields. */
export function snapshotRequestToWire(request: SnapshotRequest): RefInput & { snapshot: string } {
  return { ...refToWire(request), snapshot: request.snapshot };
}

export function snapshotRequestFromWire(message: Ref & { readonly snapshot: string }): SnapshotRequest {
  return { ...refFromWire(message), snapshot: message.snapshot };
}

export function listSnapshotsToWire(request: ListSnapshotsRequest): ListSnapshotsRequestInput {
  const message: ListSnapshotsRequestInput = pageToWire(request);
  if (request.filter !== undefined) message.filter = snapshotFilterToWire(request.filter);
  return message;
}

export function listSnapshotsFromWire(message: WireListSnapshots): ListSnapshotsRequest {
  const request: Writable<ListSnapshotsRequest> = pageFromWire(message);
  if (message.filter !== null) request.filter = snapshotFilterFromWire(message.filter);
  return request;
}

function snapshotFilterToWire(filter: SnapshotFilter): SnapshotFilterInput {
  const message: SnapshotFilterInput = {};
  if (filter.names !== undefined) message.names = [...filter.names];
  if (filter.namePrefix !== undefined) message.namePrefix = filter.namePrefix;
  if (filter.volume !== undefined) message.volume = filter.volume;
  if (filter.node !== undefined) message.node = filter.node;
  return message;
}

function snapshotFilterFromWire(message: WireSnapshotFilter): SnapshotFilter {
  const filter: Writable<SnapshotFilter> = {};
  if (message.names.length > 0) filter.names = listFromWire(message.names, 'filter.names');
  if (message.namePrefix !== undefined) filter.namePrefix = message.namePrefix;
  if (message.volume !== undefined) filter.volume = message.volume;
  if (message.node !== undefined) filter.node = message.node;
  return filter;
}

export function explainVolumeToWire(request: ExplainVolumeRequest): ExplainVolumeRequestInput {
  const message: ExplainVolumeRequestInput = refToWire(request);
  if (request.forNode !== undefined) message.forNode = request.forNode;
  if (request.atRevision !== undefined) message.atRevision = uint64ToWire(request.atRevision, 'at_revision');
  return message;
}

export function explainVolumeFromWire(message: WireExplainVolume): ExplainVolumeRequest {
  const request: Writable<ExplainVolumeRequest> = refFromWire(message);
  if (message.forNode !== undefined) request.forNode = message.forNode;
  if (message.atRevision !== undefined) request.atRevision = uint64FromWire(message.atRevision, 'at_revision');
  return request;
}

/** The fields that every message with a {@link VolumeRef} has. */
interface Ref {
  readonly name: string;
  readonly node?: string;
}
interface RefInput {
  name: string;
  node?: string;
}

export function refToWire(ref: VolumeRef): RefInput {
  return ref.node === undefined ? { name: ref.name } : { name: ref.name, node: ref.node };
}

export function refFromWire(message: Ref): VolumeRef {
  return message.node === undefined ? { name: message.name } : { name: message.name, node: message.node };
}

export function watchToWire(request: WatchRequest): { namePrefix?: string } {
  return request.namePrefix === undefined ? {} : { namePrefix: request.namePrefix };
}

export function watchFromWire(message: { readonly namePrefix?: string }): WatchRequest {
  return message.namePrefix === undefined ? {} : { namePrefix: message.namePrefix };
}

export function pageToWire(request: PageRequest): { pageSize?: number; pageToken?: string } {
  const message: { pageSize?: number; pageToken?: string } = {};
  if (request.pageSize !== undefined) message.pageSize = uint32ToWire(request.pageSize, 'page_size');
  if (request.pageToken !== undefined) message.pageToken = request.pageToken;
  return message;
}

export function pageFromWire(message: { readonly pageSize?: number; readonly pageToken?: string }): Writable<PageRequest> {
  const request: Writable<PageRequest> = {};
  if (message.pageSize !== undefined) request.pageSize = message.pageSize;
  if (message.pageToken !== undefined) request.pageToken = message.pageToken;
  return request;
}
