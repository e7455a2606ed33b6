import { abortReason, AppError } from '@volplane/base';
import {
  checkBatch,
  checkRangeQuery,
  checkWatchQuery,
  type KvEntry,
  type KvObserver,
  type KvOutcome,
  type KvPage,
  type KvRangeQuery,
  type KvRead,
  type KvStore,
  type KvTransaction,
  type KvWatch,
} from '@volplane/ports';
import { MemoryKvServer, type MemoryKvServerOptions } from './memory-kv-server.js';
import { MemoryKvWatch } from './memory-kv-watch.js';

/** One call on its way to the store, as a simulation sees it. */
export interface MemoryKvCall {
  readonly method: 'transact' | 'get' | 'range' | 'currentRevision' | 'grantLease' | 'keepAliveLease' | 'revokeLease';
  /** With `transact` only. */
  readonly batch?: readonly KvTransaction[];
}

/** How one user's way to the store behaves; every hook is optional, and absent means at once and without fault. */
export interface MemoryKvHooks {
  /** Runs before a call is applied. Waiting is latency; throwing means that the call is never applied. */
  readonly beforeApply?: (call: MemoryKvCall) => Promise<void> | void;
  /** Runs after a call was applied. Waiting is latency; throwing loses the answer (throw UNKNOWN_OUTCOME). */
  readonly afterApply?: (call: MemoryKvCall) => Promise<void> | void;
  /**
   * Asked whenever a watch has something to hand over: call `deliver` once, later, never before returning. All that the
   * store has by then is handed over at once. Default: in a microtask.
   */
  readonly scheduleDelivery?: (watch: { readonly id: number; readonly prefix: string }, deliver: () => void) => void;
}

export interface MemoryKvOptions extends MemoryKvHooks, MemoryKvServerOptions {}

/**
 * {@link KvStore} in memory with etcd's semantics: deterministic, no timers but the clock's, no input or output.
 *
 * One `MemoryKv` is one user's connection; `connect` gives further ones to the same store, each with its own hooks, so
 * that a simulation can cut off one manager and not the others.
 */
export class MemoryKv implements KvStore {
  readonly #server: MemoryKvServer;
  readonly #hooks: MemoryKvHooks;
  readonly #watches = new Set<MemoryKvWatch>();

  constructor(options: MemoryKvOptions, server: MemoryKvServer = new MemoryKvServer(options)) {
    this.#server = server;
    this.#hooks = options;
  }

  /** Another connection to the same store. */
  connect(hooks: MemoryKvHooks = {}): MemoryKv {
    return new MemoryKv({ ...hooks, clock: this.#server.clock }, this.#server);
  }

  transact(batch: readonly KvTransaction[], signal?: AbortSignal): Promise<readonly KvOutcome[]> {
    return this.#call({ method: 'transact', batch }, signal, () => {
      checkBatch(batch);
      return this.#server.transact(batch);
    });
  }

  get(key: string, signal?: AbortSignal): Promise<KvRead> {
    return this.#call({ method: 'get' }, signal, () => {
      const { revision } = this.#server.state;
      const entry = this.#server.state.get(key);
      return entry === undefined ? { revision } : { entry, revision };
    });
  }

  range(query: KvRangeQuery, signal?: AbortSignal): Promise<KvPage> {
    return this.#call({ method: 'range' }, signal, () => {
      checkRangeQuery(query);
      return this.#server.state.range(query);
    });
  }

  currentRevision(signal?: AbortSignal): Promise<number> {
    return this.#call({ method: 'currentRevision' }, signal, () => this.#server.state.revision);
  }

  watch(query: { readonly prefix: string; readonly fromRevision: number }, observer: KvObserver): KvWatch {
    checkWatchQuery(query);
    const watch: MemoryKvWatch = new MemoryKvWatch({
      ...query,
      id: this.#server.nextWatchId(),
      state: this.#server.state,
      observer,
      scheduleDelivery: this.#hooks.scheduleDelivery ?? inMicrotask,
      onClosed: () => {
        this.#watches.delete(watch);
        this.#server.watches.delete(watch);
      },
    });
    this.#watches.add(watch);
    this.#server.watches.add(watch);
    return watch;
  }

  grantLease(ttlMs: number, signal?: AbortSignal): Promise<{ readonly lease: string; readonly ttlMs: number }> {
    return this.#call({ method: 'grantLease' }, signal, () => this.#server.grantLease(ttlMs));
  }

  keepAliveLease(lease: string, signal?: AbortSignal): Promise<boolean> {
    return this.#call({ method: 'keepAliveLease' }, signal, () => this.#server.keepAliveLease(lease));
  }

  revokeLease(lease: string, signal?: AbortSignal): Promise<void> {
    return this.#call({ method: 'revokeLease' }, signal, () => {
      this.#server.endLease(lease);
    });
  }

  /** Forgets history below `revision`; a watch that lags behind it ends. @throws KvCompacted when that is done already */
  compact(revision: number): void {
    this.#server.state.compact(revision);
  }

  /** Ends every watch of this connection, as a lost connection does. */
  breakWatches(error: Error = new AppError('STORE_UNAVAILABLE', 'the connection to the store was lost')): void {
    for (const watch of [...this.#watches]) watch.end(error);
  }

  /** The present entries under `prefix` in key order, outside of any call: for checks of a test or a simulation. */
  entries(prefix = ''): readonly KvEntry[] {
    return this.#server.state.range({ prefix, limit: Number.POSITIVE_INFINITY }).entries;
  }

  async #call<T>(call: MemoryKvCall, signal: AbortSignal | undefined, apply: () => T): Promise<T> {
    return await untilAborted(signal, async () => {
      await this.#hooks.beforeApply?.(call);
      const answer = apply();
      await this.#hooks.afterApply?.(call);
      return answer;
    });
  }
}

function inMicrotask(_: unknown, deliver: () => void): void {
  queueMicrotask(deliver);
}

/** Settles as `work` does, or rejects when the signal fires; the work goes on then. */
function untilAborted<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  if (signal === undefined) return work();
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      reject(abortReason(signal));
    };
    if (signal.aborted) {
      onAbort();
      return;
    }
    signal.addEventListener('abort', onAbort, { once: true });
    work()
      .then(resolve, reject)
      .finally(() => {
        signal.removeEventListener('abort', onAbort);
      });
  });
}
