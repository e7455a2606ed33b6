import { AppError, type Clock, type Failure, type Telemetry } from '@volplane/base';
import {
  decisionError,
  type ClusterView,
  type Decision,
  type Requirement,
  type VolumeDocument,
  type VolumeName,
  type VolumeUid,
} from '@volplane/domain';
import type { KvRead, KvStore, KvTransaction } from '@volplane/ports';
import { encodeDocument, parseVolumeDocument } from '@volplane/wire';
import type { ClusterCache, VolumeRecord } from './cluster-cache.js';
import { CommitTurns } from './commit-turns.js';
import type { GroupCommit } from './group-commit.js';
import { viewOf } from './cluster-view.js';
import { volumeKey } from './keys.js';
import { toCompare } from './requirements.js';
import { tellUnknown } from './unknown-commits.js';

/** A decision about one volume, made again from fresher facts as often as needed: it must be pure. `modRevision` is 0 without a document. */
export type Decide<A> = (document: VolumeDocument | undefined, view: ClusterView, modRevision: number) => Decision<A>;

interface Change<A> {
  readonly decide: Decide<A>;
  readonly brake: () => string | undefined;
}

export interface Changed<A> {
  readonly answer: A;
  /** The document after the change; undefined = there is none. */
  readonly document: VolumeDocument | undefined;
  readonly modRevision: number;
  /** False when the decision changed nothing. */
  readonly committed: boolean;
}

/** Loads, decides and commits, one compare-and-swap on one key (design: one volume, one document). */
export class VolumeRecords {
  readonly #cache: ClusterCache;
  readonly #commits: GroupCommit;
  readonly #kv: KvStore;
  readonly #clock: Clock;
  readonly #telemetry: Telemetry;
  readonly #brake: () => string | undefined;
  readonly #turns: CommitTurns;

  constructor(parts: {
    readonly cache: ClusterCache;
    readonly commits: GroupCommit;
    readonly kv: KvStore;
    readonly clock: Clock;
    readonly telemetry: Telemetry;
    readonly brake: () => string | undefined;
  }) {
    this.#cache = parts.cache;
    this.#commits = parts.commits;
    this.#kv = parts.kv;
    this.#clock = parts.clock;
    this.#telemetry = parts.telemetry;
    this.#brake = parts.brake;
    this.#turns = new CommitTurns(parts.clock);
  }

  /** The facts that decisions look at, from memory; what matters of them is compared again at the commit. */
  view(brake = this.#brake): ClusterView {
    return viewOf(this.#cache, this.#clock, brake());
  }

  /**
   * Decides from memory; a refusal, or "nothing to do", counts only after a linearizable read, and a lost compare is
   * decided again from one.
   *
   * After a commit with an unknown outcome nothing is committed to another volume that has the name by then: nobody asked for that.
   *
   * @param brake - why automatic takeovers have stopped as far as this change goes, where that is not what it is for every other one
   * @throws AppError what the decision refuses; CONTENTION after {@link ATTEMPTS_MAX} lost compares; STORE_UNAVAILABLE;
   * UNKNOWN_OUTCOME when a commit's outcome could not be found out, whatever came after it
   */
  async change<A>(name: VolumeName, decide: Decide<A>, brake = this.#brake): Promise<Changed<A>> {
    await this.#cache.filled;
    return await tellUnknown({ kind: 'volume', name }, (unknown) => this.#tryOften(name, { decide, brake }, unknown));
  }

  /** @param unknown - gets every commit whose outcome is not known */
  async #tryOften<A>(name: VolumeName, change: Change<A>, unknown: AppError[]): Promise<Changed<A>> {
    let fresh = false;
    let touched: VolumeUid | undefined;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      // Each attempt knows what the last one could not.
      if (fresh) await this.#cache.readVolume(name);
      const endTurn = await this.#turns.take(name);
      let attempted: Attempt<A> | undefined;
      try {
        attempted = await this.#try(name, change, touched);
      } finally {
        endTurn(attempted === undefined || attempted.type === 'unknown' ? 'failed' : 'went-on');
      }
      if (attempted.type === 'done') return attempted.changed;
      if (attempted.type === 'unknown') {
        unknown.push(attempted.error);
        touched = attempted.uid;
      }
      if (attempted.type === 'decided' && fresh) {
        if ('failure' in attempted) throw decisionError({ type: 'refuse', failure: attempted.failure });
        return attempted.changed;
      }
      fresh = true;
    }
    throw new AppError('CONTENTION', `volume ${name} changed ${String(ATTEMPTS_MAX)} times while it was being changed; repeat the call`, {
      volume: name,
    });
  }

  /**
   * Decides on what is in memory, and commits.
   *
   * @param touched - the uid of the volume that an earlier try may have changed
   */
  async #try<A>(name: VolumeName, { decide, brake }: Change<A>, touched: VolumeUid | undefined): Promise<Attempt<A>> {
    const record = this.#readMemory(name);
    const modRevision = record?.modRevision ?? 0;
    const beganMs = this.#clock.monotonicMs();
    const decision = decide(record?.document, this.view(brake), modRevision);
    this.#telemetry.phase('decide', this.#clock.monotonicMs() - beganMs);
    if (decision.type === 'refuse') return { type: 'decided', failure: decision.failure };
    const { answer } = decision;
    if (decision.type === 'unchanged')
      return { type: 'decided', changed: { answer, document: record?.document, modRevision, committed: false } };
    const { document, requirements } = decision;
    if (record !== undefined && touched !== undefined && record.document.uid !== touched) throw anotherByNow(record.document, touched);
    const outcome = await this.#commit(name, record, document, requirements);
    if (outcome.type === 'unknown') return { ...outcome, uid: (record?.document ?? document)?.uid };
    if (outcome.type !== 'done') return outcome;
    return { type: 'done', changed: { answer, document, modRevision: outcome.revision, committed: true } };
  }

  /** @throws AppError DOCUMENT_INVALID when the stored document is not readable: it is never overwritten */
  #readMemory(name: VolumeName): VolumeRecord | undefined {
    const key = volumeKey(name);
    const fault = this.#cache.invalid.get(key);
    if (fault !== undefined) throw new AppError('DOCUMENT_INVALID', `volume ${name} cannot be changed: ${fault}`, { volume: name, key });
    return this.#cache.volumes.get(name);
  }

  async #commit(
    name: VolumeName,
    record: VolumeRecord | undefined,
    document: VolumeDocument | undefined,
    requirements: readonly Requirement[],
  ): Promise<CommitOutcome> {
    const key = volumeKey(name);
    const value = document === undefined ? undefined : encodeDocument(document);
    const transaction: KvTransaction = {
      compares: [{ type: 'revision', key, modRevision: record?.modRevision ?? 0 }, ...requirements.map(toCompare)],
      writes: [value === undefined ? { type: 'delete', key } : { type: 'put', key, value }],
    };
    const arrived = document === undefined || value === undefined ? undefined : this.#cache.expect(key, value, document);
    try {
      const outcome = await this.#commits.submit(transaction);
      if (!outcome.succeeded) return { type: 'lost' };
      this.#cache.applyCommitted(name, document, outcome.revision);
      return { type: 'done', revision: outcome.revision };
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      if (error.reason === 'UNKNOWN_OUTCOME') return await this.#findOut(key, name, value, error);
      throw new AppError(error.reason, `volume ${name}: ${error.message}`, { ...error.failure.fields, volume: name }, error);
    } finally {
      arrived?.();
    }
  }

  /** A commit without an answer: the key itself says whether it happened. Equal content is as good as our own. */
  async #findOut(key: string, name: VolumeName, value: string | undefined, error: AppError): Promise<CommitOutcome> {
    let read: KvRead;
    try {
      read = await this.#kv.get(key);
    } catch (failure) {
      if (failure instanceof AppError) return { type: 'unknown', error };
      throw failure;
    }
    const { entry, revision } = read;
    if (entry?.value !== value) return { type: 'unknown', error };
    this.#cache.applyCommitted(name, value === undefined ? undefined : parseVolumeDocument(key, value), entry?.modRevision ?? revision);
    return { type: 'done', revision: entry?.modRevision ?? revision };
  }
}

/** `decided`: nothing to commit, which counts when memory was fresh. */
type Attempt<A> =
  | { readonly type: 'done'; readonly changed: Changed<A> }
  | { readonly type: 'decided'; readonly changed: Changed<A> }
  | { readonly type: 'decided'; readonly failure: Failure }
  | { readonly type: 'lost' }
  | { readonly type: 'unknown'; readonly error: AppError; readonly uid: VolumeUid | undefined };

function anotherByNow({ name, uid }: VolumeDocument, touched: VolumeUid): AppError {
  const text = `volume ${name} of uid ${touched} is gone, and it is not known whether its change was made; the one of this name has uid ${uid} and was left alone`;
  return new AppError('UNKNOWN_OUTCOME', text, { volume: name, uid: touched, otherUid: uid });
}

type CommitOutcome =
  { readonly type: 'done'; readonly revision: number } | { readonly type: 'lost' } | { readonly type: 'unknown'; readonly error: AppError };

/** Each lost compare means that somebody else made progress; this many in a row is overload of one volume. */
const ATTEMPTS_MAX = 8;
