import { AppError, type Clock } from '@volplane/base';
import type { ILeaseKeepAliveRequest, ILeaseKeepAliveResponse, IDuplexStream } from 'etcd3';

type Stream = IDuplexStream<ILeaseKeepAliveRequest, ILeaseKeepAliveResponse>;

export interface KeepAliveStreamOptions {
  readonly clock: Clock;
  /** A stream that owes an answer and gives none for so long is given up. */
  readonly silenceMs: number;
  /** Opens the one stream of etcd's LeaseKeepAlive that all leases share. */
  readonly open: () => Promise<Stream>;
}

/**
 * Refreshes of all leases on one stream, opened at the first refresh and again after it broke.
 *
 * etcd answers one request after the other, so the first answer for a lease belongs to the first request for it that is
 * still open. An answer is therefore never taken for a request that was sent after etcd gave it.
 */
export class KeepAliveStream {
  readonly #options: KeepAliveStreamOptions;
  #opening: Promise<OpenStream> | undefined;
  #closed = false;

  constructor(options: KeepAliveStreamOptions) {
    this.#options = options;
  }

  /** @returns whether the lease is alive @throws the stream's error; the refresh may have happened then */
  async refresh(lease: string): Promise<boolean> {
    if (this.#closed) throw new Error('the stream is closed');
    this.#opening ??= this.#open();
    const stream = await this.#opening;
    return await stream.refresh(lease);
  }

  /** Ends the stream; what waits for an answer fails. */
  async close(): Promise<void> {
    this.#closed = true;
    const stream = await this.#opening?.catch(() => undefined);
    stream?.fail(new Error('the stream was closed'));
  }

  async #open(): Promise<OpenStream> {
    try {
      const stream: OpenStream = new OpenStream(await this.#options.open(), this.#options, () => {
        this.#opening = undefined;
      });
      return stream;
    } catch (error) {
      this.#opening = undefined;
      throw error;
    }
  }
}

interface Waiter {
  readonly resolve: (alive: boolean) => void;
  readonly reject: (error: Error) => void;
}

/** One stream while it works. */
class OpenStream {
  readonly #stream: Stream;
  readonly #options: KeepAliveStreamOptions;
  readonly #onFailed: () => void;
  readonly #waiters = new Map<string, Waiter[]>();
  #waiting = 0;
  #cancelSilence = (): void => undefined;
  #failed: Error | undefined;

  constructor(stream: Stream, options: KeepAliveStreamOptions, onFailed: () => void) {
    this.#stream = stream;
    this.#options = options;
    this.#onFailed = onFailed;
    stream.on('data', ({ ID, TTL }) => {
      this.#answer(ID, Number(TTL) > 0);
    });
    stream.on('error', (error) => {
      this.fail(error);
    });
    stream.on('end', () => {
      this.fail(new Error('etcd ended the stream of lease refreshes'));
    });
  }

  refresh(lease: string): Promise<boolean> {
    if (this.#failed !== undefined) return Promise.reject(this.#failed);
    if (this.#waiting >= WAITING_MAX) return Promise.reject(tooManyWait(lease));
    return new Promise((resolve, reject) => {
      const waiters = this.#waiters.get(lease);
      if (waiters === undefined) this.#waiters.set(lease, [{ resolve, reject }]);
      else waiters.push({ resolve, reject });
      this.#waiting += 1;
      if (this.#waiting === 1) this.#watchSilence();
      this.#stream.write({ ID: lease });
    });
  }

  fail(error: Error): void {
    if (this.#failed !== undefined) return;
    this.#failed = error;
    this.#cancelSilence();
    this.#onFailed();
    this.#stream.cancel();
    for (const waiter of [...this.#waiters.values()].flat()) waiter.reject(error);
    this.#waiters.clear();
  }

  #answer(lease: string, alive: boolean): void {
    const waiters = this.#waiters.get(lease) ?? [];
    const waiter = waiters.shift();
    if (waiters.length === 0) this.#waiters.delete(lease);
    if (waiter === undefined) return;
    this.#waiting -= 1;
    this.#watchSilence();
    waiter.resolve(alive);
  }

  #watchSilence(): void {
    this.#cancelSilence();
    if (this.#waiting === 0) return;
    const { clock, silenceMs } = this.#options;
    this.#cancelSilence = clock.after(silenceMs, () => {
      this.fail(new Error(`etcd refreshed no lease for ${String(silenceMs)} ms`));
    });
  }
}

/** Far above the nodes of a cluster, each of which refreshes one lease at a time. */
const WAITING_MAX = 10_000;

function tooManyWait(lease: string): AppError {
  return new AppError('STORE_UNAVAILABLE', `refreshing lease ${lease}: ${String(WAITING_MAX)} refreshes wait for etcd already`);
}
