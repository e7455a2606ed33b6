import { systemClock } from '@volplane/base';
import { Client, credentials, Metadata, type ClientDuplexStream } from '@grpc/grpc-js';

/**
 * Bytes in, bytes out: the same client for every gRPC server that is measured, so that what differs is the server.
 * Requests are encoded as they are sent; answers are looked at by status only.
 */
export class RawGrpc {
  readonly #client: Client;

  constructor(address: string) {
    this.#client = new Client(address, credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_channelz': 0,
      'grpc.enable_retries': 0,
      'grpc.service_config_disable_resolution': 1,
    });
  }

  call(path: string, request: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const deadline = systemClock.wallMs() + DEADLINE_MS;
      this.#client.makeUnaryRequest(path, same, same, request, METADATA, { deadline }, (error, answer) => {
        if (error !== null) reject(error);
        else resolve(answer ?? EMPTY);
      });
    });
  }

  stream(path: string): ClientDuplexStream<Buffer, Buffer> {
    return this.#client.makeBidiStreamRequest(path, same, same, METADATA, { deadline: systemClock.wallMs() + DEADLINE_MS });
  }

  close(): void {
    this.#client.close();
  }
}

const same = (bytes: Buffer): Buffer => bytes;
const METADATA = new Metadata();
const EMPTY = Buffer.alloc(0);
const DEADLINE_MS = 60_000;
