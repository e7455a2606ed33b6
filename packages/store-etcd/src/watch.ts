import { AppError, backoffMs, type Clock, type Logger, type Random } from '@volplane/base';
import { KvCompacted, type KvObserver, type KvWatch } from '@volplane/ports';
import type { IDuplexStream, IWatchRequest, IWatchResponse } from 'etcd3';
import { prefixRange } from './codec.js';
import type { Endpoint, Endpoints } from './endpoints.js';
import { ProgressMarks } from './progress-marks.js';
import { tellsProgressInOrder } from './server-version.js';
import { WatchDeliveries } from './watch-deliveries.js';

type Stream = IDuplexStream<IWatchRequest, IWatchResponse>;

export interface EtcdWatchOptions {
  readonly endpoints: Endpoints;
  readonly prefix: string;
  readonly fromRevision: number;
  readonly observer: KvObserver;
  readonly callTimeoutMs: number;
  /** How long a broken watch tries to resume before it ends. */
  readonly resumeMs: number;
  /** A linearizable read at this member: it answers, has a quorum behind it, and our token is good. */
  readonly probe: (endpoint: Endpoint) => Promise<{ readonly version: string }>;
  /** Writes the mark key; see {@link ProgressMarks}. */
  readonly mark: (key: string) => Promise<void>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly onClosed: () => void;
}

/**
 * One watch on one stream of its own, which it opens again where it broke off, at whatever member is in use then.
 *
 * It ends by itself when etcd cancels it (compaction, no permission) or when it could not resume for `resumeMs`.
 */
export class EtcdWatch implements KvWatch {
  readonly #options: EtcdWatchOptions;
  readonly #deliveries: WatchDeliveries;
  readonly #marks: ProgressMarks;
  readonly #stopListening: () => void;
  /** Counts streams; whatever belongs to an older one is void. */
  #generation = 0;
  #stream: Stream | undefined;
  #endpoint: Endpoint | undefined;
  #live = false;
  #progressInOrder = false;
  #progressWanted = false;
  #brokenSinceMs: number;
  #attempts = 0;
  #cancelTimer = (): void => undefined;
  #closed = false;

  constructor(options: EtcdWatchOptions) {
    const { endpoints, prefix, fromRevision, observer, clock } = options;
    this.#options = options;
    this.#deliveries = new WatchDeliveries(fromRevision, observer);
    this.#marks = new ProgressMarks(prefix, options);
    this.#brokenSinceMs = clock.monotonicMs();
    this.#stopListening = endpoints.onLeave((left) => {
      if (left === this.#endpoint && this.#live) this.#resume(new Error(`the member ${left.url} failed`));
    });
  }

  start(): void {
    this.#connect();
  }

  requestProgress(): void {
    if (this.#closed) return;
    this.#progressWanted = !this.#live;
    if (!this.#live) return;
    if (this.#progressInOrder) this.#stream?.write({ progress_request: {} });
    else this.#marks.request();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#deliveries.stop();
    this.#dropStream();
    this.#stopListening();
    this.#marks.close();
    this.#options.onClosed();
  }

  #end(error: Error): void {
    if (this.#closed) return;
    this.close();
    this.#options.observer.onEnd(error);
  }

  #connect(): void {
    const generation = this.#generation;
    this.#open(generation).catch((error: unknown) => {
      if (generation === this.#generation) this.#resume(error);
    });
  }

  async #open(generation: number): Promise<void> {
    const { endpoints, prefix, callTimeoutMs, clock, probe } = this.#options;
    const endpoint = endpoints.current;
    this.#endpoint = endpoint;
    const { version } = await probe(endpoint);
    if (generation !== this.#generation) return;
    this.#progressInOrder = tellsProgressInOrder(version);
    const stream = await endpoint.client.watchClient.watch();
    // Whatever comes of it, an error of the stream is ours to take.
    stream.on('error', (error) => {
      if (generation === this.#generation) this.#resume(error);
    });
    if (generation !== this.#generation) {
      stream.cancel();
      return;
    }
    this.#stream = stream;
    stream.on('end', () => {
      if (generation === this.#generation) this.#resume(new Error('etcd ended the watch stream'));
    });
    stream.on('data', (response) => {
      if (generation === this.#generation) this.#take(response);
    });
    this.#deliveries.restart();
    const { nextRevision } = this.#deliveries;
    stream.write({ create_request: { ...prefixRange(prefix), start_revision: nextRevision, progress_notify: true, fragment: true } });
    this.#cancelTimer = clock.after(callTimeoutMs, () => {
      this.#resume(new Error('etcd did not confirm the watch'));
    });
  }

  #take(response: IWatchResponse): void {
    if (response.canceled) {
      this.#end(this.#cancelError(response));
      return;
    }
    if (response.created) {
      this.#onCreated();
      return;
    }
    if (response.events.length > 0) {
      this.#deliveries.take(response);
      return;
    }
    this.#deliveries.progress(Number(response.header.revision));
  }

  #onCreated(): void {
    this.#cancelTimer();
    this.#live = true;
    this.#attempts = 0;
    if (this.#progressWanted) this.requestProgress();
  }

  #cancelError({ compact_revision, cancel_reason }: IWatchResponse): Error {
    if (Number(compact_revision) > 0) return new KvCompacted(this.#deliveries.nextRevision);
    return new AppError('STORE_UNAVAILABLE', `etcd cancelled the watch of ${this.#options.prefix}: ${cancel_reason || 'no reason given'}`);
  }

  /** The stream is lost: open another one after a while, or end when it has been lost for too long. */
  #resume(cause: unknown): void {
    if (this.#closed) return;
    const { clock, endpoints, random, resumeMs, prefix, log } = this.#options;
    if (this.#live) this.#brokenSinceMs = clock.monotonicMs();
    this.#dropStream();
    if (this.#endpoint !== undefined) endpoints.leave(this.#endpoint);
    if (clock.monotonicMs() - this.#brokenSinceMs > resumeMs) {
      const text = `the watch of ${prefix} could not resume for ${String(resumeMs)} ms`;
      this.#end(new AppError('STORE_UNAVAILABLE', text, {}, cause));
      return;
    }
    log.debug('watch broken', { prefix, nextRevision: this.#deliveries.nextRevision, attempts: this.#attempts, error: cause });
    this.#cancelTimer = clock.after(backoffMs(random, this.#attempts, RESUME_BACKOFF), () => {
      this.#connect();
    });
    this.#attempts += 1;
  }

  #dropStream(): void {
    this.#generation += 1;
    this.#live = false;
    this.#cancelTimer();
    this.#stream?.cancel();
    this.#stream = undefined;
  }
}

/** A member that restarts is back within a second or two; the greatest pause bounds how late we notice. */
const RESUME_BACKOFF = { firstMs: 20, maxMs: 1_000 };
