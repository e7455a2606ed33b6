import { systemClock } from '@volplane/base';
import { loadProtocol } from '@volplane/wire';
import { Client, credentials, Metadata, type CallOptions, type ChannelOptions, type ServiceError } from '@grpc/grpc-js';

/** A client as strangers write it: bytes of their own, with or without a deadline. */
export class RawClient {
  readonly grpc: Client;

  constructor(address: string, options: ChannelOptions = {}) {
    this.grpc = new Client(address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1, ...options });
  }

  /** @throws the ServiceError as grpc-js gives it */
  unary(path: string, request: Buffer, options: CallOptions = { deadline: systemClock.wallMs() + 30_000 }): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.grpc.makeUnaryRequest(path, sameBytes, sameBytes, request, new Metadata(), options, (error, answer) => {
        if (error === null && answer !== undefined) resolve(answer);
        else reject(error ?? new Error('no answer'));
      });
    });
  }

  close(): void {
    this.grpc.close();
  }
}

/** What a stranger sees of a refusal. */
export interface SeenRefusal {
  readonly code: number;
  readonly message: string;
  readonly reason: string | undefined;
  readonly fields: Readonly<Record<string, string>> | undefined;
  readonly retryDelayMs: number | undefined;
  /** What message and details take up in the headers. */
  readonly headerBytes: number;
}

/** The refusal that `work` rejects with. */
export async function refusal(work: Promise<unknown>): Promise<SeenRefusal> {
  try {
    await work;
  } catch (error) {
    const { code, details, metadata } = error as ServiceError; // as grpc-js rejects
    const [bytes] = metadata.get('grpc-status-details-bin');
    const status = bytes instanceof Buffer ? loadProtocol().status.decode(bytes) : undefined;
    const base64 = bytes instanceof Buffer ? bytes.toString('base64') : '';
    return {
      code,
      message: details,
      reason: status?.failure.reason,
      fields: status?.failure.fields,
      retryDelayMs: status?.retryDelayMs,
      headerBytes: encodeURI(details).length + base64.length,
    };
  }
  throw new Error('the call was not refused');
}

const sameBytes = (bytes: Buffer): Buffer => bytes;
