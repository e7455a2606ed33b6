import { AppError } from '@volplane/base';
import type { VolplaneApi } from '@volplane/engine';
import type { FakeCluster } from './fake-cluster.js';
import { FakeVolumes, listDrivers } from './fake-volumes.js';

/**
 * Volplane's API over a {@link FakeCluster}: for tests of doors. It keeps the rules that a caller can see (identity,
 * access modes, who holds what, evidence, paging, refusals by reason) and leaves out how they are kept.
 *
 * Not offered, and refused with NOT_IMPLEMENTED: transfer, force release, explain, drain, lost plans and watches.
 *
 * @param node - answer as the agent of this node; absent: as a manager
 */
export function fakeApi(cluster: FakeCluster, node?: string): VolplaneApi {
  const volumes = new FakeVolumes(cluster, node);
  const api: VolplaneApi = {
    createVolume: (request) => volumes.create(request),
    getVolume: async (request) => volumes.view(request),
    listVolumes: async (request) => volumes.list(request),
    updateLabels: async (request) => {
      const volume = volumes.get(request);
      if (request.takeover !== undefined && !volume.driver.capabilities.takeover.includes(request.takeover)) {
        throw new AppError('INVALID_ARGUMENT', `driver ${volume.driver.name} cannot keep takeover policy ${request.takeover}`);
      }
      const kept = Object.entries(volume.labels).filter(([key]) => !request.drop.includes(key));
      volume.labels = { ...Object.fromEntries(kept), ...request.set };
      volume.takeover = request.takeover ?? volume.takeover;
      volume.generation += 1;
      return cluster.viewOf(volume, node);
    },
    removeVolume: async (request) => {
      volumes.remove(request, request.uid);
    },
    forgetVolume: async (request) => {
      volumes.remove(request, undefined);
    },
    mountVolume: (request) => volumes.mount(request, request.mountId, request.mode),
    unmountVolume: async (request) => {
      volumes.unmount(request, request.mountId);
    },
    getPath: async (request) => {
      const { path } = volumes.view(request);
      return path === undefined ? {} : { path };
    },
    getStatus: async () => ({ status: {} }),
    releaseGone: async (request) => {
      const volume = volumes.get({ name: request.name });
      const holder = cluster.node(request.node);
      if (volume.held.has(holder.name)) cluster.dropGone(volume, holder);
      return cluster.viewOf(volume, node);
    },
    expandVolume: async (request) => volumes.expand(request, request.sizeBytes),
    createSnapshot: async (request) => volumes.snapshot(request, request.snapshot),
    removeSnapshot: async (request) => {
      const volume = volumes.get(request);
      volume.snapshots.delete(request.snapshot);
      return cluster.viewOf(volume, node);
    },
    listSnapshots: async (request) => volumes.listSnapshots(request),
    getCapacity: async (request) => volumes.capacity(request.driver, request.node),
    listNodes: async () => ({ nodes: [...cluster.nodes.values()].map((record) => cluster.viewOfNode(record)) }),
    getNode: async (request) => cluster.viewOfNode(cluster.node(request.name)),
    cordonNode: async (request) => {
      cluster.node(request.name).cordoned = request.cordoned;
      return cluster.viewOfNode(cluster.node(request.name));
    },
    listDrivers: async (request) => listDrivers(cluster, request.node),
    transferOwnership: missing,
    forceRelease: missing,
    explainVolume: missing,
    drainNode: missing,
    planNodeLost: missing,
    declareNodeLost: missing,
    watchVolumes: missingWatch,
    watchNodes: missingWatch,
  };
  return withFaults(cluster, api);
}

/** Every method but the watches meets the fault that a test has set for it. */
function withFaults(cluster: FakeCluster, api: VolplaneApi): VolplaneApi {
  const wrapped = Object.entries(api).map(([method, work]) => {
    if (method.startsWith('watch')) return [method, work] as const;
    return [
      method,
      async (...args: readonly unknown[]) => {
        cluster.meetFault(method);
        // Each entry is called with the arguments of its own method.
        return await (work as (...args: readonly unknown[]) => Promise<unknown>)(...args);
      },
    ] as const;
  });
  // The same methods with the same types, one by one.
  return Object.fromEntries(wrapped) as unknown as VolplaneApi;
}

async function missing(): Promise<never> {
  throw new AppError('NOT_IMPLEMENTED', 'the fake does not do this');
}

function missingWatch(): never {
  throw new AppError('NOT_IMPLEMENTED', 'the fake does not watch');
}
