import { PluginEndpoint, type PluginEndpointOptions } from './plugin-endpoint.js';
import type { PluginCall } from './plugin-protocol.js';
import { findIdentity, freeSocketPath, protectSocket, removeSocket, type FileIdentity } from '@volplane/host';

export type PluginSocketOptions<M extends string, R extends PluginCall> = Omit<PluginEndpointOptions<M, R>, 'listen' | 'tls'> & {
  readonly path: string;
};

/** A plugin endpoint on a unix socket that it keeps in place. */
export class PluginSocket<M extends string, R extends PluginCall> {
  readonly #options: PluginSocketOptions<M, R>;
  #endpoint: PluginEndpoint<M, R> | undefined;
  #identity: FileIdentity;
  /** Listeners of sockets that were taken away; calls may still run on their connections. */
  readonly #retired: PluginEndpoint<M, R>[] = [];

  private constructor(options: PluginSocketOptions<M, R>, opened: Opened<M, R>) {
    this.#options = options;
    this.#endpoint = opened.endpoint;
    this.#identity = opened.identity;
  }

  /** @throws AppError FOREIGN_DATA when a living process or a file that is no socket has the path */
  static async open<M extends string, R extends PluginCall>(options: PluginSocketOptions<M, R>): Promise<PluginSocket<M, R>> {
    return new PluginSocket(options, await openEndpoint(options));
  }

  get path(): string {
    return this.#options.path;
  }

  get identity(): FileIdentity {
    return this.#identity;
  }

  /**
   * Puts the socket back where something removed or replaced it.
   *
   * @returns true when it was put back
   * @throws AppError FOREIGN_DATA while another process serves the path
   */
  async ensure(): Promise<boolean> {
    if ((await findIdentity(this.path)) === this.#identity) return false;
    this.#options.log.warn('plugin socket was removed by something else; serving it again', { path: this.path });
    // The old listener goes first: closing it unlinks its path, whoever is there by then.
    this.#endpoint?.stopListening();
    if (this.#endpoint !== undefined) this.#retired.push(this.#endpoint);
    this.#endpoint = undefined;
    const opened = await openEndpoint(this.#options);
    this.#endpoint = opened.endpoint;
    this.#identity = opened.identity;
    return true;
  }

  async close(graceMs: number): Promise<void> {
    await removeSocket(this.path, this.#identity);
    await Promise.all(
      [...this.#retired, ...(this.#endpoint === undefined ? [] : [this.#endpoint])].map((endpoint) => endpoint.close(graceMs)),
    );
  }
}

interface Opened<M extends string, R extends PluginCall> {
  readonly endpoint: PluginEndpoint<M, R>;
  readonly identity: FileIdentity;
}

async function openEndpoint<M extends string, R extends PluginCall>(options: PluginSocketOptions<M, R>): Promise<Opened<M, R>> {
  await freeSocketPath(options.path, options.clock);
  const endpoint = await PluginEndpoint.open({ ...options, listen: { path: options.path } });
  try {
    return { endpoint, identity: await protectSocket(options.path) };
  } catch (error) {
    await endpoint.close(0);
    throw error;
  }
}
