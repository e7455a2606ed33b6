import type { VolumeView } from '@volplane/domain';
import type { CallContext } from '@volplane/engine';
import type { MountEntry } from '@volplane/host';
import { isBlock } from '../driver-terms.js';
import { parseSizeRange, requireText } from '../field-codec.js';
import type { NodeExpandRequest, NodeHealthRequest, NodeStatsRequest, NodeStatsResponse, WireVolumeHealth } from '../messages.js';
import { pathKey, publishesOf, stagesOf } from '../mount-ids.js';
import { isAtLeast } from '../spec-level.js';
import { CsiError } from '../status.js';
import { conditionOf, recordProblems, toWireHealth, type HealthProblem } from '../volume-health.js';
import type { NodeContext } from './context.js';
import type { Room } from './node-host.js';
import { getHere, refHere, requirePath } from './node-volume.js';

/** NodeGetVolumeStats: of any place where this node uses the volume. */
export async function volumeStats(node: NodeContext, request: NodeStatsRequest, context: CallContext): Promise<NodeStatsResponse> {
  requireText(request.volume_id, 'volume_id');
  requirePath(request.volume_path, 'volume_path');
  const view = await getHere(node, request.volume_id, context);
  const path = requirePlace(view, request.volume_path);
  const condition = isAtLeast(node.options.specLevel, '1.13')
    ? {}
    : { volume_condition: conditionOf(view, await problemsHere(node, view)) };
  if (isBlock(view)) {
    const total = BigInt(view.sizeBytes ?? 0);
    return { usage: [toUsage({ total, used: 0n, available: 0n }, UNITS.BYTES)], ...condition };
  }
  const { bytes, inodes } = await node.host.usage(path);
  return { usage: [toUsage(bytes, UNITS.BYTES), toUsage(inodes, UNITS.INODES)], ...condition };
}

/** NodeExpandVolume: growing was done with the controller's call, mounted or not; a caller that skipped it is served here. */
export async function expandVolume(
  node: NodeContext,
  request: NodeExpandRequest,
  context: CallContext,
): Promise<{ readonly capacity_bytes: string }> {
  requireText(request.volume_id, 'volume_id');
  requirePath(request.volume_path, 'volume_path');
  const { requiredBytes = 0, limitBytes } = parseSizeRange(request.capacity_range);
  const view = await getHere(node, request.volume_id, context);
  requirePlace(view, request.volume_path);
  const present = view.sizeBytes ?? 0;
  if (limitBytes !== undefined && present > limitBytes) {
    throw new CsiError('OUT_OF_RANGE', `volume ${view.name} has ${present} bytes and is never shrunk, the limit is ${limitBytes}`);
  }
  const grown =
    present >= requiredBytes ? view : await node.api.expandVolume({ ...refHere(node, view), sizeBytes: requiredBytes }, context);
  return { capacity_bytes: String(grown.sizeBytes ?? requiredBytes) };
}

/** NodeGetVolumeHealth (from CSI 1.13). */
export async function volumeHealth(
  node: NodeContext,
  request: NodeHealthRequest,
  context: CallContext,
): Promise<{ readonly volume_health: WireVolumeHealth }> {
  requireText(request.volume_id, 'volume_id');
  const view = await getHere(node, request.volume_id, context);
  return { volume_health: toWireHealth(view, await problemsHere(node, view)) };
}

/** What the kernel's mount table tells of the targets of this volume. */
async function problemsHere(node: NodeContext, view: VolumeView): Promise<readonly HealthProblem[]> {
  const published = publishesOf(view.mountIds ?? []);
  if (published.length === 0) return recordProblems(view);
  const table = await node.host.table();
  const problems = published.map((use) =>
    targetProblem(
      view,
      table.find((entry) => pathKey(entry.target) === use.path),
    ),
  );
  const known = problems.filter((problem) => problem !== undefined);
  return [...recordProblems(view), ...new Map(known.map((problem) => [problem.reason, problem])).values()];
}

function targetProblem(view: VolumeView, entry: MountEntry | undefined): HealthProblem | undefined {
  if (entry === undefined) {
    return { status: 'INACCESSIBLE', reason: 'TargetNotMounted', message: `a target of volume ${view.name} is no longer mounted` };
  }
  if (entry.superOptions.includes('shutdown')) {
    return {
      status: 'INACCESSIBLE',
      reason: 'Aborted',
      message: `volume ${view.name} was taken away from this node; its mount answers nothing but errors`,
    };
  }
  if (entry.superOptions.includes('emergency_ro')) {
    return {
      status: 'DEGRADED',
      reason: 'ErrorsReadOnly',
      message: `the file system of volume ${view.name} went read-only after an error`,
    };
  }
  return undefined;
}

/** @throws CsiError NOT_FOUND when the volume is not at the path */
function requirePlace(view: VolumeView, path: string): string {
  const ids = view.mountIds ?? [];
  const key = pathKey(path.replace(/(.)\/+$/, '$1'));
  if (publishesOf(ids).some((use) => use.path === key)) return path;
  // Nothing is mounted at a staging path: the driver's own mount stands for it.
  if (view.path !== undefined && (view.path === path || stagesOf(ids).some((use) => use.path === key))) return view.path;
  throw new CsiError('NOT_FOUND', `volume ${view.name} is not at ${JSON.stringify(path)} on this node`);
}

function toUsage(
  room: Room,
  unit: number,
): { readonly total: string; readonly used: string; readonly available: string; readonly unit: number } {
  return { total: String(room.total), used: String(room.used), available: String(room.available), unit };
}

/** VolumeUsage.Unit of csi.proto. */
const UNITS = { BYTES: 1, INODES: 2 } as const;
