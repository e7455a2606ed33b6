import { AppError, type Clock, type Resource } from '@volplane/base';
import { isNodeName, type NodeEvent, type NodeName, type VolumeEvent, type VolumeName } from '@volplane/domain';
import type { ChangesAnswer, MessageOf } from '@volplane/wire';
import { toVolumeView } from '../document-view.js';
import type { ClusterCache } from '../store/cluster-cache.js';
import type { NodeViews } from './node-view.js';

interface Change {
  readonly of: 'volumes' | 'nodes';
  readonly name: string;
  readonly revision: number;
}

/**
 * The last changes by etcd's revision, for agents that follow the cluster by asking again and again: the bus carries one answer for one
 * request. The revision is the only cursor, so that every question may go to another manager.
 */
export class ChangeLog implements Resource {
  readonly name = 'change log';
  readonly #cache: ClusterCache;
  readonly #views: NodeViews;
  readonly #clock: Clock;
  #changes: Change[] = [];
  /** Every change above this revision is in the log. */
  #completeFrom: number | undefined;
  readonly #waiting = new Set<Waiting>();
  #isClosed = false;

  constructor(parts: { readonly cache: ClusterCache; readonly views: NodeViews; readonly clock: Clock }) {
    this.#cache = parts.cache;
    this.#views = parts.views;
    this.#clock = parts.clock;
    parts.cache.listen({
      onVolume: (name, _record, revision) => {
        this.#add({ of: 'volumes', name, revision });
      },
      onNode: (name, revision) => {
        this.#add({ of: 'nodes', name, revision });
      },
      onSession: (name, _present, revision) => {
        this.#add({ of: 'nodes', name, revision });
      },
      onAdvance: () => {
        // The first time: every record has been read.
        this.#completeFrom ??= parts.cache.revision;
        for (const waiting of this.#waiting) if (waiting.foundAt <= parts.cache.revision) waiting.wake();
      },
    });
  }

  /**
   * What changed after the given revision and up to the answered one; waits for the first change as long as the question says. Without a
   * revision: only the present one.
   *
   * @throws AppError OVERLOADED when the log does not reach so far back; STORE_UNAVAILABLE
   */
  async after({ of, afterRevision, namePrefix, waitMs }: MessageOf<'changes'>): Promise<ChangesAnswer> {
    await this.#cache.barrier();
    if (afterRevision === undefined) return { revision: this.#cache.revision, events: [] };
    const untilMs = this.#clock.monotonicMs() + waitMs;
    for (;;) {
      const answer = this.#look({ of, afterRevision, namePrefix });
      const leftMs = untilMs - this.#clock.monotonicMs();
      if (answer.events.length > 0 || leftMs <= 0 || this.#isClosed || this.#waiting.size >= WAITING_MAX) return answer;
      await this.#found({ of, afterRevision, namePrefix }, leftMs);
    }
  }

  /** Answers whoever waits, so that a manager that stops is not held up. Safe to call again. */
  close(): Promise<void> {
    this.#isClosed = true;
    for (const { wake } of this.#waiting) wake();
    return Promise.resolve();
  }

  #look(question: Looked): ChangesAnswer {
    const { of, afterRevision } = question;
    if (afterRevision < (this.#completeFrom ?? 0))
      throw new AppError('OVERLOADED', 'the watcher is further behind than this manager remembers; watch anew', {});
    const revision = Math.max(afterRevision, this.#cache.revision);
    const found = this.#changedNames(question, revision).sort(([, one], [, other]) => one - other);
    // Never a part of a revision: the next question begins behind it.
    const last = found.length > ANSWERED_MAX ? (found[ANSWERED_MAX - 1]?.[1] ?? revision) : revision;
    const events = found
      .filter(([, changed]) => changed <= last)
      .map(([name, changed]) => (of === 'volumes' ? this.#volume(name as VolumeName, changed) : this.#node(name as NodeName))); // from the cache
    return { revision: last, events: events.filter((event) => event !== undefined) };
  }

  #changedNames(question: Looked, revision: number): [string, number][] {
    const names = new Map<string, number>();
    for (const change of this.#changes) {
      if (isAnswer(change, question) && change.revision <= revision)
        names.set(change.name, Math.max(change.revision, names.get(change.name) ?? 0));
    }
    return [...names];
  }

  #volume(name: VolumeName, revision: number): VolumeEvent {
    const record = this.#cache.volumes.get(name);
    if (record === undefined) return { type: 'removed', name, revision };
    return { type: 'changed', volume: toVolumeView(record.document, record.modRevision), revision: record.modRevision };
  }

  #node(name: NodeName): NodeEvent | undefined {
    return isNodeName(name) && this.#cache.nodes.has(name) ? { type: 'changed', node: this.#views.view(name) } : undefined;
  }

  #add(change: Change): void {
    this.#changes.push(change);
    for (const waiting of this.#waiting)
      if (isAnswer(change, waiting.question)) waiting.foundAt = Math.min(waiting.foundAt, change.revision);
    if (this.#changes.length < 2 * KEPT_MAX) return;
    const dropped = this.#changes.splice(0, this.#changes.length - KEPT_MAX);
    this.#completeFrom = dropped.reduce((highest, { revision }) => Math.max(highest, revision), this.#completeFrom ?? 0);
  }

  /** Until a change that was asked for is in memory with all before it: other changes wake nobody. */
  #found(question: Looked, atMostMs: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#clock.after(atMostMs, () => {
        waiting.wake();
      });
      const waiting: Waiting = {
        question,
        // What a commit of this manager's own has added already, ahead of the watch.
        foundAt: this.#changes.reduce((first, change) => (isAnswer(change, question) ? Math.min(first, change.revision) : first), Infinity),
        wake: () => {
          cancel();
          this.#waiting.delete(waiting);
          resolve();
        },
      };
      this.#waiting.add(waiting);
    });
  }
}

interface Waiting {
  readonly question: Looked;
  /** Revision of the first change that answers it. */
  foundAt: number;
  readonly wake: () => void;
}

function isAnswer(change: Change, { of, afterRevision, namePrefix }: Looked): boolean {
  return change.of === of && change.revision > afterRevision && change.name.startsWith(namePrefix);
}

interface Looked {
  readonly of: Change['of'];
  readonly afterRevision: number;
  readonly namePrefix: string;
}

/** A watcher asks again within milliseconds; one this far behind is better off with a new list. */
const KEPT_MAX = 10_000;
/** Changed records in one answer, which the bus has to carry. */
const ANSWERED_MAX = 200;
/** Above it questions are answered at once, and their agents ask again after a pause. */
const WAITING_MAX = 1_000;
