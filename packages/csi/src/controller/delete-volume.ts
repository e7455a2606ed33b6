import type { CallContext } from '@volplane/engine';
import { hasReason } from '@volplane/base';
import { requireText } from '../field-codec.js';
import type { VolumeIdRequest } from '../messages.js';
import { isCsiId, publishesOf } from '../mount-ids.js';
import { CsiError } from '../status.js';
import { findVolume, refOf } from '../volume-lookup.js';
import type { ControllerContext } from './context.js';
import { releaseOn } from './unpublish-volume.js';

/**
 * DeleteVolume: destroys the data. Gone already: fine. Snapshots live inside their volume, so they are removed first, by
 * whoever made them. What callers forgot to detach or unstage is no obstacle; what somebody uses is.
 */
export async function deleteVolume(controller: ControllerContext, request: VolumeIdRequest, context: CallContext): Promise<object> {
  requireText(request.volume_id, 'volume_id');
  const view = await findVolume(controller.api, request.volume_id, context);
  if (view === undefined) return {};
  const snapshots = Object.keys(view.snapshots ?? {});
  if (snapshots.length > 0) {
    const named = snapshots.slice(0, NAMED_MAX).join(', ');
    throw new CsiError(
      'FAILED_PRECONDITION',
      `volume ${view.name} has ${snapshots.length} snapshots that live inside it (${named}); delete them first`,
    );
  }
  const nodes = view.scope === 'local' ? [view.node] : view.attachments.map((attachment) => attachment.node);
  // Swarm deletes without unstaging. Uses by targets and by other doors stay, and the remove then names them.
  await Promise.all(nodes.slice(0, NODES_AT_ONCE_MAX).map((node) => releaseForgotten(controller, request.volume_id, node, context)));
  try {
    await controller.api.removeVolume({ ...refOf(view), uid: view.uid }, context);
  } catch (error) {
    if (!hasReason(error, 'VOLUME_NOT_FOUND')) throw error;
  }
  return {};
}

async function releaseForgotten(controller: ControllerContext, id: string, node: string, context: CallContext): Promise<void> {
  try {
    const view = await findVolume(controller.api, id, context, node);
    const ids = view?.mountIds ?? [];
    if (view === undefined || publishesOf(ids).length > 0 || !ids.every(isCsiId)) return;
    await releaseOn(controller, view, node, context);
  } catch (error) {
    // The remove decides: it is refused while the node holds the volume, and says so.
    controller.log.debug('forgotten use could not be released', { volume: id, node, error });
  }
}

const NAMED_MAX = 5;
/** A volume that is deleted is on a node or two at most. */
const NODES_AT_ONCE_MAX = 16;
