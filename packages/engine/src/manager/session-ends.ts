import type { Clock, Logger } from '@volplane/base';
import type { NodeIdentity, NodeName, SessionDocument } from '@volplane/domain';
import type { ClusterCache } from '../store/cluster-cache.js';

/**
 * When this manager saw sessions of nodes end: the store keeps no time of it, and it is the first thing that people ask of a node that
 * is gone. For showing and for the log; nothing is decided by it.
 */
export class SessionEnds {
  readonly #present = new Map<NodeName, SessionDocument>();
  readonly #ended = new Map<NodeName, { readonly session: SessionDocument; readonly at: string }>();

  constructor(parts: { readonly cache: ClusterCache; readonly clock: Clock; readonly log: Logger }) {
    const { cache, clock, log } = parts;
    cache.listen({
      onSession: (node) => {
        const before = this.#present.get(node);
        const now = cache.sessions.get(node)?.document;
        if (now === undefined) this.#present.delete(node);
        else this.#present.set(node, now);
        if (before === undefined || before.session === now?.session) return;
        this.#ended.set(node, { session: before, at: new Date(clock.wallMs()).toISOString() });
        log.warn('session ended: the node was not heard for its time to live', { node, session: before.session, since: before.since });
      },
    });
  }

  /** ISO 8601; undefined while the machine has a session, and when this manager did not see it end. */
  goneSince({ node, nodeUid }: NodeIdentity): string | undefined {
    const ended = this.#ended.get(node);
    return ended?.session.nodeUid === nodeUid && !this.#present.has(node) ? ended.at : undefined;
  }
}
