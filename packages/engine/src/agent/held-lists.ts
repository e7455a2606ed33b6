import { AppError, type Logger } from '@volplane/base';
import { heldDigest, type VolumeName, type VolumeUid } from '@volplane/domain';
import { HELD_ENTRIES_MAX, heldListAnswer, type MessageOf } from '@volplane/wire';
import type { AgentBook, MountRecord } from './agent-book.js';
import type { AgentSession } from './agent-session.js';
import type { GlobalMounts } from './global-mounts.js';
import type { Managers } from './managers.js';

type Part = Pick<MessageOf<'held-list'>, 'seq' | 'from' | 'to' | 'entries'>;

/** The digest of what this node holds, for heartbeats. Claims in flight are left out: they come and go between two beats. */
export function bookDigest(book: AgentBook): string {
  const held: { uid: VolumeUid; seq: number }[] = [];
  for (const record of book.mounts()) if (record.granted !== undefined) held.push({ uid: record.granted.uid, seq: record.seq });
  return heldDigest(held);
}

/** The list in parts of bounded size, all of one moment: held, claiming, and by silence absent (rule 11). */
export function listParts(book: AgentBook): readonly Part[] {
  const seq = book.lastSeq;
  const records = [...book.mounts()].sort((one, other) => (one.name < other.name ? -1 : 1));
  const parts: Part[] = [];
  for (let start = 0; start === 0 || start < records.length; start += HELD_ENTRIES_MAX) {
    const slice = records.slice(start, start + HELD_ENTRIES_MAX);
    const next = records[start + HELD_ENTRIES_MAX];
    parts.push({
      seq,
      from: start === 0 ? '' : (slice[0]?.name ?? ''),
      entries: slice.map(toEntry),
      ...(next === undefined ? {} : { to: next.name }),
    });
  }
  return parts;
}

function toEntry(record: MountRecord): MessageOf<'held-list'>['entries'][number] {
  const { name, seq, granted } = record;
  const isSettled = record.state === 'held' || record.state === 'aborted';
  return { name, seq, state: isSettled ? 'held' : 'claiming', ...(granted === undefined ? {} : { uid: granted.uid }) };
}

/** Presents the list when a manager wants it, and acts on what is not this node's. One at a time. */
export class HeldLists {
  readonly #book: AgentBook;
  readonly #session: AgentSession;
  readonly #managers: Managers;
  readonly #mounts: GlobalMounts;
  readonly #log: Logger;
  #presenting = false;

  constructor(parts: {
    readonly book: AgentBook;
    readonly session: AgentSession;
    readonly managers: Managers;
    readonly mounts: GlobalMounts;
    readonly log: Logger;
  }) {
    this.#book = parts.book;
    this.#session = parts.session;
    this.#managers = parts.managers;
    this.#mounts = parts.mounts;
    this.#log = parts.log;
    parts.session.listen({
      onListWanted: () => {
        this.present().catch((error: unknown) => {
          this.#log.debug('held list was not taken, the next heartbeat asks again', { error });
        });
      },
    });
  }

  async present(): Promise<void> {
    if (this.#presenting) return;
    this.#presenting = true;
    try {
      for (const part of listParts(this.#book)) {
        // Part by part, each small enough for one message.
        const answer = await this.#managers.ask({ type: 'held-list', ...this.#session.speaker(), ...part }, heldListAnswer, {
          timeoutMs: LIST_TIMEOUT_MS,
        });
        await Promise.all(answer.notYours.map((entry) => this.#disown(entry)));
      }
    } finally {
      this.#presenting = false;
    }
  }

  async #disown(entry: { readonly name: VolumeName; readonly uid: VolumeUid; readonly seq: number }): Promise<void> {
    try {
      await this.#mounts.notYours(entry.name, entry.uid, entry.seq);
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      this.#log.error('a mount that is not this node’s could not be ended yet, it is tried again', {
        volume: entry.name,
        uid: entry.uid,
        error,
      });
    }
  }
}

const LIST_TIMEOUT_MS = 10_000;
