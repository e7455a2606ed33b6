import { AppError, type Clock, type Logger } from '@volplane/base';
import {
  parseNodeName,
  type CapacityRequest,
  type CapacityView,
  type DeclareNodeLostRequest,
  type DrainView,
  type DriverView,
  type ExplainVolumeRequest,
  type ListSnapshotsRequest,
  type NodeEvent,
  type NodeLostPlan,
  type NodeName,
  type NodePage,
  type NodeView,
  type PageRequest,
  type ReleaseGoneRequest,
  type SnapshotPage,
  type VolumeExplanation,
  type VolumeView,
  type WatchRequest,
} from '@volplane/domain';
import type { KvStore } from '@volplane/ports';
import type { CallContext } from '../api.js';
import { pageSizeOf } from '../document-view.js';
import type { ClusterCache } from '../store/cluster-cache.js';
import type { VolumeRecords } from '../store/volume-records.js';
import type { Agents } from './agents.js';
import type { Sessions } from './sessions.js';

/** The nodes of the cluster as a manager serves them. */
export class ManagerNodes {
  readonly #cache: ClusterCache;
  readonly #sessions: Sessions;

  constructor(parts: {
    readonly records: VolumeRecords;
    readonly cache: ClusterCache;
    readonly agents: Agents;
    readonly sessions: Sessions;
    readonly kv: KvStore;
    readonly clock: Clock;
    readonly log: Logger;
  }) {
    this.#cache = parts.cache;
    this.#sessions = parts.sessions;
  }

  async listNodes(request: PageRequest, context: CallContext): Promise<NodePage> {
    const pageSize = pageSizeOf(request);
    await this.#cache.barrier(context.signal);
    const after = request.pageToken ?? '';
    const names = [...this.#cache.nodes.keys()].sort().filter((name) => name > after);
    const nodes = names.slice(0, pageSize).map((name) => this.#view(name));
    const last = nodes.at(-1);
    return names.length > pageSize && last !== undefined ? { nodes, nextPageToken: last.name } : { nodes };
  }

  async getNode(request: { readonly name: string }, context: CallContext): Promise<NodeView> {
    await this.#cache.barrier(context.signal);
    return this.#view(parseNodeName(request.name));
  }

  async listDrivers(request: { readonly node?: string }, context: CallContext): Promise<readonly DriverView[]> {
    await this.#cache.barrier(context.signal);
    const only = request.node === undefined ? undefined : this.#view(parseNodeName(request.node)).name;
    const byIdentity = new Map<string, { readonly info: DriverView['info']; readonly nodes: NodeName[] }>();
    for (const { document } of this.#cache.nodes.values()) {
      if (only !== undefined && document.name !== only) continue;
      for (const info of document.drivers) {
        const identity = JSON.stringify(info);
        const view = byIdentity.get(identity) ?? { info, nodes: [] };
        view.nodes.push(document.name);
        byIdentity.set(identity, view);
      }
    }
    return [...byIdentity.values()].sort((one, other) => (one.info.name < other.info.name ? -1 : 1));
  }

  cordonNode(_request: { readonly name: string; readonly cordoned: boolean }, _context: CallContext): Promise<NodeView> {
    return Promise.reject(notYet('cordon'));
  }

  drainNode(_request: { readonly name: string }, _context: CallContext): Promise<DrainView> {
    return Promise.reject(notYet('drain'));
  }

  planNodeLost(_request: { readonly name: string }, _context: CallContext): Promise<NodeLostPlan> {
    return Promise.reject(notYet('plan of a lost node'));
  }

  declareNodeLost(_request: DeclareNodeLostRequest, _context: CallContext): Promise<NodeLostPlan> {
    return Promise.reject(notYet('declare lost'));
  }

  releaseGone(_request: ReleaseGoneRequest, _context: CallContext): Promise<VolumeView> {
    return Promise.reject(notYet('release of a gone node'));
  }

  listSnapshots(_request: ListSnapshotsRequest, _context: CallContext): Promise<SnapshotPage> {
    return Promise.reject(notYet('list of snapshots'));
  }

  getCapacity(_request: CapacityRequest, _context: CallContext): Promise<CapacityView> {
    return Promise.reject(notYet('capacity'));
  }

  explainVolume(_request: ExplainVolumeRequest, _context: CallContext): Promise<VolumeExplanation> {
    return Promise.reject(notYet('explain'));
  }

  // eslint-disable-next-line require-yield -- refuses until it is built
  async *watchNodes(_request: WatchRequest, _context: CallContext): AsyncIterable<NodeEvent> {
    throw notYet('watch of nodes');
  }

  #view(name: NodeName): NodeView {
    const record = this.#cache.nodes.get(name);
    if (record === undefined) throw new AppError('NODE_NOT_FOUND', `node ${name} has never registered`, { node: name });
    const { document } = record;
    const session = this.#cache.sessions.get(name)?.document;
    const heard = this.#sessions.heard(name);
    return {
      name,
      uid: document.uid,
      state:
        document.lost !== undefined
          ? 'lost'
          : session === undefined
            ? 'gone'
            : heard !== undefined && heard.agoMs > SILENT_MS
              ? 'silent'
              : 'connected',
      drivers: document.drivers,
      labels: document.labels,
      version: document.version,
      registeredAt: document.registeredAt,
      cordoned: document.cordoned,
      ...(session === undefined ? {} : { sessionSince: session.since }),
      attachedVolumes: this.#cache.volumes.attachedOn(name).size,
      ownedVolumes: this.#cache.volumes.ownedBy(name).size,
    };
  }
}

const notYet = (what: string): AppError => new AppError('NOT_IMPLEMENTED', `${what} is not built yet in this version`);

/** Heartbeats come every few seconds to some manager; one that has heard none for this long calls the node silent. */
const SILENT_MS = 30_000;
