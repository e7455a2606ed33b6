import type { Logger } from '@volplane/base';
import {
  decideCordon,
  parseNodeName,
  type DeclareNodeLostRequest,
  type DrainView,
  type DriverView,
  type NodeEvent,
  type NodeLostPlan,
  type NodeName,
  type NodePage,
  type NodeView,
  type PageRequest,
  type WatchRequest,
} from '@volplane/domain';
import type { CallContext, NodesApi } from '../api.js';
import { pageSizeOf } from '../document-view.js';
import type { ClusterCache } from '../store/cluster-cache.js';
import type { NodeRecords } from '../store/node-records.js';
import type { VolumeRecords } from '../store/volume-records.js';
import type { Agents } from './agents.js';
import type { LostNodes } from './lost-nodes.js';
import { NodeDrain } from './node-drain.js';
import { NodeLoss } from './node-loss.js';
import type { NodeViews } from './node-view.js';
import { watchNodes } from './node-watching.js';

/** The nodes of the cluster as a manager serves them. */
export class ManagerNodes implements NodesApi {
  readonly #cache: ClusterCache;
  readonly #nodeRecords: NodeRecords;
  readonly #views: NodeViews;
  readonly #log: Logger;
  readonly #drain: NodeDrain;
  readonly #loss: NodeLoss;

  constructor(parts: {
    readonly records: VolumeRecords;
    readonly nodeRecords: NodeRecords;
    readonly lostNodes: LostNodes;
    readonly cache: ClusterCache;
    readonly agents: Agents;
    readonly views: NodeViews;
    readonly log: Logger;
  }) {
    this.#cache = parts.cache;
    this.#nodeRecords = parts.nodeRecords;
    this.#views = parts.views;
    this.#log = parts.log;
    this.#drain = new NodeDrain(parts);
    this.#loss = new NodeLoss(parts);
  }

  async listNodes(request: PageRequest): Promise<NodePage> {
    const pageSize = pageSizeOf(request);
    await this.#cache.barrier();
    const after = request.pageToken ?? '';
    const names = [...this.#cache.nodes.keys()].sort().filter((name) => name > after);
    const nodes = names.slice(0, pageSize).map((name) => this.#views.view(name));
    const last = nodes.at(-1);
    return names.length > pageSize && last !== undefined ? { nodes, nextPageToken: last.name } : { nodes };
  }

  async getNode(request: { readonly name: string }): Promise<NodeView> {
    const name = parseNodeName(request.name);
    await this.#cache.barrier();
    return this.#views.view(name);
  }

  async cordonNode(request: { readonly name: string; readonly cordoned: boolean }, context: CallContext): Promise<NodeView> {
    const name = parseNodeName(request.name);
    await this.#nodeRecords.change(name, (document) => decideCordon(document, name, request.cordoned), context.signal);
    this.#log.info(request.cordoned ? 'node cordoned on request' : 'node uncordoned on request', { node: name });
    return this.#views.view(name);
  }

  async drainNode(request: { readonly name: string }, context: CallContext): Promise<DrainView> {
    return await this.#drain.drain(parseNodeName(request.name), context);
  }

  async planNodeLost(request: { readonly name: string }): Promise<NodeLostPlan> {
    return await this.#loss.plan(parseNodeName(request.name));
  }

  async declareNodeLost(request: DeclareNodeLostRequest, context: CallContext): Promise<NodeLostPlan> {
    return await this.#loss.declare(parseNodeName(request.name), request, context);
  }

  watchNodes(request: WatchRequest, context: CallContext): AsyncIterable<NodeEvent> {
    return watchNodes(this.#cache, this.#views, request, context);
  }

  async listDrivers(request: { readonly node?: string }): Promise<readonly DriverView[]> {
    await this.#cache.barrier();
    const only = request.node === undefined ? undefined : this.#views.view(parseNodeName(request.node)).name;
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
}
