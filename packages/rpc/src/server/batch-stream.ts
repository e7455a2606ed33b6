import { AppError } from '@volplane/base';
import type { CreateVolumeRequest, VolumeView } from '@volplane/domain';
import type { CallContext } from '@volplane/engine';
import type { BatchItem, CodedBatchResult, Protocol } from '@volplane/wire';
import type { handleBidiStreamingCall, ServerDuplexStream } from '@grpc/grpc-js';
import { statusOf } from '../status-map.js';
import type { CallDesk } from './call-desk.js';
import type { OpenCall } from './open-call.js';

/**
 * A stream of creates. Each volume is created on its own; results are written in the order in which they come, all that are ready
 * in one message. At most `limits.batchWindow` volumes are begun and not yet written: at the limit the stream is not read further,
 * so a caller that does not read its results stops itself.
 */
export function batchStream(
  desk: CallDesk,
  method: Protocol['volumes']['createVolumes'],
  create: (request: CreateVolumeRequest, context: CallContext) => Promise<VolumeView>,
): handleBidiStreamingCall<Buffer, Buffer> {
  return (call) => {
    const refuse = (error: unknown): void => {
      call.emit('error', desk.refusals.toStatus(error, method.path));
    };
    try {
      const open = desk.open(call, 'batch', refuse);
      new BatchRun({ desk, method, create, call, open }).start();
    } catch (error) {
      refuse(error);
    }
  };
}

interface BatchRunOptions {
  readonly desk: CallDesk;
  readonly method: Protocol['volumes']['createVolumes'];
  readonly create: (request: CreateVolumeRequest, context: CallContext) => Promise<VolumeView>;
  readonly call: ServerDuplexStream<Buffer, Buffer>;
  readonly open: OpenCall;
}

class BatchRun {
  readonly #options: BatchRunOptions;
  /** Volumes of the message at hand that are not begun yet. */
  #waiting: readonly BatchItem[] = [];
  #begun = 0;
  /** Begun and not yet written. */
  #inWork = 0;
  #nextIndex = 0;
  #ready: CodedBatchResult[] = [];
  #flushing = false;
  #inputEnded = false;

  constructor(options: BatchRunOptions) {
    this.#options = options;
  }

  start(): void {
    const { call } = this.#options;
    call.on('data', (bytes: Buffer) => {
      call.pause();
      this.#guard(() => {
        this.#receive(bytes);
      });
    });
    call.on('end', () => {
      this.#inputEnded = true;
      this.#endIfDone();
    });
    call.on('drain', () => {
      this.#flushing = false;
      this.#flush();
    });
  }

  #receive(bytes: Buffer): void {
    const { desk, method } = this.#options;
    this.#waiting = desk.decode(method, bytes);
    this.#begun = 0;
    this.#beginMore();
  }

  #beginMore(): void {
    const { desk, call, open } = this.#options;
    while (this.#begun < this.#waiting.length && this.#inWork < desk.limits.batchWindow && !open.ended) {
      const item = this.#waiting[this.#begun];
      this.#begun += 1;
      if (item !== undefined) this.#begin(item);
    }
    if (this.#begun === this.#waiting.length && !this.#inputEnded && !open.ended) call.resume();
  }

  #begin(item: BatchItem): void {
    const index = this.#nextIndex;
    this.#nextIndex += 1;
    this.#inWork += 1;
    this.#create(item).then(
      (volume) => {
        this.#settle({ index, volume, statusCode: 0 });
      },
      (error: unknown) => {
        const { desk, method } = this.#options;
        const failure = desk.refusals.toFailure(error, method.path);
        this.#settle({ index, failure, statusCode: statusOf(failure) });
      },
    );
  }

  async #create(item: BatchItem): Promise<VolumeView> {
    const { create, desk, open } = this.#options;
    if ('failure' in item) throw AppError.fromFailure(item.failure);
    desk.admission.checkOpen();
    return await create(item.request, open);
  }

  #settle(result: CodedBatchResult): void {
    this.#ready.push(result);
    // Creates that one commit finishes settle together: all of them go into one message.
    if (this.#ready.length === 1) {
      queueMicrotask(() => {
        this.#flush();
      });
    }
  }

  #flush(): void {
    const { call, open } = this.#options;
    if (this.#flushing || this.#ready.length === 0 || open.ended) return;
    this.#guard(() => {
      const results = this.#ready;
      this.#ready = [];
      for (const bytes of this.#encode(results)) this.#flushing = !call.write(bytes) || this.#flushing;
      this.#inWork -= results.length;
      this.#beginMore();
      this.#endIfDone();
    });
  }

  /** One message, or as many as the bound of an answer needs. */
  #encode(results: readonly CodedBatchResult[]): readonly Buffer[] {
    const { desk, method } = this.#options;
    try {
      return [desk.encode(method, results)];
    } catch (error) {
      if (!(error instanceof AppError) || error.reason !== 'TOO_LARGE' || results.length === 1) throw error;
      const half = Math.ceil(results.length / 2);
      return [...this.#encode(results.slice(0, half)), ...this.#encode(results.slice(half))];
    }
  }

  #endIfDone(): void {
    const { call, open } = this.#options;
    if (!this.#inputEnded || this.#inWork > 0 || this.#begun < this.#waiting.length) return;
    if (open.answered()) call.end();
  }

  #guard(work: () => void): void {
    const { desk, method, open } = this.#options;
    try {
      work();
    } catch (error) {
      desk.fail(open, error, method.path);
    }
  }
}
