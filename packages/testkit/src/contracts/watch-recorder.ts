import type { KvEvent, KvStore, KvWatch } from '@volplane/ports';

/** What one watch delivered, with every breach of the {@link KvObserver} contract that it saw. */
export interface WatchRecord {
  readonly events: readonly KvEvent[];
  /** Revision of each `onEvents`, in order. */
  readonly batches: readonly number[];
  /** The greatest revision that events or progress have named; 0 before any. */
  readonly revision: number;
  readonly ended: Error | undefined;
  /** Order, double or late deliveries in words; empty when the contract was kept. */
  readonly breaches: readonly string[];
  readonly watch: KvWatch;
}

/** Opens a watch and writes down what it delivers. `onProgress` runs after the record took it in. */
export function recordWatch(
  kv: KvStore,
  query: { readonly prefix: string; readonly fromRevision: number },
  onProgress: (revision: number) => void = () => undefined,
): WatchRecord {
  const events: KvEvent[] = [];
  const batches: number[] = [];
  const breaches: string[] = [];
  let reached = query.fromRevision - 1;
  let revision = 0;
  let ended: Error | undefined;
  const expectOpen = (what: string): void => {
    if (ended !== undefined) breaches.push(`${what} after the end`);
  };
  const watch = kv.watch(query, {
    onEvents(delivered, batchRevision) {
      expectOpen('events');
      if (delivered.length === 0) breaches.push('onEvents without an event');
      for (const event of delivered) {
        const at = revisionOf(event);
        if (at <= reached) breaches.push(`event of revision ${String(at)} after everything up to ${String(reached)}`);
        if (at > batchRevision) breaches.push(`event of revision ${String(at)} in a batch up to ${String(batchRevision)}`);
        if (at < revisionOf(events.at(-1))) breaches.push(`event of revision ${String(at)} out of order`);
        if (!keyOf(event).startsWith(query.prefix)) breaches.push(`event of foreign key ${keyOf(event)}`);
        events.push(event);
      }
      if (revisionOf(events.at(-1)) !== batchRevision) breaches.push(`batch ${String(batchRevision)} does not end with an event of it`);
      batches.push(batchRevision);
      reached = Math.max(reached, batchRevision);
      revision = Math.max(revision, batchRevision);
    },
    onProgress(at) {
      expectOpen('progress');
      reached = Math.max(reached, at);
      revision = Math.max(revision, at);
      onProgress(at);
    },
    onEnd(error) {
      expectOpen('a second end');
      ended = error;
    },
  });
  return {
    events,
    batches,
    breaches,
    watch,
    get revision() {
      return revision;
    },
    get ended() {
      return ended;
    },
  };
}

export function revisionOf(event: KvEvent | undefined): number {
  if (event === undefined) return 0;
  return event.type === 'put' ? event.entry.modRevision : event.modRevision;
}

export function keyOf(event: KvEvent): string {
  return event.type === 'put' ? event.entry.key : event.key;
}

/** An event in one short line: `put a=1@7 c5 l9`, `delete a@8`. */
export function eventText(event: KvEvent): string {
  if (event.type === 'delete') return `delete ${event.key}@${String(event.modRevision)}`;
  const { key, value, modRevision, createRevision, lease } = event.entry;
  return `put ${key}=${value}@${String(modRevision)} c${String(createRevision)}${lease === undefined ? '' : ` l${lease}`}`;
}
