import { once } from 'node:events';
import { mkdir, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** What a method does instead of its work. `crash`: cuts the connection. `hang`: never answers. `late`: only after `until`. Text: the raw body of a 200. */
export type PluginFault =
  | { readonly kind: 'crash' }
  | { readonly kind: 'hang' }
  | { readonly kind: 'late'; readonly until: Promise<void> }
  | { readonly kind: 'raw'; readonly text: string; readonly status?: number };

/** A volume plugin over a unix socket that keeps a folder for each volume and counts mounts, as plain plugins do. */
export class FakePlugin {
  readonly socket: string;
  readonly #storage: string;
  readonly #server: Server;
  scope: unknown = 'GLOBAL';
  implements: readonly string[] = ['VolumeDriver'];
  extra: Readonly<Record<string, unknown>> = {};
  /** By method name without its prefix. */
  readonly faults = new Map<string, PluginFault>();
  /** Calls a method still answers before its fault. */
  readonly faultsAfter = new Map<string, number>();
  /** Keeps half a volume of each create, and says no. */
  leavesHalf = false;
  readonly volumes: Map<string, { readonly options: Readonly<Record<string, string>>; mounts: number }>;
  readonly calls: { readonly method: string; readonly body: string }[] = [];

  private constructor(folder: string, sharedWith: FakePlugin | undefined) {
    this.socket = join(folder, 'fake.sock');
    this.#storage = sharedWith?.storage ?? join(folder, 'storage');
    this.volumes = sharedWith?.volumes ?? new Map<string, { options: Readonly<Record<string, string>>; mounts: number }>();
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch((error: unknown) => {
        response.destroy(error as Error);
      });
    });
  }

  /** @param sharedWith - the plugin of another host on the same storage */
  static async start(folder: string, sharedWith?: FakePlugin): Promise<FakePlugin> {
    const plugin = new FakePlugin(folder, sharedWith);
    await plugin.restart();
    return plugin;
  }

  get storage(): string {
    return this.#storage;
  }

  async restart(): Promise<void> {
    this.#server.listen(this.socket);
    await once(this.#server, 'listening');
  }

  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async connections(): Promise<number> {
    return await promisify((done: (error: Error | null, count: number) => void) => this.#server.getConnections(done))();
  }

  countOf(method: string): number {
    return this.calls.filter((call) => call.method === method).length;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString('utf8');
    const method = (request.url ?? '').replace(/^.*\./, '');
    this.calls.push({ method, body });
    const left = this.faultsAfter.get(method) ?? 0;
    this.faultsAfter.set(method, left - 1);
    const fault = left > 0 ? undefined : this.faults.get(method);
    if (fault?.kind === 'hang') return;
    if (fault?.kind === 'late') await fault.until;
    if (fault?.kind === 'crash') response.destroy();
    else if (fault?.kind === 'raw') response.writeHead(fault.status ?? 200).end(fault.text);
    else {
      const answer = await this.#answer(method, body === '' ? {} : (JSON.parse(body) as PluginBody));
      response.writeHead(answer['Err'] === undefined ? 200 : 500).end(JSON.stringify(answer));
    }
  }

  async #answer(method: string, { Name: name = '', Opts: options = {} }: PluginBody): Promise<Readonly<Record<string, unknown>>> {
    const volume = this.volumes.get(name);
    const none = { Err: `no volume ${name}` };
    const shown = (of: string): object => ({
      Name: of,
      CreatedAt: '2026-01-02T03:04:05Z',
      Mountpoint: (this.volumes.get(of)?.mounts ?? 0) > 0 ? join(this.#storage, of) : '',
      Status: { Depth: { Of: 1 }, note: 'x'.repeat(500) },
    });
    switch (method) {
      case 'Activate':
        return { Implements: this.implements, ...this.extra };
      case 'Capabilities':
        return { Capabilities: { Scope: this.scope } };
      case 'Create':
        if (volume !== undefined) return { Err: `volume ${name} exists` };
        await mkdir(join(this.#storage, name), { recursive: true });
        this.volumes.set(name, { options, mounts: 0 });
        return this.leavesHalf ? { Err: 'quota exceeded' } : {};
      case 'Remove':
        if (volume === undefined) return none;
        if (volume.mounts > 0) return { Err: `volume ${name} is mounted` };
        this.volumes.delete(name);
        await rm(join(this.#storage, name), { recursive: true });
        return {};
      case 'Mount':
        if (volume === undefined) return none;
        volume.mounts += 1;
        return { Mountpoint: join(this.#storage, name) };
      case 'Unmount':
        if (volume === undefined || volume.mounts === 0) return { Err: `volume ${name} is not mounted` };
        volume.mounts -= 1;
        return {};
      case 'Get':
        return volume === undefined ? none : { Volume: shown(name) };
      case 'List':
        return { Volumes: [...this.volumes.keys()].map(shown) };
      default:
        return { Err: `no method ${method}` };
    }
  }
}

interface PluginBody {
  readonly Name?: string;
  readonly Opts?: Readonly<Record<string, string>>;
}
