import type { NodeView, VolumeView } from '@volplane/domain';
import type { CallContext } from '@volplane/engine';
import { hasReason } from '@volplane/base';
import { allowsMode, mountModeOf, parseCapability } from '../capability.js';
import { requireMap, requireText, TEXT_BYTES_MAX } from '../field-codec.js';
import type { ControllerPublishRequest } from '../messages.js';
import { attachId, isCsiId } from '../mount-ids.js';
import { maxVolumesOf } from '../options.js';
import { CsiError } from '../status.js';
import { getVolume, hiddenBy, refOf } from '../volume-lookup.js';
import type { ControllerContext } from './context.js';

/**
 * ControllerPublishVolume: the node's agent claims the volume and mounts it, exactly as for every other door; from then on
 * nobody else gets it. The access type of the request is not compared: Swarm sends an empty mount for every volume.
 */
export async function publishVolume(
  controller: ControllerContext,
  request: ControllerPublishRequest,
  context: CallContext,
): Promise<{ readonly publish_context: Readonly<Record<string, string>> }> {
  requireText(request.volume_id, 'volume_id');
  requireText(request.node_id, 'node_id', 2 * TEXT_BYTES_MAX);
  const capability = parseCapability(request.volume_capability);
  requireMap(request.volume_context, 'volume_context');
  const asked = {
    meant: getVolume(controller.api, request.volume_id, context),
    node: getNode(controller, request.node_id, context),
    view: getVolume(controller.api, request.volume_id, context, request.node_id),
  };
  // Asked at once, told in their order: an unknown volume before an unknown node, whichever answered sooner.
  await Promise.allSettled(Object.values(asked));
  const meant = await asked.meant;
  const node = await asked.node;
  const view = await asked.view;
  if (view.uid !== meant.uid) throw hiddenBy(view);
  if (view.scope === 'local' && view.node !== node.name) {
    throw new CsiError('FAILED_PRECONDITION', `volume ${view.name} lives on node ${view.node} and cannot be used on ${node.name}`);
  }
  if (!allowsMode(view.accessMode, capability.mode)) {
    throw new CsiError('FAILED_PRECONDITION', `volume ${view.name} is ${view.accessMode}, which does not allow ${capability.mode}`);
  }
  const mode = mountModeOf(capability, view.accessMode, request.readonly);
  requireSameMode(view, node, attachId(mode));
  await requireRoom(controller, view, node, context);
  await controller.api.mountVolume({ ...refOf(view), node: node.name, mountId: attachId(mode), mode }, context);
  return { publish_context: {} };
}

async function getNode(controller: ControllerContext, id: string, context: CallContext): Promise<NodeView> {
  try {
    return await controller.api.getNode({ name: id }, context);
  } catch (error) {
    if (hasReason(error, 'NODE_NOT_FOUND', 'INVALID_NAME')) throw new CsiError('NOT_FOUND', `no node has the id ${JSON.stringify(id)}`);
    throw error;
  }
}

/** @throws CsiError ALREADY_EXISTS when it is published there the other way */
function requireSameMode(view: VolumeView, node: NodeView, wanted: string): void {
  const other = wanted === attachId('rw') ? attachId('ro') : attachId('rw');
  const ids: readonly string[] = view.mountIds ?? view.attachments.filter((held) => held.node === node.name).map((held) => held.claimedFor);
  if (!ids.includes(other)) return;
  throw new CsiError(
    'ALREADY_EXISTS',
    `volume ${view.name} is published on ${node.name} ${other === attachId('ro') ? 'read-only' : 'for writing'} already`,
  );
}

/** @throws CsiError RESOURCE_EXHAUSTED when the node has as many volumes as it takes */
async function requireRoom(controller: ControllerContext, view: VolumeView, node: NodeView, context: CallContext): Promise<void> {
  const limit = maxVolumesOf(node.labels);
  if (limit === 0 || (view.mountIds ?? []).some(isCsiId)) return;
  const page = await controller.api.listVolumes(
    { filter: { node: node.name, dangling: false }, pageSize: Math.min(PAGE_MAX, limit + 1), stale: true },
    context,
  );
  if (page.volumes.filter((other) => other.uid !== view.uid).length < limit) return;
  throw new CsiError('RESOURCE_EXHAUSTED', `node ${node.name} uses ${limit} volumes, as many as it takes; unpublish one of them first`);
}

const PAGE_MAX = 1_000;
