import { silentLogger, systemClock, type LogFields, type Logger } from '@volplane/base';
import type { CallContext, VolplaneApi } from '@volplane/engine';
import { createClient, RpcServer, type ClientOptions, type RpcServerOptions, type VolplaneClient } from '@volplane/rpc';

/** Servers and clients of one test; closed together. */
export class RpcWorld {
  readonly #closers: (() => Promise<void>)[] = [];

  async server(api: VolplaneApi, options: Partial<RpcServerOptions> = {}): Promise<RpcServer> {
    const server = await RpcServer.open({ listen: ['127.0.0.1:0'], log: silentLogger, clock: systemClock, ...options, api });
    this.#closers.push(() => server.close(0));
    return server;
  }

  client(addresses: readonly string[], options: Partial<ClientOptions> = {}): VolplaneClient {
    const client = createClient({ addresses, ...options });
    this.#closers.push(() => client.close());
    return client;
  }

  /** For what the test opened itself. */
  closes(close: () => Promise<void> | void): void {
    this.#closers.push(async () => {
      await close();
    });
  }

  async close(): Promise<void> {
    // Clients before the servers that they call.
    for (const close of this.#closers.splice(0).reverse()) await close();
  }
}

/** A context whose call nobody gives up. */
export function patient(timeoutMs = 30_000): CallContext {
  return { signal: new AbortController().signal, timeoutMs };
}

export interface LogLine {
  readonly level: 'error' | 'warn' | 'info' | 'debug';
  readonly message: string;
  readonly fields: LogFields;
}

export function recordingLogger(): { readonly log: Logger; readonly lines: LogLine[] } {
  const lines: LogLine[] = [];
  const write =
    (level: LogLine['level']) =>
    (message: string, fields: LogFields = {}): void => {
      lines.push({ level, message, fields });
    };
  const log: Logger = { error: write('error'), warn: write('warn'), info: write('info'), debug: write('debug'), child: () => log };
  return { log, lines };
}

/** All that an iteration yields. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
