import type { CallContext } from '@volplane/engine';
import { parseSizeRange, requireText } from '../field-codec.js';
import type { ExpandRequest } from '../messages.js';
import { CsiError } from '../status.js';
import { getVolume, refOf } from '../volume-lookup.js';
import type { ControllerContext } from './context.js';

/** ControllerExpandVolume: the owner's agent grows the volume and its file system, mounted or not, so no node step is left. */
export async function expandVolume(
  controller: ControllerContext,
  request: ExpandRequest,
  context: CallContext,
): Promise<{ readonly capacity_bytes: string; readonly node_expansion_required: boolean }> {
  requireText(request.volume_id, 'volume_id');
  const { requiredBytes, limitBytes } = parseSizeRange(request.capacity_range);
  const wanted = requiredBytes ?? limitBytes;
  if (wanted === undefined) throw new CsiError('INVALID_ARGUMENT', 'capacity_range is missing');
  const view = await getVolume(controller.api, request.volume_id, context);
  const present = view.sizeBytes ?? 0;
  if (limitBytes !== undefined && present > limitBytes) {
    throw new CsiError('OUT_OF_RANGE', `volume ${view.name} has ${present} bytes and is never shrunk, the limit is ${limitBytes}`);
  }
  const grown = present >= wanted ? view : await controller.api.expandVolume({ ...refOf(view), sizeBytes: wanted }, context);
  return { capacity_bytes: String(grown.sizeBytes ?? wanted), node_expansion_required: false };
}
