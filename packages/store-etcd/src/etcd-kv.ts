import { AppError, type Resource } from '@volplane/base';
import {
  checkBatch,
  checkRangeQuery,
  checkWatchQuery,
  KvCompacted,
  type KvObserver,
  type KvOutcome,
  type KvPage,
  type KvRangeQuery,
  type KvRead,
  type KvStore,
  type KvTransaction,
  type KvWatch,
} from '@volplane/ports';
import { isMark, successesOf, toEntry, toRange, toTxn } from './codec.js';
import { Endpoints, type Endpoint } from './endpoints.js';
import { KeepAliveStream } from './keep-alive-stream.js';
import { LeaseGone, transactWithoutGoneLeases } from './gone-leases.js';
import { readOptions, type EtcdKvOptions, type EtcdSettings } from './options.js';
import { EtcdWatch } from './watch.js';

/** {@link KvStore} on etcd 3.4 or newer. DESIGN.md tells what each call becomes. */
export class EtcdKv implements KvStore, Resource {
  readonly name = 'etcd';
  readonly #settings: EtcdSettings;
  readonly #endpoints: Endpoints;
  readonly #keepAlives = new Map<Endpoint, KeepAliveStream>();
  readonly #watches = new Set<EtcdWatch>();
  #closing: Promise<void> | undefined;

  /** Reads the PEM files and prepares the clients; etcd need not be up. @throws AppError INVALID_ARGUMENT */
  static async open(options: EtcdKvOptions): Promise<EtcdKv> {
    return new EtcdKv(await readOptions(options));
  }

  constructor(settings: EtcdSettings) {
    this.#settings = settings;
    this.#endpoints = new Endpoints(settings);
  }

  async transact(batch: readonly KvTransaction[], signal?: AbortSignal): Promise<readonly KvOutcome[]> {
    checkBatch(batch);
    if (batch.length === 0) return [];
    return await transactWithoutGoneLeases(batch, {
      send: (transactions) => this.#transact(transactions, signal),
      isGone: (lease) => this.#isGone(lease, signal),
      currentRevision: () => this.currentRevision(signal),
    });
  }

  async get(key: string, signal?: AbortSignal): Promise<KvRead> {
    const { header, kvs } = await this.#endpoints.call(
      {
        what: `reading ${key}`,
        effect: 'read',
        run: ({ client }, options) => client.kv.range({ key: Buffer.from(key, 'ascii') }, options),
      },
      signal,
    );
    const [first] = kvs;
    const revision = Number(header.revision);
    return first === undefined ? { revision } : { entry: toEntry(first), revision };
  }

  async range(query: KvRangeQuery, signal?: AbortSignal): Promise<KvPage> {
    checkRangeQuery(query);
    for (let limit = query.limit; ; limit = Math.ceil(limit / 2)) {
      try {
        // Each round asks for half as many keys, because the ones before did not fit in an answer.
        return await this.#range({ ...query, limit }, signal);
      } catch (error) {
        if (!(error instanceof AnswerTooLarge)) throw error;
        if (limit === 1) throw new AppError('TOO_LARGE', `listing ${query.prefix}: one value is larger than an answer may be`, {}, error);
      }
    }
  }

  async currentRevision(signal?: AbortSignal): Promise<number> {
    const { header } = await this.#endpoints.call(
      { what: 'reading the revision', effect: 'read', run: (endpoint, options) => this.#readBarrier(endpoint, options) },
      signal,
    );
    return Number(header.revision);
  }

  watch(query: { readonly prefix: string; readonly fromRevision: number }, observer: KvObserver): KvWatch {
    checkWatchQuery(query);
    const { callTimeoutMs, watchResumeMs, clock, random, log } = this.#settings;
    const watch: EtcdWatch = new EtcdWatch({
      ...query,
      observer,
      endpoints: this.#endpoints,
      callTimeoutMs,
      resumeMs: watchResumeMs,
      probe: (endpoint) => this.#probe(endpoint),
      mark: (key) => this.#mark(key),
      clock,
      random,
      log,
      onClosed: () => {
        this.#watches.delete(watch);
      },
    });
    this.#watches.add(watch);
    watch.start();
    return watch;
  }

  async grantLease(ttlMs: number, signal?: AbortSignal): Promise<{ readonly lease: string; readonly ttlMs: number }> {
    const { ID, TTL } = await this.#endpoints.call(
      {
        what: 'granting a lease',
        effect: 'once',
        run: ({ client }, options) => client.leaseClient.leaseGrant({ TTL: Math.ceil(ttlMs / 1_000) }, options),
      },
      signal,
    );
    return { lease: ID, ttlMs: Number(TTL) * 1_000 };
  }

  async keepAliveLease(lease: string, signal?: AbortSignal): Promise<boolean> {
    const run = (endpoint: Endpoint): Promise<boolean> => this.#keepAlivesAt(endpoint).refresh(lease);
    return await this.#endpoints.call({ what: `refreshing lease ${lease}`, effect: 'repeatable', run }, signal);
  }

  async revokeLease(lease: string, signal?: AbortSignal): Promise<void> {
    try {
      await this.#endpoints.call(
        {
          what: `revoking lease ${lease}`,
          effect: 'repeatable',
          run: ({ client }, options) => client.leaseClient.leaseRevoke({ ID: lease }, options),
          translate: toLeaseGone,
        },
        signal,
      );
    } catch (error) {
      if (!(error instanceof LeaseGone)) throw error;
    }
  }

  /**
   * Ends watches without a word and refreshes with an error, waits for calls that are under way (at most the time of a
   * call) and closes the connections. Safe to call again.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    for (const watch of [...this.#watches]) watch.close();
    const closing = this.#endpoints.close();
    await Promise.all([...this.#keepAlives.values()].map((stream) => stream.close()));
    await closing;
  }

  async #transact(batch: readonly KvTransaction[], signal: AbortSignal | undefined): Promise<readonly KvOutcome[]> {
    const request = toTxn(batch);
    const response = await this.#endpoints.call(
      {
        what: batch.length === 1 ? 'writing a record' : `writing ${String(batch.length)} records`,
        effect: 'once',
        run: ({ client }, options) => client.kv.txn(request, options),
        translate: toLeaseGone,
      },
      signal,
    );
    const revision = Number(response.header.revision);
    return successesOf(batch, response).map((succeeded) => ({ succeeded, revision }));
  }

  async #range(query: KvRangeQuery, signal: AbortSignal | undefined): Promise<KvPage> {
    const { header, kvs, more } = await this.#endpoints.call(
      {
        what: `listing ${query.prefix}`,
        effect: 'read',
        run: ({ client }, options) => client.kv.range(toRange(query), options),
        translate: (text) => toRangeError(text, query.atRevision),
      },
      signal,
    );
    const revision = query.atRevision ?? Number(header.revision);
    const entries = kvs.map(toEntry);
    const shown = entries.filter(({ key }) => !isMark(key));
    const last = entries.at(-1);
    if (shown.length > 0 || !more || last === undefined) return { entries: shown, more, revision };
    // A page of marks only would leave the caller without a key to go on from.
    return await this.#range({ ...query, after: last.key, atRevision: revision }, signal);
  }

  async #isGone(lease: string, signal: AbortSignal | undefined): Promise<boolean> {
    const { TTL } = await this.#endpoints.call(
      {
        what: `looking at lease ${lease}`,
        effect: 'read',
        run: ({ client }, options) => client.leaseClient.leaseTimeToLive({ ID: lease }, options),
      },
      signal,
    );
    return Number(TTL) <= 0;
  }

  async #probe(endpoint: Endpoint): Promise<{ readonly version: string }> {
    return await this.#endpoints.readAt(endpoint, 'opening a watch', async (at, options) => {
      await this.#readBarrier(at, options);
      return await at.client.maintenance.status(options);
    });
  }

  async #mark(key: string): Promise<void> {
    await this.#endpoints.call({
      what: `marking progress at ${key}`,
      effect: 'repeatable',
      run: ({ client }, options) => client.kv.put({ key: Buffer.from(key, 'ascii') }, options),
    });
  }

  /** The cheapest linearizable read: no value is fetched, and no write is made. */
  #readBarrier({ client }: Endpoint, options: { readonly deadline: number }): ReturnType<typeof client.kv.range> {
    return client.kv.range({ key: Buffer.from(this.#settings.barrierKey, 'ascii'), count_only: true }, options);
  }

  #keepAlivesAt(endpoint: Endpoint): KeepAliveStream {
    const known = this.#keepAlives.get(endpoint);
    if (known !== undefined) return known;
    const { clock, callTimeoutMs } = this.#settings;
    const stream = new KeepAliveStream({ clock, silenceMs: callTimeoutMs, open: () => endpoint.client.leaseClient.leaseKeepAlive() });
    this.#keepAlives.set(endpoint, stream);
    return stream;
  }
}

/** The answer is larger than grpc-js takes; ask for less. */
class AnswerTooLarge extends Error {}

function toLeaseGone(text: string): Error | undefined {
  return text.includes('requested lease not found') ? new LeaseGone(text) : undefined;
}

function toRangeError(text: string, atRevision: number | undefined): Error | undefined {
  if (text.includes('required revision has been compacted')) return new KvCompacted(atRevision ?? 0);
  if (text.includes('Received message larger than max')) return new AnswerTooLarge(text);
  return undefined;
}
