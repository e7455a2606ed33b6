import { AppError, backoffMs, errorText, sleep, type Clock, type Logger, type Random, type Service } from '@volplane/base';
import type { NodeDocument, NodeName, SessionDocument, VolumeDocument, VolumeName } from '@volplane/domain';
import type { KvEntry, KvEvent, KvRead, KvStore, KvWatch } from '@volplane/ports';
import { parseNodeDocument, parseSessionDocument, parseVolumeDocument } from '@volplane/wire';
import { parseInventory } from './inventory-document.js';
import { nodeKey, parseKey, ROOT_PREFIX, sessionKey, volumeKey } from './keys.js';
import { pagesOf } from './pages.js';
import { ReadBarrier } from './read-barrier.js';
import { VolumeIndex } from './volume-index.js';

/** A volume's document and the revision that a compare-and-swap of it names. */
export interface VolumeRecord {
  readonly document: VolumeDocument;
  readonly modRevision: number;
}

export interface NodeRecord {
  readonly document: NodeDocument;
  readonly modRevision: number;
}

export interface SessionRecord {
  readonly document: SessionDocument;
  readonly modRevision: number;
  /** The lease that the key is bound to, as etcd says it. */
  readonly lease: string;
}

export interface CacheListener {
  /** A volume's document changed, came or went (`record` undefined); or came again by a re-list. */
  onVolume?(name: VolumeName, record: VolumeRecord | undefined, revision: number): void;
  onNode?(node: NodeName, revision: number): void;
  onSession?(node: NodeName, present: boolean, revision: number): void;
  /** Everything up to {@link ClusterCache.revision} is in memory now. */
  onAdvance?(): void;
}

/**
 * Every record of the cluster in memory, fed by one watch over the whole prefix, so that one revision speaks for all.
 *
 * A watch is a hint: when it ends, says nothing for long, or on a fixed period, everything is listed again. Documents that do not
 * validate are reported under {@link invalid} and left alone.
 */
export class ClusterCache implements Service {
  readonly name = 'cluster cache';
  readonly volumes = new VolumeIndex();
  readonly nodes = new Map<NodeName, NodeRecord>();
  readonly sessions = new Map<NodeName, SessionRecord>();
  readonly unguarded = new Set<NodeName>();
  readonly inventories = new Map<NodeName, string>();
  readonly managers = new Set<string>();
  /** Keys whose documents do not validate, with the fault. */
  readonly invalid = new Map<string, string>();

  readonly #kv: KvStore;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #log: Logger;
  readonly #listeners = new Set<CacheListener>();
  readonly #barrier: ReadBarrier;
  #revision = 0;
  /** What the log was told last that cannot be done. */
  #told: 'read' | 'watch' | undefined;
  /** What this process is writing now, the latest of each key. */
  readonly #expected = new Map<string, { readonly text: string; readonly document: VolumeDocument }>();
  #listAgain: () => void = () => undefined;
  #filled: () => void = () => undefined;
  #giveUp: (error: AppError) => void = () => undefined;
  #isFilled = false;
  /** Resolves when every record is in memory. Rejects with SHUTTING_DOWN when that was given up. */
  readonly filled: Promise<void>;

  constructor(options: { readonly kv: KvStore; readonly clock: Clock; readonly random: Random; readonly log: Logger }) {
    this.#kv = options.kv;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#log = options.log;
    this.#barrier = new ReadBarrier(options.kv, options.clock);
    this.filled = new Promise((resolve, reject) => {
      this.#filled = resolve;
      this.#giveUp = reject;
    });
    // Nobody may be waiting.
    this.filled.catch(() => undefined);
  }

  /** For a manager that stops: whoever waits for records that were not read yet waits no more. */
  giveUp(): void {
    this.#giveUp(new AppError('SHUTTING_DOWN', 'this manager stops before it has read the records; nothing was changed'));
  }

  /** The revision up to which everything is in memory. */
  get revision(): number {
    return this.#revision;
  }

  listen(listener: CacheListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Lists and watches until the signal fires, whatever happens to the store. @throws Error when the store was put back to an earlier state */
  async run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    const hasEnded = (): boolean => signal.aborted;
    while (!hasEnded()) {
      const failure = await this.#fillAndFollow(signal);
      if (hasEnded()) return;
      if (failure === undefined) {
        failures = 0;
        this.#told = undefined;
        continue;
      }
      failures += 1;
      const delayMs = backoffMs(this.#random, failures - 1, { firstMs: 50, maxMs: 5_000 });
      const fields = { error: failure.error, delayMs: Math.round(delayMs) };
      // A watch may break and be there again at once; a list that fails is an outage. Told once: it may last.
      const isOutage = failure.what === 'read' || failures > WATCHES_UNTOLD;
      if (isOutage && this.#told !== failure.what) {
        this.#told = failure.what;
        this.#log.warn(`cluster cache cannot ${failure.what} the store`, fields);
      } else this.#log.debug(`cluster cache could not ${failure.what} the store`, fields);
      await sleep(this.#clock, delayMs, signal).catch(() => undefined);
    }
  }

  /** @returns what went wrong; undefined when a watch has lived for a while: a list is costly, so one that ends at once is a failure */
  async #fillAndFollow(signal: AbortSignal): Promise<{ readonly what: 'read' | 'watch'; readonly error: unknown } | undefined> {
    let beganMs: number | undefined;
    let error: unknown;
    try {
      await this.#fill(signal);
      if (this.#told === 'read') {
        this.#told = undefined;
        this.#log.info('cluster cache reads the store again', { revision: this.#revision });
      }
      beganMs = this.#clock.monotonicMs();
      error = await this.#follow(signal);
    } catch (failure) {
      if (failure instanceof StorePutBack) throw failure;
      error = failure;
    }
    if (beganMs === undefined) return { what: 'read', error };
    return this.#clock.monotonicMs() - beganMs >= WATCH_LIVED_MS ? undefined : { what: 'watch', error };
  }

  /** True once every record has been read: what is not in memory then is not there. */
  get isFilled(): boolean {
    return this.#isFilled;
  }

  /**
   * Resolves when memory shows everything that was committed before the call: a linearizable read of the cache.
   *
   * @returns false when the watch did not catch up in time; the caller then reads the store itself
   * @throws AppError STORE_UNAVAILABLE
   */
  async barrier(): Promise<boolean> {
    await this.filled;
    return await this.#barrier.pass(
      () => this.#revision,
      (revision) => {
        // The list finds it too, and ends this process; a watch that was resumed behind the end of the store would be silent for long.
        this.#listAgain();
        throw new AppError('STORE_UNAVAILABLE', `the store was put back to revision ${String(revision)}; this manager starts anew`);
      },
    );
  }

  /** The record as of now, linearizable. @throws AppError STORE_UNAVAILABLE, DOCUMENT_INVALID */
  async readVolume(name: VolumeName): Promise<VolumeRecord | undefined> {
    if (!(await this.barrier())) this.#applyRead(volumeKey(name), await this.#kv.get(volumeKey(name)));
    const fault = this.invalid.get(volumeKey(name));
    if (fault !== undefined)
      throw new AppError('DOCUMENT_INVALID', `volume ${name} cannot be read: ${fault}`, { volume: name, key: volumeKey(name) });
    return this.volumes.get(name);
  }

  /** A session as of now, read from the store itself. @throws AppError STORE_UNAVAILABLE */
  async readSession(node: NodeName, signal?: AbortSignal): Promise<SessionRecord | undefined> {
    this.#applyRead(sessionKey(node), await this.#kv.get(sessionKey(node), signal));
    return this.sessions.get(node);
  }

  /** A node's document as of now, read from the store itself. @throws AppError STORE_UNAVAILABLE, DOCUMENT_INVALID */
  async readNode(node: NodeName, signal?: AbortSignal): Promise<NodeRecord | undefined> {
    const read = await this.#kv.get(nodeKey(node), signal);
    const { entry } = read;
    if (entry === undefined) return undefined;
    this.#applyRead(entry.key, read);
    return nodeRecord(node, entry);
  }

  /**
   * A document that this process is about to write: an event that brings exactly its text need not be parsed and checked again,
   * which is most of the events that a busy manager sees. The returned function ends that.
   */
  expect(key: string, text: string, document: VolumeDocument): () => void {
    const expected = { text, document };
    this.#expected.set(key, expected);
    return () => {
      if (this.#expected.get(key) === expected) this.#expected.delete(key);
    };
  }

  /** Takes over the outcome of a commit of this process before the watch brings it. */
  applyCommitted(name: VolumeName, document: VolumeDocument | undefined, revision: number): void {
    if (this.#isKnown(revision)) return;
    if (document === undefined) this.#applyDelete(volumeKey(name), revision);
    else this.#setVolume(name, { document, modRevision: revision });
  }

  /** As {@link applyCommitted}, for a node. */
  applyCommittedNode(node: NodeName, record: NodeRecord): void {
    this.#setNode(node, record);
  }

  async #fill(signal: AbortSignal): Promise<void> {
    const seen = new Set<string>();
    let revision = 0;
    // All pages are of one revision, so that the watch can go on right behind it.
    for await (const page of pagesOf(this.#kv, ROOT_PREFIX, signal)) {
      revision = page.revision;
      this.#checkOrder(page.revision, page.entries);
      for (const entry of page.entries) {
        seen.add(entry.key);
        this.#applyPut(entry);
      }
    }
    for (const key of this.#knownKeys()) if (!seen.has(key)) this.#applyDelete(key, revision);
    this.#advance(revision);
    this.#isFilled = true;
    this.#filled();
  }

  /**
   * A list is linearizable: it cannot be older than what was read before. If it is, the store was put back to an earlier state beside this
   * process, and nothing that is in memory, or is decided by it, holds any more.
   */
  #checkOrder(revision: number, entries: readonly KvEntry[]): void {
    const older = (known: number): boolean => known <= revision;
    const isBack =
      revision < this.#revision ||
      entries.some(({ key, modRevision }) => this.#modRevision(key) > modRevision && older(this.#modRevision(key)));
    if (!isBack) return;
    throw new StorePutBack(
      `the store was put back: it is at revision ${String(revision)} with an earlier state than revision ${String(this.#revision)} had; start anew`,
    );
  }

  #modRevision(key: string): number {
    const parsed = parseKey(key);
    if (parsed?.type === 'volume') return this.volumes.get(parsed.name)?.modRevision ?? 0;
    return parsed?.type === 'node' ? (this.nodes.get(parsed.node)?.modRevision ?? 0) : 0;
  }

  /** Follows the watch until it ends, falls silent, or the re-list is due; then the caller fills again. @returns why the store ended it */
  async #follow(signal: AbortSignal): Promise<unknown> {
    const fromRevision = this.#revision + 1;
    const ended = new AbortController();
    this.#listAgain = () => {
      ended.abort();
    };
    let endError: unknown;
    let heardMs = this.#clock.monotonicMs();
    let watch: KvWatch | undefined;
    try {
      watch = this.#kv.watch(
        { prefix: ROOT_PREFIX, fromRevision },
        {
          onEvents: (events, revision) => {
            heardMs = this.#clock.monotonicMs();
            for (const event of events) this.#applyEvent(event);
            this.#advance(revision);
          },
          onProgress: (revision) => {
            heardMs = this.#clock.monotonicMs();
            // Revisions without an event here (foreign keys, the store's own marks) would else keep readers waiting.
            this.#advance(revision);
          },
          onEnd: (error) => {
            this.#log.debug('watch ended, listing again', { error: errorText(error) });
            endError = error;
            ended.abort();
          },
        },
      );
      const relistMs = this.#clock.monotonicMs() + RELIST_MS * (0.75 + this.#random.float() / 2);
      while (!signal.aborted && !ended.signal.aborted && this.#clock.monotonicMs() < relistMs) {
        await sleep(this.#clock, SILENCE_MS / 2, signal, ended.signal).catch(() => undefined);
        if (this.#clock.monotonicMs() - heardMs > SILENCE_MS) {
          // A progress request is answered by a living watch; one that stays silent is opened anew.
          if (this.#clock.monotonicMs() - heardMs > SILENCE_MS * 2) return undefined;
          watch.requestProgress();
        }
      }
      return endError;
    } finally {
      watch?.close();
    }
  }

  #advance(revision: number): void {
    if (revision <= this.#revision) return;
    this.#revision = revision;
    this.#barrier.advanced(revision);
    for (const listener of this.#listeners) listener.onAdvance?.();
  }

  /** Everything up to this revision is in memory: an answer as of then tells nothing, and may speak of what is gone by now. */
  #isKnown(revision: number): boolean {
    return revision <= this.#revision;
  }

  #applyRead(key: string, { entry, revision }: KvRead): void {
    if (this.#isKnown(revision)) return;
    if (entry === undefined) this.#applyDelete(key, revision);
    else this.#applyPut(entry);
  }

  #applyEvent(event: KvEvent): void {
    if (event.type === 'put') this.#applyPut(event.entry);
    else this.#applyDelete(event.key, event.modRevision);
  }

  #applyPut(entry: KvEntry): void {
    const parsed = parseKey(entry.key);
    if (parsed === undefined) return;
    try {
      switch (parsed.type) {
        case 'volume': {
          const document = this.#volumeDocument(parsed.name, entry);
          if (document !== undefined) this.#setVolume(parsed.name, { document, modRevision: entry.modRevision });
          break;
        }
        case 'node':
          this.#setNode(parsed.node, nodeRecord(parsed.node, entry));
          break;
        case 'session': {
          const document = parseSessionDocument(entry.key, entry.value);
          checkName(entry.key, parsed.node, document.node);
          this.#setSession(parsed.node, { document, modRevision: entry.modRevision, lease: entry.lease ?? '' });
          break;
        }
        case 'unguarded':
          this.unguarded.add(parsed.node);
          break;
        case 'inventory':
          // Lists show it long after: then is too late to find out that it cannot be read.
          parseInventory(entry.key, entry.value);
          this.inventories.set(parsed.node, entry.value);
          break;
        case 'manager':
          this.managers.add(parsed.id);
          break;
      }
      this.invalid.delete(entry.key);
    } catch (error) {
      if (!this.invalid.has(entry.key)) this.#log.error('stored document does not validate, left alone', { key: entry.key, error });
      this.invalid.set(entry.key, errorText(error));
      if (parsed.type === 'volume') this.#dropVolume(parsed.name, entry.modRevision);
      else if (parsed.type === 'inventory') this.inventories.delete(parsed.node);
    }
  }

  /** Undefined: what is in memory is the same or younger, as after every commit of this process whose answer came first. */
  #volumeDocument(name: VolumeName, { key, value, modRevision }: KvEntry): VolumeDocument | undefined {
    if ((this.volumes.get(name)?.modRevision ?? 0) >= modRevision) return undefined;
    const expected = this.#expected.get(key);
    if (expected?.text === value) return expected.document;
    const document = parseVolumeDocument(key, value);
    checkName(key, name, document.name);
    return document;
  }

  #applyDelete(key: string, revision: number): void {
    this.invalid.delete(key);
    const parsed = parseKey(key);
    switch (parsed?.type) {
      case undefined:
        return;
      case 'volume':
        this.#dropVolume(parsed.name, revision);
        return;
      case 'node':
        this.nodes.delete(parsed.node);
        for (const listener of this.#listeners) listener.onNode?.(parsed.node, revision);
        return;
      case 'session':
        if ((this.sessions.get(parsed.node)?.modRevision ?? 0) > revision || !this.sessions.delete(parsed.node)) return;
        for (const listener of this.#listeners) listener.onSession?.(parsed.node, false, revision);
        return;
      case 'unguarded':
        this.unguarded.delete(parsed.node);
        return;
      case 'inventory':
        this.inventories.delete(parsed.node);
        return;
      case 'manager':
        this.managers.delete(parsed.id);
    }
  }

  #setVolume(name: VolumeName, record: VolumeRecord): void {
    if (!this.volumes.set(name, record)) return;
    for (const listener of this.#listeners) listener.onVolume?.(name, record, record.modRevision);
  }

  #dropVolume(name: VolumeName, revision: number): void {
    if (!this.volumes.delete(name, revision)) return;
    for (const listener of this.#listeners) listener.onVolume?.(name, undefined, revision);
  }

  #setNode(node: NodeName, record: NodeRecord): void {
    if ((this.nodes.get(node)?.modRevision ?? 0) >= record.modRevision) return;
    this.nodes.set(node, record);
    this.volumes.owners.add(node);
    for (const listener of this.#listeners) listener.onNode?.(node, record.modRevision);
  }

  #setSession(node: NodeName, record: SessionRecord): void {
    if ((this.sessions.get(node)?.modRevision ?? 0) >= record.modRevision) return;
    this.sessions.set(node, record);
    for (const listener of this.#listeners) listener.onSession?.(node, true, record.modRevision);
  }

  *#knownKeys(): Iterable<string> {
    for (const name of [...this.volumes.names()]) yield volumeKey(name);
    for (const node of [...this.nodes.keys()]) yield `${ROOT_PREFIX}nodes/${node}`;
    for (const node of [...this.sessions.keys()]) yield sessionKey(node);
    for (const node of [...this.unguarded]) yield `${ROOT_PREFIX}unguarded/${node}`;
    for (const node of [...this.inventories.keys()]) yield `${ROOT_PREFIX}inventory/${node}`;
    for (const id of [...this.managers]) yield `${ROOT_PREFIX}managers/${id}`;
    for (const key of [...this.invalid.keys()]) yield key;
  }
}

/** Ends the process: whoever supervises it starts it anew, with an empty memory. */
class StorePutBack extends Error {
  override readonly name = 'StorePutBack';
}

function nodeRecord(node: NodeName, { key, value, modRevision }: KvEntry): NodeRecord {
  const document = parseNodeDocument(key, value);
  checkName(key, node, document.name);
  return { document, modRevision };
}

/**
 * A document copied by hand to another key, which still has its uid: what is done by the one name would be done to what the other one stands for.
 *
 * @throws AppError DOCUMENT_INVALID
 */
function checkName(key: string, expected: string, found: string): void {
  if (found === expected) return;
  throw new AppError('DOCUMENT_INVALID', `the document at ${key} is that of ${found}; it was left alone`, { key, name: found });
}

/** Everything is listed again this often, against a watch that lost something silently. */
const RELIST_MS = 600_000;

/** A watch that has said nothing for this long is asked for a sign of life; twice as long, it is opened anew. */
const SILENCE_MS = 10_000;

/** So many watches in a row may end soon without a word. */
const WATCHES_UNTOLD = 3;

/** A watch that lived so long was a good one: listing again behind it, at once, costs the store little. */
const WATCH_LIVED_MS = 5_000;
