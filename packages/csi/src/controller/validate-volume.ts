import type { CallContext } from '@volplane/engine';
import { allowsMode, parseCapabilities } from '../capability.js';
import { capabilityFault } from '../driver-terms.js';
import { requireText } from '../field-codec.js';
import type { ValidateRequest, ValidateResponse } from '../messages.js';
import { getVolume } from '../volume-lookup.js';
import type { ControllerContext } from './context.js';

/** ValidateVolumeCapabilities: confirms all or nothing, and echoes the request (Nomad compares field by field). */
export async function validateVolume(
  controller: ControllerContext,
  request: ValidateRequest,
  context: CallContext,
): Promise<ValidateResponse> {
  requireText(request.volume_id, 'volume_id');
  const capabilities = parseCapabilities(request.volume_capabilities);
  const view = await getVolume(controller.api, request.volume_id, context);
  const drivers = await controller.catalog.list(context);
  const driver = drivers.find((offered) => offered.info.name === view.driver)?.info;
  for (const capability of capabilities) {
    const fault = allowsMode(view.accessMode, capability.mode)
      ? capabilityFault(view, driver, capability)
      : `volume ${view.name} is ${view.accessMode}, which does not allow ${capability.mode}`;
    if (fault !== undefined) return { message: fault };
  }
  const { volume_context, volume_capabilities, parameters, mutable_parameters } = request;
  return { confirmed: { volume_context, volume_capabilities, parameters, mutable_parameters }, message: '' };
}
