import { hasReason } from '@volplane/base';
import type { CreateVolumeRequest as ApiRequest, DriverInfo, NodeView, StringMap, VolumeView } from '@volplane/domain';
import type { CallContext } from '@volplane/engine';
import { allowsMode, chooseAccessMode, parseCapabilities, type Capability } from '../capability.js';
import { optionsForCapabilities } from '../driver-terms.js';
import { parseSizeRange, requireMap, requireName, type SizeRange } from '../field-codec.js';
import { internalName } from '../ids.js';
import { labelDifference, LABELS } from '../labels.js';
import type { CreateVolumeRequest, WireVolume } from '../messages.js';
import { parseChanges, parseParameters, type Parameters } from '../parameters.js';
import { CsiError } from '../status.js';
import { parseRequirement, type Requirement } from '../topology.js';
import { toSourceLabel, toTopologyLabel, toWireVolume } from '../volume-codec.js';
import { findSource, type ContentSource } from './content-source.js';
import type { ControllerContext } from './context.js';
import { choosePlaces, listAllNodes } from './placement.js';

/** What is wanted, once every field has been read. */
interface Wanted {
  readonly name: string;
  readonly csiName: string;
  readonly driver: DriverInfo;
  readonly capabilities: readonly Capability[];
  readonly range: SizeRange;
  readonly parameters: Parameters;
  readonly options: StringMap;
  readonly labels: StringMap;
  readonly requirement: Requirement | undefined;
  readonly source: ContentSource | undefined;
}

/** CreateVolume: the name is the key; the same again returns the volume, anything else under the name is ALREADY_EXISTS. */
export async function createVolume(
  controller: ControllerContext,
  request: CreateVolumeRequest,
  context: CallContext,
): Promise<{ readonly volume: WireVolume }> {
  const wanted = await parseWanted(controller, request, context);
  const existing = await findExisting(controller, wanted, context);
  if (existing !== undefined) {
    requireSame(existing, wanted);
    await requireReachable(controller, existing, wanted, context);
  }
  const view = existing?.phase === 'ready' ? existing : await make(controller, wanted, existing, context);
  return { volume: toWireVolume(view, controller.topology) };
}

async function parseWanted(controller: ControllerContext, request: CreateVolumeRequest, context: CallContext): Promise<Wanted> {
  const csiName = requireName(request.name, 'name');
  const capabilities = parseCapabilities(request.volume_capabilities);
  const range = parseSizeRange(request.capacity_range);
  const changes = parseChanges(requireMap(request.mutable_parameters, 'mutable_parameters'));
  const parsed = parseParameters(requireMap(request.parameters, 'parameters'));
  const parameters = changes.takeover === undefined ? parsed : { ...parsed, takeover: changes.takeover };
  const { info: driver } = await controller.catalog.get(parameters.driver ?? controller.options.defaultDriver, context);
  const name = internalName(csiName);
  const source = await findSource(controller, request.volume_content_source, driver, context);
  const bound = Object.keys(parameters.topology).length > 0;
  return {
    name,
    csiName,
    driver,
    capabilities,
    range: source === undefined ? range : rangeFromSource(range, source, driver),
    parameters,
    options: optionsForCapabilities(driver, capabilities, parameters.options),
    labels: {
      ...parameters.labels,
      ...changes.labels,
      ...(name === csiName ? {} : { [LABELS.name]: csiName }),
      ...(request.volume_content_source === null || source === undefined
        ? {}
        : { [LABELS.source]: toSourceLabel(request.volume_content_source) }),
      ...(bound ? { [LABELS.topology]: toTopologyLabel(parameters.topology) } : {}),
    },
    requirement: parseRequirement(request.accessibility_requirements),
    source,
  };
}

/** A copy is never smaller than its source; a bigger one needs a driver that can grow it. */
function rangeFromSource(range: SizeRange, source: ContentSource, driver: DriverInfo): SizeRange {
  const { sizeBytes } = source;
  if (sizeBytes === undefined || !driver.capabilities.size) return range;
  if (range.limitBytes !== undefined && range.limitBytes < sizeBytes) {
    throw new CsiError('OUT_OF_RANGE', `the source has ${sizeBytes} bytes, the limit is ${range.limitBytes}`);
  }
  if ((range.requiredBytes ?? 0) > sizeBytes && !driver.capabilities.expand) {
    throw new CsiError('OUT_OF_RANGE', `the source has ${sizeBytes} bytes and driver ${driver.name} cannot make a bigger copy`);
  }
  return { ...range, requiredBytes: Math.max(range.requiredBytes ?? 0, sizeBytes) };
}

async function findExisting(controller: ControllerContext, wanted: Wanted, context: CallContext): Promise<VolumeView | undefined> {
  if (wanted.driver.capabilities.scope === 'global') {
    try {
      return await controller.api.getVolume({ name: wanted.name }, context);
    } catch (error) {
      if (hasReason(error, 'VOLUME_NOT_FOUND')) return undefined;
      throw error;
    }
  }
  const page = await controller.api.listVolumes({ filter: { names: [wanted.name], scope: 'local' } }, context);
  const [view] = page.volumes.filter((found) => found.driver === wanted.driver.name);
  return view;
}

/** @throws CsiError ALREADY_EXISTS when the volume is not what is wanted */
function requireSame(view: VolumeView, wanted: Wanted): void {
  const difference = differenceOf(view, wanted);
  if (difference !== undefined)
    throw new CsiError('ALREADY_EXISTS', `volume ${JSON.stringify(wanted.csiName)} exists and differs: ${difference}`);
}

/** @throws CsiError ALREADY_EXISTS when the volume lives outside of the topology that is asked for */
async function requireReachable(controller: ControllerContext, view: VolumeView, wanted: Wanted, context: CallContext): Promise<void> {
  const terms = wanted.requirement?.requisite ?? [];
  if (view.scope === 'global' || terms.length === 0) return;
  const node = await controller.api.getNode({ name: view.node }, context);
  if (terms.some((term) => controller.topology.matches(term, node))) return;
  throw new CsiError(
    'ALREADY_EXISTS',
    `volume ${JSON.stringify(wanted.csiName)} exists on node ${view.node}, outside of the topology that is asked for`,
  );
}

function differenceOf(view: VolumeView, wanted: Wanted): string | undefined {
  if (view.driver !== wanted.driver.name) return `its driver is ${view.driver}, asked for ${wanted.driver.name}`;
  for (const key of new Set([...Object.keys(view.options), ...Object.keys(wanted.options)])) {
    // Values of options can be secrets of somebody else: only the key is told.
    if (view.options[key] !== wanted.options[key]) return `parameter ${key} has another value`;
  }
  const { requiredBytes = 0, limitBytes = Infinity } = wanted.range;
  if (view.sizeBytes !== undefined && (view.sizeBytes < requiredBytes || view.sizeBytes > limitBytes)) {
    return `it has ${view.sizeBytes} bytes, asked for ${requiredBytes} to ${limitBytes}`;
  }
  const refused = wanted.capabilities.find((capability) => !allowsMode(view.accessMode, capability.mode));
  if (refused !== undefined) return `its access mode ${view.accessMode} does not allow ${refused.mode}`;
  return labelDifference(view, wanted.labels);
}

/** Makes it, or joins a create of the same that is under way. */
async function make(
  controller: ControllerContext,
  wanted: Wanted,
  begun: VolumeView | undefined,
  context: CallContext,
): Promise<VolumeView> {
  const { driver, parameters, capabilities } = wanted;
  const modes = capabilities.map((capability) => capability.mode);
  const accessMode = begun?.accessMode ?? chooseAccessMode(modes, driver.capabilities.accessModes);
  if (accessMode === undefined) {
    throw new CsiError(
      'INVALID_ARGUMENT',
      `driver ${driver.name} cannot keep ${modes.join(' and ')}; it keeps ${driver.capabilities.accessModes.join(', ')}`,
    );
  }
  const sizeBytes = begun === undefined ? chooseSize(controller, wanted) : begun.sizeBytes;
  const request: ApiRequest = {
    name: wanted.name,
    driver: driver.name,
    options: wanted.options,
    labels: wanted.labels,
    accessMode,
    ...(parameters.takeover === undefined ? {} : { takeover: parameters.takeover }),
    ...(sizeBytes === undefined ? {} : { sizeBytes }),
    topology: parameters.topology,
    ...(wanted.source === undefined ? {} : { source: wanted.source.api }),
  };
  const nodes = await listAllNodes(controller.api, context);
  const places = begun === undefined ? placesFor(controller, wanted, nodes) : [begun.node];
  if (driver.capabilities.scope === 'global') return await create(controller, wanted, request, context);
  return await createOnFirst(controller, wanted, request, places, context);
}

function placesFor(controller: ControllerContext, wanted: Wanted, nodes: readonly NodeView[]): readonly string[] {
  const { requirement, driver, parameters, name, source } = wanted;
  const places = choosePlaces(controller.topology, { requirement, driver, labels: parameters.topology, name, nodes });
  if (source?.node === undefined) return places;
  if (places.includes(source.node)) return [source.node];
  throw new CsiError(
    'RESOURCE_EXHAUSTED',
    `the source lives on ${source.node}, which the topology requirement or the state of the node excludes`,
  );
}

/** Local scope: the best node that has room. What may have happened on one node is never tried on another. */
async function createOnFirst(
  controller: ControllerContext,
  wanted: Wanted,
  request: ApiRequest,
  places: readonly string[],
  context: CallContext,
): Promise<VolumeView> {
  let full: unknown;
  for (const node of places.slice(0, PLACES_TRIED_MAX)) {
    try {
      // One after the other: the next node only when the one before has refused for good.
      return await create(controller, wanted, { ...request, node }, context);
    } catch (error) {
      if (!hasReason(error, 'NO_CAPACITY', 'NODE_CORDONED')) throw error;
      full = error;
    }
  }
  throw full;
}

async function create(controller: ControllerContext, wanted: Wanted, request: ApiRequest, context: CallContext): Promise<VolumeView> {
  const view = await controller.api.createVolume(request, context);
  // Another caller may have made it in between, with a size of its own.
  requireSame(view, wanted);
  return view;
}

function chooseSize(controller: ControllerContext, wanted: Wanted): number | undefined {
  if (!wanted.driver.capabilities.size) return undefined;
  const { requiredBytes, limitBytes } = wanted.range;
  return requiredBytes ?? Math.min(limitBytes ?? Infinity, controller.options.defaultSizeBytes);
}

/** Every node that is tried is one request; nodes that are full are rarely the first many. */
const PLACES_TRIED_MAX = 5;
