import { dirname } from 'node:path';
import { AppError, noTelemetry, systemRandom, type Clock, type Logger, type Random, type Resource, type Telemetry } from '@volplane/base';
import type { VolplaneApi } from '@volplane/engine';
import { freeSocketPath, protectSocket } from '@volplane/host';
import { loadProtocol, loadReflectionFiles, PROTO_FILES, protoFolder } from '@volplane/wire';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';
import { HealthImplementation, protoPath as healthProtoPath } from 'grpc-health-check';
import { Admission } from './admission.js';
import { CallDesk } from './call-desk.js';
import { servedServices } from './handlers.js';
import { RPC_LIMITS, TRANSPORT_BYTES_FACTOR, type CallClass, type RpcLimits } from '../limits.js';
import { formatListenAddress, parseListenAddress } from '../listen-address.js';
import { Refusals } from './refusals.js';

export interface RpcServerOptions {
  /** `host:port` (port 0: a free one), `[ipv6]:port`, `unix:/path`. At least one. */
  readonly listen: readonly string[];
  /** For TCP addresses; unix sockets are guarded by their file mode. Absent: plain text. */
  readonly tls?: ServerTls;
  readonly api: VolplaneApi;
  readonly log: Logger;
  readonly clock: Clock;
  readonly random?: Random;
  readonly limits?: Partial<RpcLimits>;
  readonly telemetry?: Telemetry;
}

/** PEM texts. */
export interface ServerTls {
  readonly cert: Buffer;
  readonly key: Buffer;
  /** Present: callers must show a certificate of this authority. */
  readonly clientCa?: Buffer;
}

/** The gRPC door: volplane.v1, health and server reflection on any number of addresses. Calls are answered as soon as it is open. */
export class RpcServer implements Resource {
  readonly name = 'rpc server';
  /** Where it listens, with the real ports. */
  readonly addresses: readonly string[];
  readonly #server: Server;
  readonly #health: HealthImplementation;
  readonly #admission: Admission;
  readonly #options: RpcServerOptions;
  #closing: Promise<void> | undefined;

  private constructor(parts: {
    readonly server: Server;
    readonly health: HealthImplementation;
    readonly admission: Admission;
    readonly options: RpcServerOptions;
    readonly addresses: readonly string[];
  }) {
    this.#server = parts.server;
    this.#health = parts.health;
    this.#admission = parts.admission;
    this.#options = parts.options;
    this.addresses = parts.addresses;
  }

  /**
   * Listens on every address, or on none. Health says NOT_SERVING until {@link setServing}.
   *
   * @throws AppError INVALID_ARGUMENT for an address that cannot be listened on; FOREIGN_DATA for a socket that another process serves
   */
  static async open(options: RpcServerOptions): Promise<RpcServer> {
    const protocol = loadProtocol();
    const limits = { ...RPC_LIMITS, ...options.limits };
    const server = new Server(transportOptions(limits));
    const telemetry = options.telemetry ?? noTelemetry;
    const admission = new Admission(limits.callsRunningMax, telemetry);
    const refusals = new Refusals({ codec: protocol.status, log: options.log, random: options.random ?? systemRandom });
    const desk = new CallDesk({ admission, refusals, limits, clock: options.clock, telemetry });
    for (const { definition, implementation } of servedServices(protocol, options.api, desk)) server.addService(definition, implementation);
    const health = new HealthImplementation(Object.fromEntries(HEALTH_NAMES.map((name) => [name, 'NOT_SERVING'])));
    health.addToServer(server);
    reflection().addToServer(server);
    try {
      const addresses = await bindAll(server, options);
      options.log.info('rpc server opened', { addresses });
      return new RpcServer({ server, health, admission, options, addresses });
    } catch (error) {
      server.forceShutdown();
      throw error;
    }
  }

  /** What health checks are told; calls are answered either way. */
  setServing(serving: boolean): void {
    for (const name of HEALTH_NAMES) this.#health.setStatus(name, serving ? 'SERVING' : 'NOT_SERVING');
  }

  /** Calls of a class that run now. */
  running(callClass: CallClass): number {
    return this.#admission.running(callClass);
  }

  /**
   * Says NOT_SERVING, takes no more calls, lets those that run end for `drainMs`, then ends them with UNKNOWN_OUTCOME. Watches
   * end at once. Safe to call again; the first call decides.
   */
  close(drainMs: number = DRAIN_MS): Promise<void> {
    this.#closing ??= this.#close(drainMs);
    return this.#closing;
  }

  async #close(drainMs: number): Promise<void> {
    const { clock, log } = this.#options;
    this.setServing(false);
    this.#admission.close();
    const shut = new Promise<void>((resolve) => {
      // Stops listening, tells callers to go elsewhere, and waits for their streams. What it fails with, forceShutdown mends.
      this.#server.tryShutdown(() => {
        resolve();
      });
    });
    await within(clock, drainMs, this.#admission.idle());
    const unfinished = this.#admission.abort();
    if (unfinished > 0) log.warn('calls ended unfinished', { calls: unfinished });
    // The last answers are still on their way; health watches and idle callers never end by themselves.
    await within(clock, FLUSH_MS, shut);
    this.#server.forceShutdown();
    log.info('rpc server closed', { addresses: this.addresses });
  }
}

/** How long running calls may take at {@link RpcServer.close} unless the caller says otherwise. */
const DRAIN_MS = 10_000;

/** Long enough for answers that are written already to leave. */
const FLUSH_MS = 500;

/** Who may connect to a unix socket: its owner and group. */
const SOCKET_MODE = 0o660;

const HEALTH_NAMES = ['', 'volplane.v1.Volumes', 'volplane.v1.Nodes', 'volplane.v1.Drivers'];

function transportOptions(limits: RpcLimits): Record<string, number> {
  return {
    'grpc.max_receive_message_length': limits.requestBytesMax * TRANSPORT_BYTES_FACTOR,
    // Answers are bounded before they are sent, with a reason.
    'grpc.max_send_message_length': -1,
    'grpc.max_concurrent_streams': STREAMS_OF_CONNECTION_MAX,
    // Finds callers that are gone without a word, whose watches would last for ever.
    'grpc.keepalive_time_ms': KEEPALIVE_MS,
    'grpc.keepalive_timeout_ms': KEEPALIVE_MS,
    // Bookkeeping of each call that nobody reads.
    'grpc.enable_channelz': 0,
  };
}

/** Above the sum of the classes, so that refusing is always ours and typed. */
const STREAMS_OF_CONNECTION_MAX = 16_384;
const KEEPALIVE_MS = 20_000;

/** Also describes health, so that a generic client needs no proto file at all. */
function reflection(): ReflectionService {
  return new ReflectionService(
    loadReflectionFiles([
      { files: PROTO_FILES, folder: protoFolder() },
      { files: [healthProtoPath], folder: dirname(healthProtoPath) },
    ]),
  );
}

async function bindAll(server: Server, options: RpcServerOptions): Promise<readonly string[]> {
  const addresses: string[] = [];
  const tls = options.tls;
  const credentials = tls === undefined ? ServerCredentials.createInsecure() : secureCredentials(tls);
  for (const text of options.listen) {
    const address = parseListenAddress(text);
    // One after the other: the first fault ends it, and tells which address it was.
    if (address.kind === 'unix') {
      await freeSocketPath(address.path, options.clock);
      await bind(server, formatListenAddress(address), ServerCredentials.createInsecure());
      await protectSocket(address.path, SOCKET_MODE);
      addresses.push(formatListenAddress(address));
    } else {
      const port = await bind(server, formatListenAddress(address), credentials);
      addresses.push(formatListenAddress({ ...address, port }));
    }
  }
  return addresses;
}

function bind(server: Server, address: string, credentials: ServerCredentials): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, credentials, (error, port) => {
      if (error === null) resolve(port);
      else reject(new AppError('INVALID_ARGUMENT', `cannot listen on ${address}; is it in use?`, { field: 'listen', address }, error));
    });
  });
}

function secureCredentials({ cert, key, clientCa }: ServerTls): ServerCredentials {
  return ServerCredentials.createSsl(clientCa ?? null, [{ private_key: key, cert_chain: cert }], clientCa !== undefined);
}

/** Waits for `work`, but not longer. */
async function within(clock: Clock, timeoutMs: number, work: Promise<void>): Promise<void> {
  let cancel = (): void => undefined;
  const timeout = new Promise<void>((resolve) => {
    cancel = clock.after(timeoutMs, resolve);
  });
  await Promise.race([work, timeout]);
  cancel();
}
