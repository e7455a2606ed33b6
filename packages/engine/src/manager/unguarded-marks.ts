import type { Clock, Logger } from '@volplane/base';
import type { KvStore } from '@volplane/ports';
import type { MessageOf } from '@volplane/wire';
import type { SessionRecord } from '../store/cluster-cache.js';
import type { GroupCommit } from '../store/group-commit.js';
import { sessionKey, unguardedKey } from '../store/keys.js';

/**
 * Keeps the marks of nodes whose guardian is dead (rule 20): durable, outside the lease. While a mark is there, the end of the node's
 * session is no evidence.
 *
 * Only the present incarnation of an agent has a say: what an earlier one sent may come late, and its guardian is not the one that runs,
 * or does not run, now. Of one incarnation only a later word changes a mark.
 */
export class UnguardedMarks {
  readonly #kv: KvStore;
  readonly #commits: GroupCommit;
  readonly #clock: Clock;
  readonly #log: Logger;

  constructor(parts: { readonly kv: KvStore; readonly commits: GroupCommit; readonly clock: Clock; readonly log: Logger }) {
    this.#kv = parts.kv;
    this.#commits = parts.commits;
    this.#clock = parts.clock;
    this.#log = parts.log;
  }

  /**
   * @param session - the session of the message's incarnation
   * @returns false when nothing was changed, because the session is another by now or somebody else changed the mark
   * @throws AppError STORE_UNAVAILABLE, UNKNOWN_OUTCOME
   */
  async record(message: MessageOf<'unguarded'>, session: SessionRecord): Promise<boolean> {
    const { node, incarnation, turn } = message;
    const key = unguardedKey(node);
    const { entry } = await this.#kv.get(key);
    const before = entry === undefined ? undefined : wordOf(entry.value);
    if (before === undefined && !message.unguarded) return true;
    // Not even one that says the same: with its lower turn in the mark the next late one would take the mark away.
    if (before?.incarnation === incarnation && before.turn > turn) {
      this.#log.warn('a late word about the guardian of a node was not believed', { node, turn, later: before.turn });
      return true;
    }
    const mark = { schema: 1, node, since: new Date(this.#clock.wallMs()).toISOString(), incarnation, turn };
    const outcome = await this.#commits.submit({
      compares: [
        { type: 'lease', key: sessionKey(node), lease: message.session },
        // The key is written anew for each incarnation.
        { type: 'revision', key: sessionKey(node), modRevision: session.modRevision },
        { type: 'revision', key, modRevision: entry?.modRevision ?? 0 },
      ],
      writes: [message.unguarded ? { type: 'put', key, value: JSON.stringify(mark) } : { type: 'delete', key }],
    });
    if (!outcome.succeeded) return false;
    if (message.unguarded) this.#log.warn('node is unguarded', { node });
    else this.#log.info('node is guarded again', { node });
    return true;
  }
}

/** Whose word a mark is. One that cannot be read is nobody's: any word takes it away. */
function wordOf(json: string): { readonly incarnation: string; readonly turn: number } {
  try {
    const { incarnation, turn } = JSON.parse(json) as { readonly incarnation?: unknown; readonly turn?: unknown };
    if (typeof incarnation === 'string' && typeof turn === 'number') return { incarnation, turn };
  } catch (error) {
    if (!(error instanceof SyntaxError) && !(error instanceof TypeError)) throw error;
  }
  return { incarnation: '', turn: 0 };
}
