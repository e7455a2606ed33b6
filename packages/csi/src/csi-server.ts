import type { Clock, Logger, Random, Resource } from '@volplane/base';
import type { VolplaneApi } from '@volplane/engine';
import { freeSocketPath, protectSocket, removeSocket, type FileIdentity } from '@volplane/host';
import { UnaryHost, type UnaryService } from '@volplane/rpc';
import { CallGate, type CallGateOptions } from './call-gate.js';
import { controllerHandlers, groupHandlers } from './controller-service.js';
import { DriverCatalog } from './driver-catalog.js';
import { parseEndpoint } from './endpoint.js';
import type { CsiHandlers } from './handlers.js';
import { identityHandlers } from './identity-service.js';
import { nodeHandlers } from './node-service.js';
import type { NodeContext } from './node/context.js';
import { sweepStale } from './node/stale-uses.js';
import type { CsiOptions } from './options.js';
import { csiService } from './proto-file.js';
import { toCsiStatus } from './status.js';
import { TopologyMap } from './topology.js';

export interface CsiServerOptions {
  /** In any spelling that {@link parseEndpoint} takes. */
  readonly endpoint: string;
  readonly options: CsiOptions;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Serve Controller and GroupController, by this API: a manager's. */
  readonly controller?: { readonly api: VolplaneApi };
  /** Serve Node, by this API: the node's own agent's. With `controller` too: all in one. */
  readonly node?: Pick<NodeContext, 'api' | 'host' | 'node'>;
  /** Who may connect: the mode of the socket file; default 0600, root alone. */
  readonly socketMode?: number;
  readonly limits?: Pick<CallGateOptions, 'workMs' | 'patienceMs' | 'retryMs'>;
}

/** The CSI door of one process on one unix socket. */
export class CsiServer implements Resource {
  readonly name = 'csi server';
  readonly path: string;
  readonly #host: UnaryHost;
  readonly #gate: CallGate;
  readonly #identity: FileIdentity;

  private constructor(path: string, host: UnaryHost, gate: CallGate, identity: FileIdentity) {
    this.path = path;
    this.#host = host;
    this.#gate = gate;
    this.#identity = identity;
  }

  /**
   * Serves at once: Probe says when the control plane is there, and callers that wait for the socket do not wait for it.
   *
   * @throws AppError INVALID_ARGUMENT for an endpoint that cannot be; FOREIGN_DATA when somebody else serves it
   */
  static async open(server: CsiServerOptions): Promise<CsiServer> {
    const path = parseEndpoint(server.endpoint);
    const gate = new CallGate({ clock: server.clock, random: server.random, log: server.log, ...server.limits });
    const services = buildServices(server, gate);
    await freeSocketPath(path, server.clock);
    const host = await UnaryHost.open({
      address: `unix://${path}`,
      services,
      toStatus: (error) => {
        const status = toCsiStatus(error);
        if (status.code === 'INTERNAL') server.log.error('csi call failed by a fault', { error });
        return status;
      },
      clock: server.clock,
      log: server.log,
    });
    try {
      const identity = await protectSocket(path, server.socketMode);
      return new CsiServer(path, host, gate, identity);
    } catch (error) {
      await host.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#gate.close();
    // First the file, if it is still ours: closing the listener would unlink its path whoever is there by then.
    await removeSocket(this.path, this.#identity);
    await this.#host.close();
  }
}

function buildServices(server: CsiServerOptions, gate: CallGate): readonly UnaryService[] {
  const { options, clock, log, controller, node } = server;
  const topology = new TopologyMap(options.name, options.topologyLabels);
  const drivers = options.drivers === undefined ? {} : { drivers: options.drivers };
  const api = controller?.api ?? node?.api;
  if (api === undefined) return [];
  const catalog = new DriverCatalog({ api, clock, log, ...drivers });
  const servesAll = controller !== undefined && node !== undefined;
  const identity = identityHandlers({ options, catalog, gate, log, servesAll });
  const services: [Parameters<typeof csiService>[0], CsiHandlers][] = [['Identity', identity]];
  if (controller !== undefined) {
    const parts = { api: controller.api, catalog, topology, options, log };
    services.push(['Controller', controllerHandlers(parts, gate)], ['GroupController', groupHandlers(parts, gate)]);
  }
  if (node !== undefined) {
    const own = new DriverCatalog({ api: node.api, clock, log, node: node.node.name, ...drivers });
    const parts = { ...node, catalog: own, topology, options, log };
    services.push(['Node', nodeHandlers(parts, gate)]);
    gate
      .read({ timeoutMs: Infinity }, (context) => sweepStale(parts, context))
      .catch((error: unknown) => {
        // Every call that needs it looks again at its own volume.
        log.warn('stale targets could not be looked for', { error });
      });
  }
  return services.map(([name, handlers]) => ({ definition: csiService(name), handlers }));
}
