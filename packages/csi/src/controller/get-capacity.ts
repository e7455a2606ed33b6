import type { CapacityView } from '@volplane/domain';
import { hasReason } from '@volplane/base';
import type { CallContext } from '@volplane/engine';
import { requireMap } from '../field-codec.js';
import type { GetCapacityRequest, GetCapacityResponse } from '../messages.js';
import { parseParameters } from '../parameters.js';
import { parseTopology } from '../topology.js';
import { parseCapabilities } from '../capability.js';
import { optionsForCapabilities } from '../driver-terms.js';
import { CsiError } from '../status.js';
import type { ControllerContext } from './context.js';
import { listAllNodes } from './placement.js';

/** GetCapacity: what the driver's storage has room for, in the topology asked for; combinations that cannot be have none. */
export async function getCapacity(
  controller: ControllerContext,
  request: GetCapacityRequest,
  context: CallContext,
): Promise<GetCapacityResponse> {
  const parameters = parseParameters(requireMap(request.parameters, 'parameters'));
  const { info: driver, nodes } = await controller.catalog.get(parameters.driver ?? controller.options.defaultDriver, context);
  if (request.volume_capabilities.length > 0) {
    try {
      optionsForCapabilities(driver, parseCapabilities(request.volume_capabilities), parameters.options);
    } catch (error) {
      if (error instanceof CsiError) return NONE;
      throw error;
    }
  }
  const segments = parseTopology(request.accessible_topology);
  if (segments === undefined) return toWire(await controller.api.getCapacity({ driver: driver.name }, context));
  const all = await listAllNodes(controller.api, context);
  const inside = all.filter(
    (node) => nodes.includes(node.name) && node.state === 'connected' && controller.topology.matches(segments, node),
  );
  const told = await Promise.all(inside.slice(0, NODES_ASKED_MAX).map((node) => ask(controller, driver.name, node.name, context)));
  const known = told.filter((view) => view !== undefined);
  if (driver.capabilities.scope === 'global') return known[0] === undefined ? NONE : toWire(known[0]);
  const roomiest = known.reduce<CapacityView | undefined>(
    (best, view) => (view.availableBytes > (best?.availableBytes ?? -1) ? view : best),
    undefined,
  );
  if (roomiest === undefined) return NONE;
  const sum = known.reduce((total, view) => total + view.availableBytes, 0);
  // A volume lives on one node: the sum is there, but no volume can be bigger than the roomiest node.
  return toWire({
    ...roomiest,
    availableBytes: sum,
    volumeBytesMax: Math.min(roomiest.volumeBytesMax ?? Infinity, roomiest.availableBytes),
  });
}

async function ask(controller: ControllerContext, driver: string, node: string, context: CallContext): Promise<CapacityView | undefined> {
  try {
    return await controller.api.getCapacity({ driver, node }, context);
  } catch (error) {
    if (hasReason(error, 'NODE_UNAVAILABLE', 'DRIVER_UNAVAILABLE')) return undefined;
    throw error;
  }
}

function toWire(view: CapacityView): GetCapacityResponse {
  return {
    available_capacity: String(view.availableBytes),
    ...(view.volumeBytesMax === undefined ? {} : { maximum_volume_size: { value: String(view.volumeBytesMax) } }),
    ...(view.volumeBytesMin === undefined ? {} : { minimum_volume_size: { value: String(view.volumeBytesMin) } }),
  };
}

const NONE: GetCapacityResponse = { available_capacity: '0' };
/** Kubernetes asks once a minute for each topology segment, which is one node or one zone. */
const NODES_ASKED_MAX = 64;
