import type { VolumeView } from '@volplane/domain';
import type { CallContext } from '@volplane/engine';
import { parseMaxEntries, requireText } from '../field-codec.js';
import { volumeIdOf } from '../ids.js';
import type { ControllerGetVolumeResponse, ListRequest, ListVolumesResponse, VolumeIdRequest } from '../messages.js';
import { toWireStatus, toWireVolume } from '../volume-codec.js';
import { getVolume } from '../volume-lookup.js';
import type { ControllerContext } from './context.js';
import { collectPages } from './pages.js';

/**
 * ListVolumes: every volume of the drivers that this door serves, whichever door made it. Local volumes with names too
 * long for an id are left out; nodes that do not answer are logged, because CSI has no word for them.
 */
export async function listVolumes(controller: ControllerContext, request: ListRequest, context: CallContext): Promise<ListVolumesResponse> {
  const maxEntries = parseMaxEntries(request.max_entries);
  const { api, options, topology, log } = controller;
  const filter = options.drivers === undefined ? {} : { filter: { drivers: options.drivers } };
  const found = await collectPages(request.starting_token, maxEntries, async (page) => {
    const { volumes, nextPageToken, unansweredNodes } = await api.listVolumes({ ...filter, ...page }, context);
    if (unansweredNodes.length > 0) log.warn('volumes listed without those of silent nodes', { nodes: unansweredNodes });
    const told = volumes.filter(isTold);
    const items = told.map((view) => ({ volume: toWireVolume(view, topology), status: toWireStatus(view, options.specLevel) }));
    return { items, nextPageToken };
  });
  return { entries: found.items, next_token: found.nextToken };
}

/** ControllerGetVolume. */
export async function controllerGetVolume(
  controller: ControllerContext,
  request: VolumeIdRequest,
  context: CallContext,
): Promise<ControllerGetVolumeResponse> {
  requireText(request.volume_id, 'volume_id');
  const view = await getVolume(controller.api, request.volume_id, context);
  return { volume: toWireVolume(view, controller.topology), status: toWireStatus(view, controller.options.specLevel) };
}

/** Volumes that are only being made are nobody's yet. */
function isTold(view: VolumeView): boolean {
  return view.phase !== 'creating' && volumeIdOf(view) !== undefined;
}
