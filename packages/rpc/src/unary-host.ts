import {
  Metadata,
  Server,
  ServerCredentials,
  status,
  type sendUnaryData,
  type ServerUnaryCall,
  type ServiceDefinition,
} from '@grpc/grpc-js';
import { AppError, withTimeout, type Clock, type Logger, type Resource } from '@volplane/base';
import { statusText } from './status-text.js';

/** What is known of one call beside its message. */
export interface UnaryCall {
  /** Milliseconds until the caller gives up; Infinity when it set no deadline. */
  readonly timeoutMs: number;
  /** Fires when the caller has gone or its deadline has passed. */
  readonly gone: AbortSignal;
}

/** Answers one method; what it throws becomes the call's status through {@link UnaryHostOptions.toStatus}. */
export type UnaryHandler = (request: never, call: UnaryCall) => Promise<object>;

/** One service: how its messages look on the wire, and who answers. Methods without a handler are UNIMPLEMENTED. */
export interface UnaryService {
  readonly definition: ServiceDefinition;
  readonly handlers: Readonly<Record<string, UnaryHandler>>;
}

/** A canonical gRPC code by its name. */
export type UnaryStatusCode = Exclude<keyof typeof status, 'OK'>;

export interface UnaryHostOptions {
  /** A gRPC address: `unix:///absolute/path`, `127.0.0.1:0`. */
  readonly address: string;
  readonly services: readonly UnaryService[];
  /** A failure as code and text; nothing else of it leaves the process. Text that is too long for a status is cut. */
  readonly toStatus: (error: unknown) => { readonly code: UnaryStatusCode; readonly message: string };
  readonly clock: Clock;
  readonly log: Logger;
  /** How long calls in flight may go on when it closes; default {@link CLOSE_GRACE_MS}. */
  readonly closeGraceMs?: number;
}

/**
 * Serves unary methods of any proto file by plain async functions: for protocols of others (CSI), without TLS.
 *
 * A handler that fails is always answered: grpc-js itself would leave the caller waiting.
 */
export class UnaryHost implements Resource {
  readonly name: string;
  readonly #server: Server;
  readonly #options: UnaryHostOptions;
  #closing: Promise<void> | undefined;

  private constructor(server: Server, options: UnaryHostOptions) {
    this.name = `grpc server at ${options.address}`;
    this.#server = server;
    this.#options = options;
  }

  /** @throws AppError INVALID_ARGUMENT when the address cannot be bound */
  static async open(options: UnaryHostOptions): Promise<UnaryHost> {
    const server = new Server();
    for (const { definition, handlers } of options.services) {
      const implementation = Object.entries(handlers).map(
        ([method, handler]) => [method, toGrpcHandler(options, method, handler)] as const,
      );
      server.addService(definition, Object.fromEntries(implementation));
    }
    await new Promise<void>((resolve, reject) => {
      server.bindAsync(options.address, ServerCredentials.createInsecure(), (error) => {
        if (error === null) resolve();
        else reject(new AppError('INVALID_ARGUMENT', `${options.address} cannot be served`, { address: options.address }, error));
      });
    });
    return new UnaryHost(server, options);
  }

  /** Takes no new calls, lets those in flight end for a bounded time, then cuts them off. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { clock, log, closeGraceMs = CLOSE_GRACE_MS } = this.#options;
    const ended = new Promise<void>((resolve) => {
      this.#server.tryShutdown(() => {
        resolve();
      });
    });
    try {
      await withTimeout(clock, ended, { timeoutMs: closeGraceMs, onTimeout: () => new Error('calls were still in flight') });
    } catch (error) {
      log.warn('grpc server was cut off', { address: this.#options.address, error });
      this.#server.forceShutdown();
    }
  }
}

function toGrpcHandler(
  options: UnaryHostOptions,
  method: string,
  handler: UnaryHandler,
): (call: ServerUnaryCall<unknown, object>, callback: sendUnaryData<object>) => void {
  const { toStatus, clock, log } = options;
  return (call, callback) => {
    const gone = new AbortController();
    call.once('cancelled', () => {
      gone.abort(new AppError('CANCELLED', 'the caller went away before the answer'));
    });
    const deadline = call.getDeadline();
    const timeoutMs = deadline === Infinity ? Infinity : Number(deadline) - clock.wallMs();
    // The service definition decodes the message that the handler of this method takes. What it throws at once is a rejection too.
    const run = async (): Promise<object> => await handler(call.request as never, { timeoutMs, gone: gone.signal });
    run().then(
      (response) => {
        log.debug('call answered', { method });
        callback(null, response);
      },
      (error: unknown) => {
        const { code, message } = toStatus(error);
        log.debug('call refused', { method, code, error });
        callback({ code: status[code], details: statusText(message), metadata: new Metadata() });
      },
    );
  };
}

const CLOSE_GRACE_MS = 5_000;
