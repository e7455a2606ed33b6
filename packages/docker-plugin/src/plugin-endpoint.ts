import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, ListenOptions } from 'node:net';
import { AppError, errorText, withTimeout, type Clock, type Logger } from '@volplane/base';
import type { CallContext } from '@volplane/engine';
import { CONTENT_TYPE, errorLine } from './plugin-answer.js';
import type { PluginCall, PluginProtocol, Reply } from './plugin-protocol.js';

export interface PluginEndpointOptions<M extends string, R extends PluginCall> {
  /** Shown in errors and logs. */
  readonly name: string;
  readonly protocol: PluginProtocol<M, R>;
  readonly handle: (method: M, request: R, context: CallContext) => Promise<Reply>;
  readonly listen: ListenOptions;
  readonly tls?: TlsServerFiles;
  readonly clock: Clock;
  readonly log: Logger;
}

/** PEM texts. With `ca` only clients with a certificate of it are served. */
export interface TlsServerFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca?: string;
}

/**
 * One listening HTTP server of the plugin protocol: bounded bodies, bounded times, bounded calls for one volume, errors as
 * engines read them, and a word to the handler when a caller was gone before its answer.
 */
export class PluginEndpoint<M extends string, R extends PluginCall> {
  readonly #options: PluginEndpointOptions<M, R>;
  readonly #server: Server;
  readonly #stopping = new AbortController();
  readonly #running = new Set<Promise<void>>();
  readonly #callsPerVolume = new Map<string, number>();

  private constructor(options: PluginEndpointOptions<M, R>) {
    this.#options = options;
    const listener: RequestListener = (request, response) => {
      const running = this.#serve(request, response).finally(() => {
        this.#running.delete(running);
      });
      this.#running.add(running);
    };
    const { tls } = options;
    this.#server =
      tls === undefined
        ? createServer(listener)
        : createTlsServer({ ...tls, requestCert: tls.ca !== undefined, rejectUnauthorized: true }, listener);
    // Engines keep connections for later calls. Closing an idle one meets their next call half-way, and they repeat that
    // without its body (moby#39331), so idle connections stay.
    this.#server.keepAliveTimeout = 0;
    this.#server.requestTimeout = REQUEST_READ_TIMEOUT_MS;
    this.#server.headersTimeout = REQUEST_READ_TIMEOUT_MS;
    this.#server.maxConnections = CONNECTIONS_MAX;
  }

  /** @throws Node's own error (EADDRINUSE, EACCES, …) */
  static async open<M extends string, R extends PluginCall>(options: PluginEndpointOptions<M, R>): Promise<PluginEndpoint<M, R>> {
    const endpoint = new PluginEndpoint(options);
    const server = endpoint.#server;
    server.listen(options.listen);
    await once(server, 'listening');
    server.on('error', (error) => {
      options.log.warn('plugin server failed', { plugin: options.name, error });
    });
    return endpoint;
  }

  /** Undefined for unix sockets. */
  get port(): number | undefined {
    const address: AddressInfo | string | null = this.#server.address();
    return address === null || typeof address === 'string' ? undefined : address.port;
  }

  /** Takes no more connections and lets go of the socket's path; open connections go on. */
  stopListening(): void {
    this.#server.close();
    this.#server.closeIdleConnections();
  }

  /** Takes no more connections or calls, gives running calls `graceMs`, then cuts every connection. */
  async close(graceMs: number): Promise<void> {
    this.#stopping.abort();
    this.stopListening();
    const ended = Promise.all(this.#running);
    const cut = (): Error => new Error('cut');
    await withTimeout(this.#options.clock, ended, { timeoutMs: graceMs, onTimeout: cut }).catch((error: unknown) => {
      this.#options.log.warn('plugin calls were cut at the stop', { plugin: this.#options.name, error });
    });
    this.#server.closeAllConnections();
  }

  /** Never rejects: an endpoint answers, or its caller is gone. */
  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { log, name } = this.#options;
    const gone = new AbortController();
    response.once('close', () => {
      if (!response.writableFinished) gone.abort(new AppError('CANCELLED', `the caller of plugin ${name} is gone`));
    });
    const [path = ''] = (request.url ?? '').split('?', 1);
    const call = await this.#answer(path, request, gone.signal);
    if (call.error !== undefined) log.debug('plugin call refused', { plugin: name, path, error: call.error });
    if (!(await send(response, call.status, call.body))) call.undelivered?.();
  }

  async #answer(path: string, request: IncomingMessage, gone: AbortSignal): Promise<HttpAnswer> {
    const { protocol } = this.#options;
    const method = protocol.findMethod(path);
    if (method === undefined) return refusal(404, new AppError('NOT_IMPLEMENTED', `the plugin has no call ${path.slice(0, 100)}`));
    if (request.method !== 'POST') return refusal(405, new AppError('INVALID_ARGUMENT', 'the plugin protocol uses POST'));
    let parsed: R;
    try {
      const ignored = protocol.ignoresBody?.has(method) === true;
      parsed = protocol.parseRequest(method, await readBody(request, ignored ? 0 : protocol.bodyBytesMax, ignored));
    } catch (error) {
      return refusal(error instanceof AppError && error.reason === 'TOO_LARGE' ? 413 : 400, error);
    }
    if (this.#stopping.signal.aborted)
      return refusal(500, new AppError('SHUTTING_DOWN', `the agent that serves plugin ${this.#options.name} is stopping`));
    return await this.#handle(method, parsed, gone);
  }

  /** Runs the call within its time. What ends after that is told to the reply's `undelivered`. */
  async #handle(method: M, request: R, gone: AbortSignal): Promise<HttpAnswer> {
    const { clock, handle, protocol } = this.#options;
    const timeoutMs = protocol.timeoutsMs[method];
    const late = new AbortController();
    const work = this.#counted(request.name, () => handle(method, request, { signal: AbortSignal.any([gone, late.signal]), timeoutMs }));
    try {
      const onTimeout = (): Error => this.#timeoutError(method, request, timeoutMs);
      const { answer, undelivered } = await withTimeout(clock, work, { timeoutMs, onTimeout, signal: gone });
      return { status: 200, body: { ...answer, Err: '' }, ...(undelivered !== undefined && { undelivered }) };
    } catch (error) {
      late.abort(error);
      work.then(
        ({ undelivered }) => undelivered?.(),
        // What the call itself ended with is this error, or nobody waits for it any more.
        () => undefined,
      );
      return refusal(500, error);
    }
  }

  async #counted<T>(volume: string, work: () => Promise<T>): Promise<T> {
    const calls = this.#callsPerVolume.get(volume) ?? 0;
    if (calls >= CALLS_PER_VOLUME_MAX) {
      throw new AppError('OVERLOADED', `${String(calls)} calls for volume ${JSON.stringify(volume)} already wait for an answer`, {
        volume,
        retryDelayMs: '1000',
      });
    }
    this.#callsPerVolume.set(volume, calls + 1);
    try {
      return await work();
    } finally {
      const left = (this.#callsPerVolume.get(volume) ?? 1) - 1;
      if (left > 0) this.#callsPerVolume.set(volume, left);
      else this.#callsPerVolume.delete(volume);
    }
  }

  #timeoutError(method: M, { name }: R, timeoutMs: number): AppError {
    const what = name === '' ? method : `${method} of volume ${JSON.stringify(name)}`;
    return new AppError(
      'DEADLINE_EXCEEDED',
      `${what} was not answered within ${String(timeoutMs / 1000)} s; whether it happens is not known yet`,
      { volume: name },
    );
  }
}

interface HttpAnswer {
  readonly status: number;
  readonly body: object;
  readonly error?: unknown;
  readonly undelivered?: () => void;
}

/** Engines use a handful of connections; the bound is for callers that leak them. */
const CONNECTIONS_MAX = 1_024;

/** A whole host may start its containers on one shared volume at once; beyond this the volume hangs. */
const CALLS_PER_VOLUME_MAX = 256;

/** The body of a call is sent at once, over a local socket or a local network. */
const REQUEST_READ_TIMEOUT_MS = 15_000;

function refusal(status: number, error: unknown): HttpAnswer {
  return { status, body: { Err: errorLine(error) }, error };
}

/** The request stays open when its body is too large, so that the caller can be told. */
function readBody(request: IncomingMessage, bytesMax: number, dropRest: boolean): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  return new Promise((resolve, reject) => {
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= bytesMax) chunks.push(chunk);
      else if (!dropRest) {
        request.pause();
        reject(new AppError('TOO_LARGE', `the request is larger than ${String(bytesMax)} bytes`));
      }
    });
    request.once('end', () => {
      resolve(Buffer.concat(chunks).toString('utf8'));
    });
    request.once('error', reject);
    request.once('close', () => {
      reject(new AppError('CANCELLED', 'the caller was gone before its request was whole'));
    });
  });
}

/** @returns whether the whole answer was handed to the connection */
function send(response: ServerResponse, status: number, body: unknown): Promise<boolean> {
  const { socket } = response;
  if (response.destroyed || socket === null) return Promise.resolve(false);
  const text = encode(body);
  return new Promise((resolve) => {
    // Node says so too of an answer whose connection broke under it. Asked before Node's own listener, which may end the connection.
    response.prependOnceListener('finish', () => {
      resolve(!socket.destroyed);
    });
    response.once('close', () => {
      resolve(false);
    });
    // What is left of a body that was not read whole must not be taken for the next call.
    if (status === 413) response.shouldKeepAlive = false;
    response.writeHead(status, { 'Content-Type': CONTENT_TYPE, 'Content-Length': Buffer.byteLength(text) });
    response.end(text);
  });
}

function encode(body: unknown): string {
  try {
    return JSON.stringify(body);
  } catch (error) {
    return JSON.stringify({ Err: `the answer cannot be written: ${errorText(error)}` });
  }
}
