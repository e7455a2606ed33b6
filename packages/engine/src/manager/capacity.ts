import { AppError } from '@volplane/base';
import { parseDriverName, parseNodeName, type CapacityRequest, type CapacityView, type DriverInfo, type NodeName } from '@volplane/domain';
import type { CallContext } from '../api.js';
import { inParallel } from '../in-parallel.js';
import type { ClusterCache } from '../store/cluster-cache.js';
import type { Agents } from './agents.js';
import { missingNode } from './missing-node.js';

/** How much room a driver's storage has: asked from the nodes that run the driver, which alone can see it. */
export class Capacity {
  readonly #cache: ClusterCache;
  readonly #agents: Agents;

  constructor(parts: { readonly cache: ClusterCache; readonly agents: Agents }) {
    this.#cache = parts.cache;
    this.#agents = parts.agents;
  }

  /** @throws AppError DRIVER_NOT_FOUND, NODE_NOT_FOUND, CAPABILITY_MISSING, NODE_UNAVAILABLE; UNKNOWN_OUTCOME of the last node asked */
  async getCapacity(request: CapacityRequest, context: CallContext): Promise<CapacityView> {
    const driver = parseDriverName(request.driver);
    const only = request.node === undefined ? undefined : parseNodeName(request.node);
    await this.#cache.barrier();
    if (only !== undefined && !this.#cache.nodes.has(only)) throw missingNode(this.#cache, only);
    const offers = this.#offers(driver, only);
    if (offers.length === 0) {
      const where = only === undefined ? 'no registered node runs' : `node ${only} does not run`;
      throw new AppError('DRIVER_NOT_FOUND', `${where} driver ${driver}`, { driver, ...(only === undefined ? {} : { node: only }) });
    }
    const able = offers.filter(({ info }) => info.capabilities.size);
    if (able.length === 0) {
      throw new AppError('CAPABILITY_MISSING', `driver ${driver} cannot tell its capacity`, { driver, capability: 'size' });
    }
    const live = able.filter(({ node }) => this.#cache.sessions.has(node));
    if (live.length === 0) throw new AppError('NODE_UNAVAILABLE', `no node that runs driver ${driver} is in touch`, { driver });
    const isLocal = live.some(({ info }) => info.capabilities.scope === 'local');
    return isLocal ? await this.#most(driver, live, context) : await this.#first(driver, live, context);
  }

  /** A global driver's storage is one for all: whoever answers first. */
  async #first(driver: string, live: readonly Offer[], context: CallContext): Promise<CapacityView> {
    let failed: AppError | undefined;
    for (const { node } of live.slice(0, NODES_TRIED_MAX)) {
      try {
        // The next node only when this one does not answer.
        return await this.#ask(driver, node, context);
      } catch (error) {
        if (!(error instanceof AppError)) throw error;
        failed = error;
      }
    }
    throw failed ?? new AppError('NODE_UNAVAILABLE', `no node that runs driver ${driver} answers`, { driver });
  }

  /** A local driver has a storage on each node: the one with the most room counts. */
  async #most(driver: string, live: readonly Offer[], context: CallContext): Promise<CapacityView> {
    let most: CapacityView | undefined;
    let failed: AppError | undefined;
    const ask = async ({ node }: Offer): Promise<void> => {
      try {
        const view = await this.#ask(driver, node, context);
        if (most === undefined || view.availableBytes > most.availableBytes) most = view;
      } catch (error) {
        if (!(error instanceof AppError)) throw error;
        failed = error;
      }
    };
    await inParallel(live, NODES_AT_ONCE, ask, context.signal);
    if (most !== undefined) return most;
    throw failed ?? new AppError('NODE_UNAVAILABLE', `no node that runs driver ${driver} answers`, { driver });
  }

  #ask(driver: string, node: NodeName, context: CallContext): Promise<CapacityView> {
    const timeoutMs = Math.min(context.timeoutMs, NODE_TIMEOUT_MS);
    return this.#agents.call(node, 'getCapacity', { driver, node }, { signal: context.signal, timeoutMs });
  }

  #offers(driver: string, only: NodeName | undefined): readonly Offer[] {
    return [...this.#cache.nodes.values()]
      .filter(({ document }) => document.lost === undefined && (only === undefined || document.name === only))
      .flatMap(({ document }) => document.drivers.filter((info) => info.name === driver).map((info) => ({ node: document.name, info })))
      .sort((one, other) => (one.node < other.node ? -1 : 1));
  }
}

interface Offer {
  readonly node: NodeName;
  readonly info: DriverInfo;
}

const NODES_TRIED_MAX = 3;
const NODES_AT_ONCE = 16;
const NODE_TIMEOUT_MS = 5_000;
