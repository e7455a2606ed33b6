import type { SnapshotView, VolumeView } from '@volplane/domain';
import type { CallContext } from '@volplane/engine';
import { requireMap, requireName, requireText } from '../field-codec.js';
import { groupIdFor, groupMemberName } from '../ids.js';
import type { CreateGroupRequest, GroupIdRequest, WireGroupSnapshot } from '../messages.js';
import { CsiError } from '../status.js';
import { getVolume } from '../volume-lookup.js';
import type { ControllerContext } from './context.js';
import { dropSnapshot, takeSnapshot, toWireSnapshot } from './snapshots.js';

/**
 * CreateVolumeGroupSnapshot: snapshots of several volumes at one point in the order of their writes.
 *
 * Volplane cannot hold the writers of several volumes at once, but it knows when there are none: nobody had any of the
 * volumes attached before the first cut, and the epochs say that nobody could write until after the last one. Everything
 * else is refused with FAILED_PRECONDITION. A group of one volume is a snapshot.
 */
export async function createGroupSnapshot(
  controller: ControllerContext,
  request: CreateGroupRequest,
  context: CallContext,
): Promise<{ readonly group_snapshot: WireGroupSnapshot }> {
  const id = groupIdFor(requireName(request.name, 'name'));
  const sourceIds = requireSources(request);
  requireMap(request.parameters, 'parameters');
  const volumes = await Promise.all(sourceIds.map((sourceId) => getVolume(controller.api, sourceId, context)));
  const present = await membersOf(controller, id, context);
  if (present.some((member) => !volumes.some((view) => view.uid === member.volumeUid))) {
    throw new CsiError('ALREADY_EXISTS', `group snapshot ${JSON.stringify(request.name)} exists and is one of other volumes`);
  }
  if (present.length === volumes.length) return { group_snapshot: toWireGroup(controller, id, present) };
  if (volumes.length > 1) volumes.forEach(requireQuiet);
  // What a crash has left was not cut together with the rest.
  await dropAll(controller, present, context);
  const members = await Promise.all(volumes.map((view) => takeSnapshot(controller, view, groupMemberName(id, view.uid), context)));
  if (volumes.length > 1) await requireStillQuiet(controller, sourceIds, volumes, members, context);
  return { group_snapshot: toWireGroup(controller, id, members) };
}

/** DeleteVolumeGroupSnapshot: deletes the members; unknown is fine. */
export async function deleteGroupSnapshot(controller: ControllerContext, request: GroupIdRequest, context: CallContext): Promise<object> {
  const members = await requireMembers(controller, request, context);
  await dropAll(controller, members, context);
  return {};
}

/** GetVolumeGroupSnapshot. */
export async function getGroupSnapshot(
  controller: ControllerContext,
  request: GroupIdRequest,
  context: CallContext,
): Promise<{ readonly group_snapshot: WireGroupSnapshot }> {
  const members = await requireMembers(controller, request, context);
  if (members.length === 0) throw new CsiError('NOT_FOUND', `no group snapshot has the id ${JSON.stringify(request.group_snapshot_id)}`);
  return { group_snapshot: toWireGroup(controller, request.group_snapshot_id, members) };
}

function requireSources(request: CreateGroupRequest): readonly string[] {
  const ids = request.source_volume_ids;
  if (ids.length === 0) throw new CsiError('INVALID_ARGUMENT', 'source_volume_ids is empty');
  if (ids.length > MEMBERS_MAX)
    throw new CsiError('INVALID_ARGUMENT', `source_volume_ids has ${ids.length} volumes, at most ${MEMBERS_MAX} are allowed`);
  for (const id of ids) requireText(id, 'source_volume_ids');
  if (new Set(ids).size < ids.length) throw new CsiError('INVALID_ARGUMENT', 'source_volume_ids names a volume twice');
  return ids;
}

/** The members; none for an unknown id, whatever members the caller believes in. @throws CsiError INVALID_ARGUMENT when they differ */
async function requireMembers(
  controller: ControllerContext,
  request: GroupIdRequest,
  context: CallContext,
): Promise<readonly SnapshotView[]> {
  const id = requireText(request.group_snapshot_id, 'group_snapshot_id');
  const members = await membersOf(controller, id, context);
  const asked = request.snapshot_ids;
  if (members.length === 0 || asked.length === 0) return members;
  const present = members.map((member) => toWireSnapshot(controller, member).snapshot_id);
  if (asked.length === present.length && asked.every((snapshotId) => present.includes(snapshotId))) return members;
  throw new CsiError('INVALID_ARGUMENT', `snapshot_ids are not the members of group snapshot ${id}`);
}

async function membersOf(controller: ControllerContext, id: string, context: CallContext): Promise<readonly SnapshotView[]> {
  const page = await controller.api.listSnapshots({ filter: { namePrefix: `${id}.` }, pageSize: 1_000 }, context);
  return page.snapshots;
}

async function dropAll(controller: ControllerContext, members: readonly SnapshotView[], context: CallContext): Promise<void> {
  await Promise.all(members.map((member) => dropSnapshot(controller.api, member, context)));
}

function requireQuiet(view: VolumeView): void {
  if (view.scope === 'local') {
    throw new CsiError(
      'FAILED_PRECONDITION',
      `volume ${view.name} is local to ${view.node}: whether somebody writes to it between two cuts cannot be told`,
    );
  }
  if (view.attachments.length === 0) return;
  const nodes = view.attachments.map((attachment) => attachment.node).join(', ');
  throw new CsiError(
    'FAILED_PRECONDITION',
    `volume ${view.name} is attached on ${nodes}; several volumes are cut together only while nobody has them attached`,
  );
}

async function requireStillQuiet(
  controller: ControllerContext,
  ids: readonly string[],
  before: readonly VolumeView[],
  members: readonly SnapshotView[],
  context: CallContext,
): Promise<void> {
  const after = await Promise.all(ids.map((id) => getVolume(controller.api, id, context)));
  const moved = after.find((view, index) => view.attachments.length > 0 || view.epoch !== before[index]?.epoch);
  if (moved === undefined) return;
  await dropAll(controller, members, context);
  throw new CsiError('ABORTED', `volume ${moved.name} was attached while the group was cut; the cuts were dropped, repeat the call`);
}

function toWireGroup(controller: ControllerContext, id: string, members: readonly SnapshotView[]): WireGroupSnapshot {
  const snapshots = members.map((member) => toWireSnapshot(controller, member));
  const [first] = snapshots;
  return {
    group_snapshot_id: id,
    snapshots,
    creation_time: first?.creation_time ?? { seconds: '0', nanos: 0 },
    ready_to_use: snapshots.every((snapshot) => snapshot.ready_to_use),
  };
}

/** Every member is a command to an agent at the same moment. */
const MEMBERS_MAX = 32;
