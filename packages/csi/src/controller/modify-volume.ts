import type { CallContext } from '@volplane/engine';
import { requireMap, requireText } from '../field-codec.js';
import type { ModifyRequest } from '../messages.js';
import { parseChanges } from '../parameters.js';
import { CsiError } from '../status.js';
import { getVolume, refOf } from '../volume-lookup.js';
import type { ControllerContext } from './context.js';

/** ControllerModifyVolume: sets labels and the takeover policy; what is not named stays as it is. */
export async function modifyVolume(controller: ControllerContext, request: ModifyRequest, context: CallContext): Promise<object> {
  requireText(request.volume_id, 'volume_id');
  if (Object.keys(request.mutable_parameters).length === 0) throw new CsiError('INVALID_ARGUMENT', 'mutable_parameters is empty');
  requireMap(request.mutable_parameters, 'mutable_parameters');
  const view = await getVolume(controller.api, request.volume_id, context);
  const { labels, takeover } = parseChanges(request.mutable_parameters);
  const changes = { set: labels, drop: [], ...(takeover === undefined ? {} : { takeover }) };
  await controller.api.updateLabels({ ...refOf(view), ...changes }, context);
  return {};
}
