import type { CallContext } from '@volplane/engine';
import { mountModeOf, parseCapability } from '../capability.js';
import { requireMap, requireText } from '../field-codec.js';
import type { NodeStageRequest, NodeUnstageRequest } from '../messages.js';
import { parseUse, pathKey, publishesOf, stageId, stagesOf, type StageUse } from '../mount-ids.js';
import { CsiError } from '../status.js';
import type { NodeContext } from './context.js';
import { findInUse, getHere, refHere, requireAbsolute, requireCapability, requirePath } from './node-volume.js';
import { dropStale } from './stale-uses.js';

/**
 * NodeStageVolume: the agent holds and mounts the volume for the staging path. Nothing is mounted at the path itself, so
 * that it never keeps a file system busy that the agent has to release; targets show the driver's own mount.
 */
export async function stageVolume(node: NodeContext, request: NodeStageRequest, context: CallContext): Promise<object> {
  requireText(request.volume_id, 'volume_id');
  requirePath(request.staging_target_path, 'staging_target_path');
  const capability = parseCapability(request.volume_capability);
  requireMap(request.volume_context, 'volume_context');
  const view = await getHere(node, request.volume_id, context);
  const staging = requireAbsolute(request.staging_target_path, 'staging_target_path');
  await requireCapability(node, view, capability, context);
  const id = stageId(staging, capability);
  const present = findStage(view.mountIds ?? [], staging);
  if (present !== undefined && present.terms !== parseUse(id)?.terms) {
    throw new CsiError('ALREADY_EXISTS', `volume ${view.name} is staged at ${staging} with another capability`);
  }
  // Swarm makes no staging folder.
  await node.host.ensureFolder(staging);
  const mode = mountModeOf(capability, view.accessMode, false);
  await node.api.mountVolume({ ...refHere(node, view), mountId: id, mode }, context);
  return {};
}

/** NodeUnstageVolume: not staged, or no such volume: fine. Refused while a target that was published from the path is mounted. */
export async function unstageVolume(node: NodeContext, request: NodeUnstageRequest, context: CallContext): Promise<object> {
  requireText(request.volume_id, 'volume_id');
  requirePath(request.staging_target_path, 'staging_target_path');
  const found = await findInUse(node, request.volume_id, context);
  if (found === undefined) return {};
  const staging = requireAbsolute(request.staging_target_path, 'staging_target_path');
  const view = await dropStale(node, found, context);
  const published = publishesOf(view.mountIds ?? []).filter((use) => use.staging === pathKey(staging));
  if (published.length > 0) {
    throw new CsiError(
      'FAILED_PRECONDITION',
      `volume ${view.name} is published at ${published.length} targets from ${staging}; unpublish them first`,
    );
  }
  const staged = findStage(view.mountIds ?? [], staging);
  if (staged !== undefined) await node.api.unmountVolume({ ...refHere(node, view), mountId: staged.id }, context);
  return {};
}

function findStage(ids: readonly string[], staging: string): StageUse | undefined {
  return stagesOf(ids).find((use) => use.path === pathKey(staging));
}
