import {
  isDriverName,
  isNodeName,
  type CapacityRequest,
  type CapacityView,
  type DriverCapabilities,
  type DriverInfo,
  type DriverView,
} from '@volplane/domain';
import type { Driver } from '../generated/volplane/v1/Driver.js';
import type { DriverCapabilities as WireCapabilities, DriverCapabilitiesInput } from '../generated/volplane/v1/DriverCapabilities.js';
import type { DriverInfo as WireDriverInfo, DriverInfoInput } from '../generated/volplane/v1/DriverInfo.js';
import type { GetCapacityRequest, GetCapacityRequestInput } from '../generated/volplane/v1/GetCapacityRequest.js';
import type { GetCapacityResponse, GetCapacityResponseInput } from '../generated/volplane/v1/GetCapacityResponse.js';
import type { ListDriversRequest, ListDriversRequestInput } from '../generated/volplane/v1/ListDriversRequest.js';
import type { ListDriversResponse, ListDriversResponseInput } from '../generated/volplane/v1/ListDriversResponse.js';
import { accessModes, scopes, takeoverPolicies } from './enums.js';
import { mapFromWire, required, textFromWire, uint64FromWire, uint64ToWire, type Writable } from './scalars.js';

export function driverInfoToWire(info: DriverInfo): DriverInfoInput {
  return { name: info.name, capabilities: capabilitiesToWire(info.capabilities), options: info.options };
}

/** @throws AppError INVALID_ARGUMENT or TOO_LARGE naming the field */
export function driverInfoFromWire(message: WireDriverInfo): DriverInfo {
  return {
    name: textFromWire(message.name, isDriverName, 'driver.name'),
    capabilities: capabilitiesFromWire(required(message.capabilities, 'driver.capabilities')),
    options: mapFromWire(message.options, 'driver.options'),
  };
}

export function listDriversToWire(request: { readonly node?: string }): ListDriversRequestInput {
  return request;
}

export function listDriversFromWire(message: ListDriversRequest): { readonly node?: string } {
  return message.node === undefined ? {} : { node: message.node };
}

export function driversToWire(drivers: readonly DriverView[]): ListDriversResponseInput {
  return { drivers: drivers.map(({ info, nodes }) => ({ info: driverInfoToWire(info), nodes: [...nodes] })) };
}

export function driversFromWire(message: ListDriversResponse): readonly DriverView[] {
  return message.drivers.map(driverFromWire);
}

export function capacityRequestToWire(request: CapacityRequest): GetCapacityRequestInput {
  return request;
}

export function capacityRequestFromWire(message: GetCapacityRequest): CapacityRequest {
  return message.node === undefined ? { driver: message.driver } : { driver: message.driver, node: message.node };
}

export function capacityToWire(capacity: CapacityView): GetCapacityResponseInput {
  const message: GetCapacityResponseInput = { availableBytes: uint64ToWire(capacity.availableBytes, 'available_bytes') };
  if (capacity.volumeBytesMax !== undefined) message.volumeBytesMax = uint64ToWire(capacity.volumeBytesMax, 'volume_bytes_max');
  if (capacity.volumeBytesMin !== undefined) message.volumeBytesMin = uint64ToWire(capacity.volumeBytesMin, 'volume_bytes_min');
  return message;
}

export function capacityFromWire(message: GetCapacityResponse): CapacityView {
  const capacity: Writable<CapacityView> = { availableBytes: uint64FromWire(message.availableBytes, 'available_bytes') };
  if (message.volumeBytesMax !== undefined) capacity.volumeBytesMax = uint64FromWire(message.volumeBytesMax, 'volume_bytes_max');
  if (message.volumeBytesMin !== undefined) capacity.volumeBytesMin = uint64FromWire(message.volumeBytesMin, 'volume_bytes_min');
  return capacity;
}

function driverFromWire(message: Driver): DriverView {
  return {
    info: driverInfoFromWire(required(message.info, 'drivers.info')),
    nodes: message.nodes.map((node) => textFromWire(node, isNodeName, 'drivers.nodes')),
  };
}

function capabilitiesToWire(capabilities: DriverCapabilities): DriverCapabilitiesInput {
  return {
    ...capabilities,
    scope: scopes.toWire(capabilities.scope),
    accessModes: capabilities.accessModes.map((mode) => accessModes.toWire(mode)),
    takeover: capabilities.takeover.map((policy) => takeoverPolicies.toWire(policy)),
  };
}

function capabilitiesFromWire(message: WireCapabilities): DriverCapabilities {
  return {
    scope: scopes.requiredFromWire(message.scope, 'capabilities.scope'),
    accessModes: message.accessModes.map((mode) => accessModes.requiredFromWire(mode, 'capabilities.access_modes')),
    takeover: message.takeover.map((policy) => takeoverPolicies.requiredFromWire(policy, 'capabilities.takeover')),
    abort: message.abort,
    fence: message.fence,
    size: message.size,
    expand: message.expand,
    snapshot: message.snapshot,
    clone: message.clone,
    block: message.block,
  };
}
