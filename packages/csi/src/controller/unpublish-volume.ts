import { hasReason } from '@volplane/base';
import type { VolumeView } from '@volplane/domain';
import type { CallContext } from '@volplane/engine';
import { requireText } from '../field-codec.js';
import type { ControllerUnpublishRequest } from '../messages.js';
import { parseVolumeId } from '../ids.js';
import { attachId, publishesOf, stagesOf } from '../mount-ids.js';
import { CsiError } from '../status.js';
import { findVolume, refOf } from '../volume-lookup.js';
import type { ControllerContext } from './context.js';

/**
 * ControllerUnpublishVolume: the node's agent takes this door's uses out and releases the volume when no other is left.
 *
 * Unknown volume, or not attached: fine. A node that is gone cannot release: the call then succeeds on evidence only
 * (storage fence, or the end of a session under the `lease` policy), and otherwise says what would free the volume.
 */
export async function unpublishVolume(
  controller: ControllerContext,
  request: ControllerUnpublishRequest,
  context: CallContext,
): Promise<object> {
  requireText(request.volume_id, 'volume_id');
  for (const node of await nodesOf(controller, request, context)) {
    // One after the other: the first that fails is told, the rest come with the repeated call.
    await detach(controller, request.volume_id, node, context);
  }
  return {};
}

/** Where to detach; no node named = wherever it is attached. A local volume is on its own node or nowhere. */
async function nodesOf(
  controller: ControllerContext,
  request: ControllerUnpublishRequest,
  context: CallContext,
): Promise<readonly string[]> {
  const home = parseVolumeId(request.volume_id)?.node;
  if (home !== undefined) return request.node_id === '' || request.node_id === home ? [home] : [];
  const view = await findVolume(controller.api, request.volume_id, context);
  if (view === undefined) return [];
  if (request.node_id !== '') return [request.node_id];
  return view.scope === 'local' ? [view.node] : view.attachments.map((attachment) => attachment.node);
}

async function detach(controller: ControllerContext, id: string, node: string, context: CallContext): Promise<void> {
  try {
    // Also when no attachment is recorded: the agent alone knows of a claim that is on its way.
    const view = await findVolume(controller.api, id, context, node);
    if (view === undefined) return;
    requireUnpublished(view, node);
    await releaseOn(controller, view, node, context);
  } catch (error) {
    if (hasReason(error, 'NODE_NOT_FOUND', 'INVALID_NAME')) return;
    if (!hasReason(error, 'NODE_UNAVAILABLE', 'NODE_LOST', 'UNKNOWN_OUTCOME')) throw error;
    await detachGone(controller, id, node, error, context);
  }
}

/** Takes out what this door knows of attaching and staging, by all names that it may have. */
export async function releaseOn(controller: ControllerContext, view: VolumeView, node: string, context: CallContext): Promise<void> {
  const staged = stagesOf(view.mountIds ?? []).map((use) => use.id);
  for (const mountId of [...staged, attachId('rw'), attachId('ro')]) {
    if (view.mountIds !== undefined && !view.mountIds.some((id) => id === mountId)) continue;
    // One after the other: they are handled one at a time there.
    await controller.api.unmountVolume({ ...refOf(view), node, mountId }, context);
  }
}

/**
 * A target that is still published holds the file system: to say "detached" would let another node write beside it.
 * Swarm and Kubernetes do call in this order when they have lost track; they repeat.
 */
function requireUnpublished(view: VolumeView, node: string): void {
  const targets = publishesOf(view.mountIds ?? []);
  if (targets.length === 0) return;
  const named = targets.map((use) => use.id.split(':').slice(5).join(':')).slice(0, TARGETS_NAMED_MAX);
  throw new CsiError(
    'FAILED_PRECONDITION',
    `volume ${view.name} is still published on ${node} at ${named.join(', ')}; it is detached once these are unpublished`,
  );
}

async function detachGone(controller: ControllerContext, id: string, node: string, cause: unknown, context: CallContext): Promise<void> {
  const { api } = controller;
  const { state } = await api.getNode({ name: node }, context);
  // It has a session: it may answer in a moment.
  if (state === 'connected' || state === 'silent') throw cause;
  const view = await findRecord(controller, id, node, context);
  if (view === undefined || !view.attachments.some((attachment) => attachment.node === node)) return;
  try {
    await api.releaseGone({ name: view.name, node }, context);
  } catch (error) {
    if (!hasReason(error, 'VOLUME_HELD', 'TAKEOVER_BRAKE', 'UNGUARDED', 'CAPABILITY_MISSING')) throw error;
    const text = `volume ${view.name} may still be in use on node ${node}, which is ${state}, and there is no evidence that it is not: ${error.message}`;
    throw new CsiError('FAILED_PRECONDITION', text, error);
  }
}

/** The record of a global volume; a local one of a node that is gone is on that node and nowhere else. */
async function findRecord(controller: ControllerContext, id: string, node: string, context: CallContext): Promise<VolumeView | undefined> {
  try {
    return await findVolume(controller.api, id, context);
  } catch (error) {
    if (!hasReason(error, 'NODE_UNAVAILABLE')) throw error;
    const text = `the volume lives on node ${node}, which is gone, and no other node can reach it: it is detached when the node is back`;
    throw new CsiError('FAILED_PRECONDITION', text, error);
  }
}

const TARGETS_NAMED_MAX = 3;
