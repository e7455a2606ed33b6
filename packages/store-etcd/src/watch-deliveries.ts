import type { KvEvent, KvObserver } from '@volplane/ports';
import type { IWatchResponse } from 'etcd3';
import { isMark, toEvent } from './codec.js';

/**
 * Makes the observer's calls from etcd's watch responses: whole revisions, in order, each once.
 *
 * The place to resume from moves only with what was delivered. The revision in a response's header is the store's and
 * may be far ahead of the events on their way, so it is never used, except in a progress notification.
 */
export class WatchDeliveries {
  readonly #observer: KvObserver;
  /** Where a new stream has to begin: everything below was delivered, or does not exist. */
  #nextRevision: number;
  /** Events up to here came already; an etcd that sends one again is not heard. */
  #deliveredRevision: number;
  /** Events of the last revision of a response that goes on in the next one. */
  #held: KvEvent[] = [];
  #stopped = false;

  constructor(fromRevision: number, observer: KvObserver) {
    this.#nextRevision = fromRevision;
    this.#deliveredRevision = fromRevision - 1;
    this.#observer = observer;
  }

  get nextRevision(): number {
    return this.#nextRevision;
  }

  /** A new stream begins at `nextRevision`; parts of a response of the old one are void. */
  restart(): void {
    this.#held = [];
  }

  /** No call of the observer comes after this, also not when the observer itself brings it about. */
  stop(): void {
    this.#stopped = true;
  }

  /** Takes a response with events. */
  take(response: IWatchResponse): void {
    const events = [...this.#held, ...response.events.map(toEvent).filter((event) => revisionOf(event) > this.#deliveredRevision)];
    const lastRevision = events.length === 0 ? 0 : revisionOf(events.at(-1));
    this.#held = response.fragment ? events.filter((event) => revisionOf(event) === lastRevision) : [];
    this.#deliver(events.slice(0, events.length - this.#held.length));
  }

  /** etcd says that it has delivered everything up to `revision`. */
  progress(revision: number): void {
    if (this.#stopped || this.#held.length > 0) return;
    this.#nextRevision = Math.max(this.#nextRevision, revision + 1);
    this.#observer.onProgress(this.#nextRevision - 1);
  }

  #deliver(events: readonly KvEvent[]): void {
    const last = events.at(-1);
    if (last === undefined) return;
    const lastRevision = revisionOf(last);
    this.#deliveredRevision = lastRevision;
    this.#nextRevision = Math.max(this.#nextRevision, lastRevision + 1);
    const shown = events.filter((event) => !isMark(event.type === 'put' ? event.entry.key : event.key));
    const lastShown = shown.at(-1);
    if (lastShown !== undefined) this.#observer.onEvents(shown, revisionOf(lastShown));
    if (revisionOf(lastShown) < lastRevision) this.progress(lastRevision);
  }
}

function revisionOf(event: KvEvent | undefined): number {
  if (event === undefined) return 0;
  return event.type === 'put' ? event.entry.modRevision : event.modRevision;
}
