import { AppError, hasReason } from '@volplane/base';
import { ownEntry, type SnapshotView, type StringMap, type VolumeView } from '@volplane/domain';
import type { CallContext, VolumesApi } from '@volplane/engine';
import { parseMaxEntries, requireMap, requireName, requireText, toTimestamp } from '../field-codec.js';
import { groupIdOf, internalName, snapshotIdOf } from '../ids.js';
import type { CreateSnapshotRequest, ListSnapshotsRequest, ListSnapshotsResponse, SnapshotIdRequest, WireSnapshot } from '../messages.js';
import { isAtLeast } from '../spec-level.js';
import { CsiError } from '../status.js';
import { parseRequirement, type Requirement } from '../topology.js';
import { findVolume, getVolume, refOf, requireVolumeId } from '../volume-lookup.js';
import type { ControllerContext } from './context.js';
import { collectPages } from './pages.js';
import { findSnapshot } from './snapshot-lookup.js';

/** CreateSnapshot: the name is the key in the whole cluster; the same name and source again returns the snapshot. */
export async function createSnapshot(
  controller: ControllerContext,
  request: CreateSnapshotRequest,
  context: CallContext,
): Promise<{ readonly snapshot: WireSnapshot }> {
  const csiName = requireName(request.name, 'name');
  requireText(request.source_volume_id, 'source_volume_id');
  if (Object.keys(requireMap(request.parameters, 'parameters')).some((key) => !key.startsWith('csi.storage.k8s.io/'))) {
    throw new CsiError('INVALID_ARGUMENT', 'snapshots take no parameters');
  }
  const view = await getVolume(controller.api, request.source_volume_id, context);
  const name = internalName(csiName);
  await requireFreeName(controller.api, name, csiName, view, context);
  const usableFrom = await requireUsable(controller, view, parseRequirement(request.accessibility_requirements), context);
  const snapshot = toWireSnapshot(controller, await takeSnapshot(controller, view, name, context));
  return {
    snapshot: usableFrom.length === 0 ? snapshot : { ...snapshot, accessible_topology: usableFrom.map((segments) => ({ segments })) },
  };
}

/** Cuts a snapshot of the volume, or finds it cut. */
export async function takeSnapshot(
  controller: ControllerContext,
  view: VolumeView,
  name: string,
  context: CallContext,
): Promise<SnapshotView> {
  const after = await controller.api.createSnapshot({ ...refOf(view), snapshot: name }, context);
  const made = ownEntry(after.snapshots, name);
  if (made === undefined)
    throw new AppError('UNKNOWN_OUTCOME', `snapshot ${name} of volume ${view.name} is not recorded yet; repeat the call`);
  return { ...made, name, volume: view.name, volumeUid: view.uid, driver: view.driver, scope: view.scope, node: view.node };
}

/**
 * A snapshot of a local volume is usable on its node alone.
 *
 * @returns the asked-for topologies in which it will be usable; none when nothing was asked for or it is usable everywhere
 * @throws CsiError RESOURCE_EXHAUSTED when it would be usable in none of them
 */
async function requireUsable(
  controller: ControllerContext,
  view: VolumeView,
  requirement: Requirement | undefined,
  context: CallContext,
): Promise<readonly StringMap[]> {
  if (requirement === undefined || view.scope === 'global') return [];
  const node = await controller.api.getNode({ name: view.node }, context);
  const terms = requirement.requisite.length > 0 ? requirement.requisite : requirement.preferred;
  const matching = terms.filter((term) => controller.topology.matches(term, node));
  if (matching.length > 0) return matching;
  throw new CsiError(
    'RESOURCE_EXHAUSTED',
    `volume ${view.name} lives on node ${view.node}, so its snapshots cannot be used from the topology that is asked for`,
  );
}

/** DeleteSnapshot: unknown is fine. */
export async function deleteSnapshot(controller: ControllerContext, request: SnapshotIdRequest, context: CallContext): Promise<object> {
  requireText(request.snapshot_id, 'snapshot_id');
  const found = await findSnapshot(controller.api, request.snapshot_id, context);
  if (found === undefined) return {};
  const groupId = groupIdOf(found.name);
  if (groupId !== undefined) {
    throw new CsiError('INVALID_ARGUMENT', `snapshot ${found.name} belongs to group snapshot ${groupId} and is deleted with it`);
  }
  await dropSnapshot(controller.api, found, context);
  return {};
}

export async function dropSnapshot(api: VolumesApi, snapshot: SnapshotView, context: CallContext): Promise<void> {
  try {
    const node = snapshot.scope === 'local' ? { node: snapshot.node } : {};
    await api.removeSnapshot({ name: snapshot.volume, ...node, snapshot: snapshot.name }, context);
  } catch (error) {
    if (!hasReason(error, 'VOLUME_NOT_FOUND')) throw error;
  }
}

/** GetSnapshot. */
export async function getSnapshot(
  controller: ControllerContext,
  request: SnapshotIdRequest,
  context: CallContext,
): Promise<{ readonly snapshot: WireSnapshot }> {
  requireText(request.snapshot_id, 'snapshot_id');
  const found = await findSnapshot(controller.api, request.snapshot_id, context);
  if (found === undefined) throw new CsiError('NOT_FOUND', `no snapshot has the id ${JSON.stringify(request.snapshot_id)}`);
  return { snapshot: toWireSnapshot(controller, found) };
}

/** ListSnapshots: filters that match nothing give an empty list. */
export async function listSnapshots(
  controller: ControllerContext,
  request: ListSnapshotsRequest,
  context: CallContext,
): Promise<ListSnapshotsResponse> {
  const maxEntries = parseMaxEntries(request.max_entries);
  const { api, log } = controller;
  if (request.snapshot_id !== '') {
    const found = await findSnapshot(api, request.snapshot_id, context);
    const matches =
      found !== undefined &&
      (request.source_volume_id === '' || toWireSnapshot(controller, found).source_volume_id === request.source_volume_id);
    return { entries: matches ? [{ snapshot: toWireSnapshot(controller, found) }] : [], next_token: '' };
  }
  const source = request.source_volume_id === '' ? undefined : await findVolume(api, request.source_volume_id, context);
  if (request.source_volume_id !== '' && source === undefined) return { entries: [], next_token: '' };
  const filter =
    source === undefined ? {} : { filter: { volume: source.name, ...(source.scope === 'local' ? { node: source.node } : {}) } };
  const found = await collectPages(request.starting_token, maxEntries, async (page) => {
    const { snapshots, nextPageToken, unansweredNodes } = await api.listSnapshots({ ...filter, ...page }, context);
    if (unansweredNodes.length > 0) log.warn('snapshots listed without those of silent nodes', { nodes: unansweredNodes });
    const told = snapshots.filter((view) => snapshotIdOf(view) !== undefined && (source === undefined || view.volumeUid === source.uid));
    return { items: told.map((view) => ({ snapshot: toWireSnapshot(controller, view) })), nextPageToken };
  });
  return { entries: found.items, next_token: found.nextToken };
}

/** @throws CsiError OUT_OF_RANGE when names are too long for an id */
export function toWireSnapshot(controller: Pick<ControllerContext, 'topology' | 'options'>, view: SnapshotView): WireSnapshot {
  const id = snapshotIdOf(view);
  if (id === undefined)
    throw new CsiError('OUT_OF_RANGE', `snapshot ${view.name} on ${view.node} has too long a name for a CSI snapshot id`);
  const groupId = groupIdOf(view.name);
  return {
    snapshot_id: id,
    source_volume_id: requireVolumeId({ name: view.volume, uid: view.volumeUid, scope: view.scope, node: view.node }),
    size_bytes: String(view.sizeBytes),
    creation_time: toTimestamp(view.createdAt),
    ready_to_use: view.ready,
    ...(groupId === undefined ? {} : { group_snapshot_id: groupId }),
    ...(isAtLeast(controller.options.specLevel, '1.13') && view.scope === 'local'
      ? { accessible_topology: [{ segments: controller.topology.onlyNode(view.node) }] }
      : {}),
  };
}

/** @throws CsiError ALREADY_EXISTS when another volume has a snapshot of this name */
async function requireFreeName(api: VolumesApi, name: string, csiName: string, view: VolumeView, context: CallContext): Promise<void> {
  const page = await api.listSnapshots({ filter: { names: [name] } }, context);
  const other = page.snapshots.find((snapshot) => snapshot.volumeUid !== view.uid);
  if (other === undefined) return;
  throw new CsiError(
    'ALREADY_EXISTS',
    `snapshot ${JSON.stringify(csiName)} exists and is one of volume ${other.volume}, not of ${view.name}`,
  );
}
