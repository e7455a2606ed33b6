import type { VolplaneApi } from '@volplane/engine';
import type { Method, Protocol } from '@volplane/wire';
import type { ServiceDefinition, UntypedHandleCall, UntypedServiceImplementation } from '@grpc/grpc-js';
import { batchStream } from './batch-stream.js';
import type { CallDesk } from './call-desk.js';
import { serverStream } from './server-stream.js';
import { unary } from './unary.js';

/** A service in the form that grpc-js serves. */
export interface ServedService {
  readonly definition: ServiceDefinition;
  readonly implementation: UntypedServiceImplementation;
}

/** Every call of the protocol with the method of the API that answers it, and the class in which it finds room. */
export function servedServices(protocol: Protocol, api: VolplaneApi, desk: CallDesk): readonly ServedService[] {
  return [volumesService(protocol, api, desk), nodesService(protocol, api, desk), driversService(protocol, api, desk)];
}

function volumesService({ volumes: calls }: Protocol, api: VolplaneApi, desk: CallDesk): ServedService {
  return service(calls, {
    createVolume: unary(desk, 'write', calls.createVolume, (request, context) => api.createVolume(request, context)),
    createVolumes: batchStream(desk, calls.createVolumes, (request, context) => api.createVolume(request, context)),
    getVolume: unary(desk, 'read', calls.getVolume, (request, context) => api.getVolume(request, context)),
    listVolumes: unary(desk, 'read', calls.listVolumes, (request, context) => api.listVolumes(request, context)),
    updateLabels: unary(desk, 'write', calls.updateLabels, (request, context) => api.updateLabels(request, context)),
    removeVolume: unary(desk, 'write', calls.removeVolume, (request, context) => api.removeVolume(request, context)),
    forgetVolume: unary(desk, 'write', calls.forgetVolume, (request, context) => api.forgetVolume(request, context)),
    mountVolume: unary(desk, 'write', calls.mountVolume, (request, context) => api.mountVolume(request, context)),
    unmountVolume: unary(desk, 'release', calls.unmountVolume, (request, context) => api.unmountVolume(request, context)),
    getPath: unary(desk, 'read', calls.getPath, (request, context) => api.getPath(request, context)),
    getStatus: unary(desk, 'read', calls.getStatus, (request, context) => api.getStatus(request, context)),
    transferOwnership: unary(desk, 'write', calls.transferOwnership, (request, context) => api.transferOwnership(request, context)),
    forceRelease: unary(desk, 'release', calls.forceRelease, (request, context) => api.forceRelease(request, context)),
    releaseGone: unary(desk, 'release', calls.releaseGone, (request, context) => api.releaseGone(request, context)),
    expandVolume: unary(desk, 'write', calls.expandVolume, (request, context) => api.expandVolume(request, context)),
    createSnapshot: unary(desk, 'write', calls.createSnapshot, (request, context) => api.createSnapshot(request, context)),
    removeSnapshot: unary(desk, 'write', calls.removeSnapshot, (request, context) => api.removeSnapshot(request, context)),
    listSnapshots: unary(desk, 'read', calls.listSnapshots, (request, context) => api.listSnapshots(request, context)),
    explainVolume: unary(desk, 'read', calls.explainVolume, (request, context) => api.explainVolume(request, context)),
    watchVolumes: serverStream(desk, 'watch', calls.watchVolumes, (request, context) => api.watchVolumes(request, context)),
  });
}

function nodesService({ nodes: calls }: Protocol, api: VolplaneApi, desk: CallDesk): ServedService {
  return service(calls, {
    listNodes: unary(desk, 'read', calls.listNodes, (request, context) => api.listNodes(request, context)),
    getNode: unary(desk, 'read', calls.getNode, (request, context) => api.getNode(request, context)),
    cordonNode: unary(desk, 'write', calls.cordonNode, ({ name }, context) => api.cordonNode({ name, cordoned: true }, context)),
    uncordonNode: unary(desk, 'write', calls.uncordonNode, ({ name }, context) => api.cordonNode({ name, cordoned: false }, context)),
    drainNode: unary(desk, 'write', calls.drainNode, (request, context) => api.drainNode(request, context)),
    planNodeLost: unary(desk, 'read', calls.planNodeLost, (request, context) => api.planNodeLost(request, context)),
    declareNodeLost: unary(desk, 'release', calls.declareNodeLost, (request, context) => api.declareNodeLost(request, context)),
    watchNodes: serverStream(desk, 'watch', calls.watchNodes, (request, context) => api.watchNodes(request, context)),
  });
}

function driversService({ drivers: calls }: Protocol, api: VolplaneApi, desk: CallDesk): ServedService {
  return service(calls, {
    listDrivers: unary(desk, 'read', calls.listDrivers, (request, context) => api.listDrivers(request, context)),
    getCapacity: unary(desk, 'read', calls.getCapacity, (request, context) => api.getCapacity(request, context)),
  });
}

/** grpc-js hands the bytes through: the adapters decode, so that a bad message is refused in our words. */
function service<Name extends string>(
  methods: Readonly<Record<Name, Pick<Method<never, unknown>, 'path' | 'requestStream' | 'responseStream'>>>,
  implementation: Readonly<Record<Name, UntypedHandleCall>>,
): ServedService {
  const definition: Record<string, ServiceDefinition[string]> = {};
  for (const name in methods) {
    const { path, requestStream, responseStream } = methods[name];
    definition[name] = {
      path,
      requestStream,
      responseStream,
      requestSerialize: sameBytes,
      requestDeserialize: sameBytes,
      responseSerialize: sameBytes,
      responseDeserialize: sameBytes,
    };
  }
  return { definition, implementation };
}

const sameBytes = (bytes: Buffer): Buffer => bytes;
