import { join } from 'node:path';
import { AppError, type Clock, type Logger, type Random, type Resource } from '@volplane/base';
import { quote, type DriverName, type NodeName, type Scope } from '@volplane/domain';
import type { CallContext } from '@volplane/engine';
import { removeDiscoveryFile, writeDiscoveryFile, type TlsClientPaths } from './discovery-file.js';
import { EngineClient } from './engine/engine-client.js';
import { isMountedElsewhere } from './engine/foreign-mounts.js';
import { UseReconciler, type ReconciledPlugin } from './engine/use-reconciler.js';
import { MountUses } from './mount-uses.js';
import { OptionsGuard } from './guard/options-guard.js';
import { GUARD_PROTOCOL } from './guard/guard-request.js';
import { PluginEndpoint, type PluginEndpointOptions, type TlsServerFiles } from './plugin-endpoint.js';
import { PluginSocket } from './plugin-socket.js';
import { VOLUME_PROTOCOL, type Method, type PluginRequest } from './protocol.js';
import { SocketWatcher, type WatchedFile } from './socket-watcher.js';
import { VolumeCalls, type DoorApi } from './volume-calls.js';

/** One plugin as engines see it: its name, and the driver whose volumes it serves. */
export interface PluginSpec {
  /** The file's name in the plugin folder and the `--driver` of `docker volume create`; 1 to 63 of [a-z0-9._-]. */
  readonly socketName: string;
  readonly driver: DriverName;
  readonly scope: Scope;
}

/** The same plugins over TCP, one port each, with a discovery file each. */
export interface PluginTcpOptions {
  /** Where the discovery files go: `/etc/docker/plugins` or `/usr/lib/docker/plugins`. */
  readonly specFolder: string;
  /** The address to listen on and to write into the files. */
  readonly host: string;
  /** The first plugin's port, the others follow. 0 = any free one for each. */
  readonly port: number;
  readonly tls?: { readonly server: TlsServerFiles; readonly client: TlsClientPaths };
}

export interface EngineOptions {
  /** The API sockets of **all** engines that use the plugin folder, usually `/run/docker.sock` alone. */
  readonly sockets: readonly string[];
  /** How old a use is at least before it can be ended. */
  readonly graceMs?: number;
  readonly intervalMs?: number;
}

export interface DockerPluginServerOptions {
  /** The engine's plugin folder, usually `/run/docker/plugins`. */
  readonly folder: string;
  readonly sockets: readonly PluginSpec[];
  readonly api: DoorApi;
  readonly node: NodeName;
  readonly log: Logger;
  readonly clock: Clock;
  readonly random: Random;
  readonly tcp?: PluginTcpOptions;
  /** Name of the guard, an authorization plugin that refuses creates with other options for a volume that exists. Absent: not served. */
  readonly guardName?: string;
  /** How to ask the engines of this host what runs. Absent: a use that an engine forgot stays until an operator unmounts it. */
  readonly engines?: EngineOptions;
  /** For tests; default METHOD_TIMEOUT_MS of the protocol. */
  readonly timeoutsMs?: Readonly<Record<Method, number>>;
}

/**
 * The Docker door of one agent: a volume plugin for each driver.
 *
 * The sockets and discovery files vanish with the process, also after `kill -9`: a child process removes them. While it runs, a sweep puts a
 * socket back that something removed.
 */
export class DockerPluginServer implements Resource {
  readonly name = 'docker plugin server';
  readonly #options: DockerPluginServerOptions;
  readonly #plugins: Plugin[] = [];
  readonly #sockets: KeptSocket[] = [];
  readonly #tcp: { readonly endpoint: PluginEndpoint<Method, PluginRequest>; readonly file: WatchedFile }[] = [];
  #watcher: SocketWatcher | undefined;
  #reconciling: { readonly stop: AbortController; readonly ended: Promise<void> } | undefined;
  #cancelSweep: () => void = () => undefined;
  #sweeping: Promise<void> = Promise.resolve();
  #closed: Promise<void> | undefined;

  private constructor(options: DockerPluginServerOptions) {
    this.#options = options;
  }

  /**
   * Serves every plugin, or none.
   *
   * @throws AppError INVALID_ARGUMENT for the options; FOREIGN_DATA when a path is taken by a living process
   */
  static async open(options: DockerPluginServerOptions): Promise<DockerPluginServer> {
    checkSpecs(options.sockets, options.guardName);
    const server = new DockerPluginServer(options);
    try {
      await server.#start();
    } catch (error) {
      await server.close();
      throw error;
    }
    return server;
  }

  /** Idempotent; running calls get {@link CLOSE_GRACE_MS}. No file is left. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #start(): Promise<void> {
    for (const [index, spec] of this.#options.sockets.entries()) {
      const uses = new MountUses(this.#options.clock);
      const calls = new VolumeCalls({ ...this.#options, driver: spec.driver, scope: spec.scope, uses });
      this.#plugins.push({ calls, uses, spec });
      // One after the other, so that a failure leaves a known state.
      this.#sockets.push(
        await PluginSocket.open({ ...this.#endpointOptions(spec, calls), path: join(this.#options.folder, `${spec.socketName}.sock`) }),
      );
      if (this.#options.tcp !== undefined) await this.#openTcp(this.#options.tcp, index, spec, calls);
    }
    if (this.#options.guardName !== undefined) await this.#openGuard(this.#options.guardName);
    await this.#watch();
    this.#scheduleSweep();
    this.#reconcile(this.#options.engines);
  }

  #reconcile(engines: EngineOptions | undefined): void {
    if (engines === undefined) return;
    const { clock, log } = this.#options;
    const { sockets, ...times } = engines;
    const clients = sockets.map((socketPath) => new EngineClient({ socketPath, clock }));
    const reconciler = new UseReconciler({
      plugins: this.#plugins.map(toReconciled),
      engines: clients,
      isMountedElsewhere,
      clock,
      log,
      ...times,
    });
    const stop = new AbortController();
    this.#reconciling = { stop, ended: reconciler.run(stop.signal) };
  }

  async #openGuard(name: string): Promise<void> {
    const { api, clock, folder, log, node, sockets } = this.#options;
    const guard = new OptionsGuard({ api, node, plugins: sockets, log });
    const handle = guard.call.bind(guard);
    this.#sockets.push(await PluginSocket.open({ name, protocol: GUARD_PROTOCOL, handle, clock, log, path: join(folder, `${name}.sock`) }));
  }

  async #openTcp(tcp: PluginTcpOptions, index: number, spec: PluginSpec, calls: VolumeCalls): Promise<void> {
    const listen = { host: tcp.host, port: tcp.port === 0 ? 0 : tcp.port + index };
    const endpoint = await PluginEndpoint.open({
      ...this.#endpointOptions(spec, calls),
      listen,
      ...(tcp.tls !== undefined && { tls: tcp.tls.server }),
    });
    const { port = 0 } = endpoint;
    const entry = { name: spec.socketName, host: tcp.host, port, ...(tcp.tls !== undefined && { tls: tcp.tls.client }) };
    const file = await writeDiscoveryFile(tcp.specFolder, entry).catch(async (error: unknown) => {
      await endpoint.close(0);
      throw error;
    });
    this.#tcp.push({ endpoint, file });
  }

  #endpointOptions({ socketName }: PluginSpec, calls: VolumeCalls): Omit<PluginEndpointOptions<Method, PluginRequest>, 'listen' | 'tls'> {
    const { clock, log, timeoutsMs } = this.#options;
    const protocol = timeoutsMs === undefined ? VOLUME_PROTOCOL : { ...VOLUME_PROTOCOL, timeoutsMs };
    return { name: socketName, protocol, handle: (method, request, context) => calls.call(method, request, context), clock, log };
  }

  /** The watcher's list is fixed when it starts; a socket that was put back needs another one. */
  async #watch(): Promise<void> {
    const before = this.#watcher;
    const sockets = this.#sockets.map(({ path, identity }) => ({ path, identity }));
    this.#watcher = await SocketWatcher.start([...sockets, ...this.#tcp.map(({ file }) => file)]);
    await before?.dismiss();
  }

  #scheduleSweep(): void {
    this.#cancelSweep = this.#options.clock.after(SWEEP_INTERVAL_MS, () => {
      this.#sweeping = this.#sweep()
        .catch((error: unknown) => {
          this.#options.log.warn('plugin sockets cannot be checked', { error });
        })
        .then(() => {
          if (this.#closed === undefined) this.#scheduleSweep();
        });
    });
  }

  async #sweep(): Promise<void> {
    let moved = false;
    for (const socket of this.#sockets) {
      // One after the other: a rare repair needs no speed.
      if (this.#closed === undefined && (await socket.ensure())) moved = true;
    }
    if (this.#closed === undefined && (moved || this.#watcher?.running !== true)) await this.#watch();
  }

  async #close(): Promise<void> {
    this.#cancelSweep();
    this.#reconciling?.stop.abort();
    await Promise.all([this.#sweeping, this.#reconciling?.ended]);
    await Promise.all([
      ...this.#sockets.map((socket) => socket.close(CLOSE_GRACE_MS)),
      ...this.#tcp.map(async ({ endpoint, file }) => {
        await removeDiscoveryFile(file.path);
        await endpoint.close(CLOSE_GRACE_MS);
      }),
    ]);
    await Promise.all(this.#plugins.map(({ calls }) => calls.close()));
    await this.#watcher?.dismiss();
  }
}

/** A socket of whichever protocol. */
type KeptSocket = Pick<PluginSocket<Method, PluginRequest>, 'path' | 'identity' | 'ensure' | 'close'>;

interface Plugin {
  readonly calls: VolumeCalls;
  readonly uses: MountUses;
  readonly spec: PluginSpec;
}

/** A look at the uses has time: nobody waits for it. */
const RECONCILE_CALL_MS = 30_000;

/** Calls that are in flight at the stop of an agent are local work or one commit; hung ones are cut. */
const CLOSE_GRACE_MS = 5_000;

/** One `stat` for each socket; a socket that was removed by mistake is missed for at most this long. */
const SWEEP_INTERVAL_MS = 5_000;

const SOCKET_NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/;

function toReconciled({ calls, uses, spec }: Plugin): ReconciledPlugin {
  const context = (signal: AbortSignal): CallContext => ({ signal, timeoutMs: RECONCILE_CALL_MS });
  return {
    name: spec.socketName,
    learn: (signal) => calls.learnHeld(context(signal)),
    uses: () => uses.list(),
    path: (volume, signal) => calls.findPath(volume, context(signal)),
    end: (volume, members) => {
      calls.endUses(volume, members);
    },
  };
}

function checkSpecs(specs: readonly PluginSpec[], guardName: string | undefined): void {
  const names = [...specs.map(({ socketName }) => socketName), ...(guardName === undefined ? [] : [guardName])];
  for (const [index, name] of names.entries()) {
    if (!SOCKET_NAME.test(name)) {
      throw new AppError(
        'INVALID_ARGUMENT',
        `plugin name ${quote(name)} is not allowed: use 1 to 63 of [a-z0-9._-], a letter or digit first`,
      );
    }
    if (names.indexOf(name) !== index) throw new AppError('INVALID_ARGUMENT', `plugin name ${name} is given twice`);
  }
  // Each of two plugins would list the volumes of the other as its own.
  const drivers = specs.map(({ driver }) => driver);
  const twice = drivers.find((driver, index) => drivers.indexOf(driver) !== index);
  if (twice !== undefined) throw new AppError('INVALID_ARGUMENT', `driver ${twice} has two plugins; give it one`);
}
