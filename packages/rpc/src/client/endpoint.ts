import { AppError, abortReason } from '@volplane/base';
import type { CallContext } from '@volplane/engine';
import type { StatusCodec } from '@volplane/wire';
import {
  Client,
  connectivityState,
  Metadata,
  type ChannelCredentials,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ServiceError,
} from '@grpc/grpc-js';
import { formatListenAddress, parseListenAddress } from '../listen-address.js';
import { RPC_LIMITS, TRANSPORT_BYTES_FACTOR } from '../limits.js';
import { fromStatus, type CallFailure } from './from-status.js';

/** Bytes and path of one call. */
export interface RawCall {
  readonly path: string;
  readonly request: Buffer;
  /** Wall clock, as grpc-js takes it. */
  readonly deadlineMs: number;
  readonly context: CallContext;
}

/** Thrown by the calls of an endpoint, so that whoever fails over sees what became of the call. Never leaves this package. */
export class EndpointFailure extends Error {
  readonly failure: CallFailure;

  constructor(failure: CallFailure) {
    super(failure.error.message, { cause: failure.error });
    this.failure = failure;
  }
}

/** One address with one connection, made when the first call needs it. */
export class Endpoint {
  readonly address: string;
  readonly #client: Client;
  readonly #codec: StatusCodec;
  #closed = false;

  constructor(address: string, credentials: ChannelCredentials, codec: StatusCodec, serverName: string | undefined) {
    this.address = address;
    this.#codec = codec;
    this.#client = new Client(formatListenAddress(parseListenAddress(address)), credentials, channelOptions(serverName));
  }

  /**
   * Waits while a connection is being made, so that a host that swallows packets costs a bounded time and no call is lost in it.
   *
   * @returns false when there is none after `untilMs` (wall clock); a refused connection fails the call itself, at once
   * @throws AppError SHUTTING_DOWN after {@link close}
   */
  connected(untilMs: number, signal: AbortSignal): Promise<boolean> {
    if (this.#closed) throw closedClient();
    const channel = this.#client.getChannel();
    const state = channel.getConnectivityState(true);
    if (state !== connectivityState.CONNECTING && state !== connectivityState.IDLE) return Promise.resolve(true);
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        reject(abortReason(signal));
      };
      const watch = (seen: connectivityState): void => {
        channel.watchConnectivityState(seen, untilMs, (error) => {
          if (this.#closed) {
            // Asking a closed channel to connect would wake it up again.
            signal.removeEventListener('abort', onAbort);
            reject(closedClient());
            return;
          }
          const now = channel.getConnectivityState(true);
          const waiting = now === connectivityState.CONNECTING || now === connectivityState.IDLE;
          if (waiting && error === undefined && !signal.aborted) {
            watch(now);
            return;
          }
          signal.removeEventListener('abort', onAbort);
          resolve(!waiting);
        });
      };
      signal.addEventListener('abort', onAbort, { once: true });
      watch(state);
    });
  }

  get isReady(): boolean {
    return this.#client.getChannel().getConnectivityState(false) === connectivityState.READY;
  }

  /** @throws EndpointFailure; the signal's AppError */
  unary({ path, request, deadlineMs, context: { signal } }: RawCall): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(abortReason(signal));
        return;
      }
      const call = this.#client.makeUnaryRequest(
        path,
        sameBytes,
        sameBytes,
        request,
        NO_METADATA,
        { deadline: deadlineMs },
        (error, answer) => {
          signal.removeEventListener('abort', onAbort);
          if (answer !== undefined && error === null) resolve(answer);
          else if (signal.aborted) reject(abortReason(signal));
          else reject(this.#failure(error));
        },
      );
      const onAbort = (): void => {
        call.cancel();
      };
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** @throws EndpointFailure from the iteration; the signal's AppError */
  async *serverStream(call: Omit<RawCall, 'deadlineMs'>): AsyncGenerator<Buffer> {
    yield* this.#answers(
      this.#client.makeServerStreamRequest(call.path, sameBytes, sameBytes, call.request, NO_METADATA),
      call.context.signal,
    );
  }

  /** Sends `requests` at the pace of the server and yields the answers. @throws as {@link serverStream} */
  async *bidiStream(call: Omit<RawCall, 'request'>, requests: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    const { signal } = call.context;
    const stream = this.#client.makeBidiStreamRequest(call.path, sameBytes, sameBytes, NO_METADATA, { deadline: call.deadlineMs });
    let sendFault: unknown;
    // Not waited for: the server may end the call while the source of the requests is still thinking.
    send(stream, requests, signal).catch((error: unknown) => {
      sendFault = error;
      stream.cancel();
    });
    try {
      yield* this.#answers(stream, signal);
    } catch (error) {
      throw sendFault ?? error;
    }
  }

  close(): void {
    this.#closed = true;
    this.#client.close();
  }

  async *#answers(stream: ClientReadableStream<Buffer> | ClientDuplexStream<Buffer, Buffer>, signal: AbortSignal): AsyncGenerator<Buffer> {
    const onAbort = (): void => {
      stream.cancel();
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    // Cancelling makes an error that nobody waits for any more.
    stream.on('error', () => undefined);
    try {
      for await (const answer of stream) yield answer as Buffer;
    } catch (error) {
      if (signal.aborted) throw abortReason(signal);
      throw this.#failure(error);
    } finally {
      signal.removeEventListener('abort', onAbort);
      stream.cancel();
    }
  }

  #failure(error: unknown): Error {
    if (isServiceError(error)) return new EndpointFailure(fromStatus(error, this.#codec, this.address));
    return new AppError('INTERNAL', `the call to ${this.address} failed in this process`, { address: this.address }, error);
  }
}

function closedClient(): AppError {
  return new AppError('SHUTTING_DOWN', 'this client is closed; nothing was begun');
}

/** Sends until the source or the stream ends; waits where the server does not read. */
async function send(stream: ClientDuplexStream<Buffer, Buffer>, requests: AsyncIterable<Buffer>, signal: AbortSignal): Promise<void> {
  const state = { ended: false, wake: (): void => undefined };
  for (const event of ['drain', 'close', 'error', 'status'] as const) {
    stream.on(event, () => {
      state.ended ||= event !== 'drain';
      state.wake();
    });
  }
  for await (const request of requests) {
    if (state.ended || signal.aborted) return;
    if (stream.write(request)) continue;
    await new Promise<void>((resolve) => {
      state.wake = resolve;
    });
  }
  stream.end();
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && 'details' in error && 'metadata' in error && error.metadata instanceof Metadata;
}

function channelOptions(serverName: string | undefined): Record<string, string | number> {
  return {
    'grpc.max_receive_message_length': RPC_LIMITS.answerBytesMax * TRANSPORT_BYTES_FACTOR,
    'grpc.max_send_message_length': -1,
    'grpc.keepalive_time_ms': KEEPALIVE_MS,
    'grpc.keepalive_timeout_ms': KEEPALIVE_MS,
    'grpc.initial_reconnect_backoff_ms': RECONNECT_MS_FIRST,
    'grpc.max_reconnect_backoff_ms': RECONNECT_MS_MAX,
    // Repeating is decided by who knows what a call does, and nothing is kept for it on the way.
    'grpc.enable_retries': 0,
    'grpc.service_config_disable_resolution': 1,
    'grpc.enable_channelz': 0,
    // Two clients of one process share nothing, so that closing one is no matter of the other.
    'grpc.use_local_subchannel_pool': 1,
    ...(serverName === undefined ? {} : { 'grpc.ssl_target_name_override': serverName, 'grpc.default_authority': serverName }),
  };
}

const KEEPALIVE_MS = 20_000;
const RECONNECT_MS_FIRST = 100;
const RECONNECT_MS_MAX = 2_000;

const NO_METADATA = new Metadata();

const sameBytes = (bytes: Buffer): Buffer => bytes;
