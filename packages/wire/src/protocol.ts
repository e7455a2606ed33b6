import { fileURLToPath } from 'node:url';
import { loadSync, type MethodDefinition, type PackageDefinition } from '@grpc/proto-loader';
import { AppError, assert } from '@volplane/base';
import { batchFromWire, batchResultsFromWire, batchResultsToWire, batchToWire } from './codec/batch.js';
import * as driver from './codec/driver.js';
import { explanationFromWire, explanationToWire } from './codec/explanation.js';
import * as node from './codec/node.js';
import { StatusCodec, type StatusTypes } from './codec/status.js';
import * as ask from './codec/volume-requests.js';
import * as answer from './codec/volume-responses.js';
import type { DriversDefinition } from './generated/volplane/v1/Drivers.js';
import type { NodesDefinition } from './generated/volplane/v1/Nodes.js';
import type { VolumesDefinition } from './generated/volplane/v1/Volumes.js';
import { LOADER_OPTIONS, PROTO_FILES } from './loader-options.js';

/**
 * One call of the protocol between bytes and the domain's plain data: the generated types stay behind it.
 *
 * What a server decodes may differ from what a client encodes, where a message can be wrong in parts (batches).
 */
export interface Method<Request, Response, Received = Request, Sent = Response> {
  /** Such as `/volplane.v1.Volumes/CreateVolume`. */
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  /** @throws AppError INVALID_ARGUMENT or TOO_LARGE naming the field */
  encodeRequest(request: Request): Buffer;
  /** @throws AppError INVALID_ARGUMENT or TOO_LARGE naming the field */
  decodeRequest(bytes: Buffer): Received;
  encodeResponse(response: Sent): Buffer;
  /** @throws AppError as decodeRequest, when the server is of another version or is not a Volplane server */
  decodeResponse(bytes: Buffer): Response;
}

export type Protocol = ReturnType<typeof buildProtocol>;

/** Every call with its codecs, read from the proto files on the first use. @throws Error when the files are not beside the code */
export function loadProtocol(): Protocol {
  return (loaded ??= buildProtocol());
}

/** Unchangeable once read, so every server and client of the process shares it. */
let loaded: Protocol | undefined;

function buildProtocol() {
  const packageDefinition = loadSync([...PROTO_FILES], { ...LOADER_OPTIONS, includeDirs: [protoFolder()] });
  return {
    volumes: volumeMethods(part(packageDefinition, 'volplane.v1.Volumes') as VolumesDefinition),
    nodes: nodeMethods(part(packageDefinition, 'volplane.v1.Nodes') as NodesDefinition),
    drivers: driverMethods(part(packageDefinition, 'volplane.v1.Drivers') as DriversDefinition),
    status: new StatusCodec(statusTypes(packageDefinition)),
    /** For server reflection. */
    packageDefinition,
  };
}

function volumeMethods(calls: VolumesDefinition) {
  const { volumeResponseToWire, volumeResponseFromWire } = answer;
  return {
    createVolume: method(
      calls.CreateVolume,
      ask.createVolumeToWire,
      ask.createVolumeFromWire,
      volumeResponseToWire,
      volumeResponseFromWire,
    ),
    createVolumes: method(calls.CreateVolumes, batchToWire, batchFromWire, batchResultsToWire, batchResultsFromWire),
    getVolume: method(calls.GetVolume, ask.refToWire, ask.refFromWire, volumeResponseToWire, volumeResponseFromWire),
    listVolumes: method(
      calls.ListVolumes,
      ask.listVolumesToWire,
      ask.listVolumesFromWire,
      answer.volumePageToWire,
      answer.volumePageFromWire,
    ),
    updateLabels: method(
      calls.UpdateLabels,
      ask.updateLabelsToWire,
      ask.updateLabelsFromWire,
      volumeResponseToWire,
      volumeResponseFromWire,
    ),
    removeVolume: method(calls.RemoveVolume, ask.removeVolumeToWire, ask.removeVolumeFromWire, nothingToWire, nothingFromWire),
    forgetVolume: method(calls.ForgetVolume, ask.refToWire, ask.refFromWire, nothingToWire, nothingFromWire),
    mountVolume: method(calls.MountVolume, ask.mountVolumeToWire, ask.mountVolumeFromWire, answer.mountToWire, answer.mountFromWire),
    unmountVolume: method(calls.UnmountVolume, ask.unmountVolumeToWire, ask.unmountVolumeFromWire, nothingToWire, nothingFromWire),
    getPath: method(calls.GetPath, ask.refToWire, ask.refFromWire, answer.pathToWire, answer.pathFromWire),
    getStatus: method(calls.GetStatus, ask.refToWire, ask.refFromWire, answer.driverStatusToWire, answer.driverStatusFromWire),
    transferOwnership: method(
      calls.TransferOwnership,
      ask.transferOwnershipToWire,
      ask.transferOwnershipFromWire,
      volumeResponseToWire,
      volumeResponseFromWire,
    ),
    forceRelease: method(
      calls.ForceRelease,
      ask.forceReleaseToWire,
      ask.forceReleaseFromWire,
      volumeResponseToWire,
      volumeResponseFromWire,
    ),
    releaseGone: method(calls.ReleaseGone, ask.releaseGoneToWire, ask.releaseGoneFromWire, volumeResponseToWire, volumeResponseFromWire),
    expandVolume: method(
      calls.ExpandVolume,
      ask.expandVolumeToWire,
      ask.expandVolumeFromWire,
      volumeResponseToWire,
      volumeResponseFromWire,
    ),
    ...snapshotMethods(calls),
    explainVolume: method(calls.ExplainVolume, ask.explainVolumeToWire, ask.explainVolumeFromWire, explanationToWire, explanationFromWire),
    watchVolumes: method(calls.WatchVolumes, ask.watchToWire, ask.watchFromWire, answer.volumeEventToWire, answer.volumeEventFromWire),
  };
}

function snapshotMethods(calls: VolumesDefinition) {
  const { volumeResponseToWire, volumeResponseFromWire } = answer;
  return {
    createSnapshot: method(
      calls.CreateSnapshot,
      ask.snapshotRequestToWire,
      ask.snapshotRequestFromWire,
      volumeResponseToWire,
      volumeResponseFromWire,
    ),
    removeSnapshot: method(
      calls.RemoveSnapshot,
      ask.snapshotRequestToWire,
      ask.snapshotRequestFromWire,
      volumeResponseToWire,
      volumeResponseFromWire,
    ),
    listSnapshots: method(
      calls.ListSnapshots,
      ask.listSnapshotsToWire,
      ask.listSnapshotsFromWire,
      answer.snapshotPageToWire,
      answer.snapshotPageFromWire,
    ),
  };
}

function nodeMethods(calls: NodesDefinition) {
  const { nodeNameToWire, nodeNameFromWire, nodeResponseToWire, nodeResponseFromWire, planResponseToWire, planResponseFromWire } = node;
  return {
    listNodes: method(calls.ListNodes, ask.pageToWire, ask.pageFromWire, node.nodePageToWire, node.nodePageFromWire),
    getNode: method(calls.GetNode, nodeNameToWire, nodeNameFromWire, nodeResponseToWire, nodeResponseFromWire),
    cordonNode: method(calls.CordonNode, nodeNameToWire, nodeNameFromWire, nodeResponseToWire, nodeResponseFromWire),
    uncordonNode: method(calls.UncordonNode, nodeNameToWire, nodeNameFromWire, nodeResponseToWire, nodeResponseFromWire),
    drainNode: method(calls.DrainNode, nodeNameToWire, nodeNameFromWire, node.drainToWire, node.drainFromWire),
    planNodeLost: method(calls.PlanNodeLost, nodeNameToWire, nodeNameFromWire, planResponseToWire, planResponseFromWire),
    declareNodeLost: method(
      calls.DeclareNodeLost,
      node.declareNodeLostToWire,
      node.declareNodeLostFromWire,
      planResponseToWire,
      planResponseFromWire,
    ),
    watchNodes: method(calls.WatchNodes, ask.watchToWire, ask.watchFromWire, node.nodeEventToWire, node.nodeEventFromWire),
  };
}

function driverMethods(calls: DriversDefinition) {
  return {
    listDrivers: method(
      calls.ListDrivers,
      driver.listDriversToWire,
      driver.listDriversFromWire,
      driver.driversToWire,
      driver.driversFromWire,
    ),
    getCapacity: method(
      calls.GetCapacity,
      driver.capacityRequestToWire,
      driver.capacityRequestFromWire,
      driver.capacityToWire,
      driver.capacityFromWire,
    ),
  };
}

/** Where the proto files are: beside `packages`, in a checkout and in an image alike. */
export function protoFolder(): string {
  return fileURLToPath(new URL('../../../proto', import.meta.url));
}

function method<Request, Received, Sent, Response, WireRequestInput, WireResponseInput, WireRequest, WireResponse>(
  call: MethodDefinition<WireRequestInput, WireResponseInput, WireRequest, WireResponse>,
  requestToWire: (request: Request) => WireRequestInput,
  requestFromWire: (message: WireRequest) => Received,
  responseToWire: (response: Sent) => WireResponseInput,
  responseFromWire: (message: WireResponse) => Response,
): Method<Request, Response, Received, Sent> {
  return {
    path: call.path,
    requestStream: call.requestStream,
    responseStream: call.responseStream,
    encodeRequest: (request) => call.requestSerialize(requestToWire(request)),
    decodeRequest: (bytes) => requestFromWire(parse(call.requestDeserialize, bytes)),
    encodeResponse: (response) => call.responseSerialize(responseToWire(response)),
    decodeResponse: (bytes) => responseFromWire(parse(call.responseDeserialize, bytes)),
  };
}

function parse<Message>(deserialize: (bytes: Buffer) => Message, bytes: Buffer): Message {
  try {
    return deserialize(bytes);
  } catch (error) {
    throw new AppError('INVALID_ARGUMENT', 'the message is not of the expected type', { field: 'message' }, error);
  }
}

function nothingToWire(): object {
  return {};
}

function nothingFromWire(): void {
  // The answer says that it happened; there is nothing in it.
}

/** One service or message as proto-loader gives it. The caller casts it to the generated type, which describes the same files. */
function part(packageDefinition: PackageDefinition, name: string): unknown {
  const definition = packageDefinition[name];
  assert(definition !== undefined, `the proto files define ${name}`);
  return definition;
}

function statusTypes(packageDefinition: PackageDefinition): StatusTypes {
  return {
    status: part(packageDefinition, 'google.rpc.Status') as StatusTypes['status'],
    errorInfo: part(packageDefinition, 'google.rpc.ErrorInfo') as StatusTypes['errorInfo'],
    retryInfo: part(packageDefinition, 'google.rpc.RetryInfo') as StatusTypes['retryInfo'],
  };
}
