import { AppError } from '@volplane/base';
import type { NodeName, SessionDocument } from '@volplane/domain';
import type { ClusterCache } from '../store/cluster-cache.js';

/** The lives of agents that somebody waits for: all who ask one node share one signal, however many they are. */
export class NodeLives {
  readonly #cache: ClusterCache;
  readonly #watched = new Map<NodeName, { readonly life: SessionDocument; readonly controller: AbortController }>();

  constructor(cache: ClusterCache) {
    this.#cache = cache;
    cache.listen({
      onSession: (node) => {
        this.#endOther(node, cache.sessions.get(node)?.document);
      },
    });
  }

  /** The node's present session, and a signal that fires when it ends or goes on in another incarnation. Undefined without a session. */
  present(node: NodeName): { readonly life: SessionDocument; readonly signal: AbortSignal } | undefined {
    const life = this.#cache.sessions.get(node)?.document;
    // The records tell of a new life before this listener has heard of it.
    this.#endOther(node, life);
    if (life === undefined) return undefined;
    let watched = this.#watched.get(node);
    if (watched === undefined) this.#watched.set(node, (watched = { life, controller: new AbortController() }));
    return { life, signal: watched.controller.signal };
  }

  #endOther(node: NodeName, now: SessionDocument | undefined): void {
    const watched = this.#watched.get(node);
    if (watched === undefined) return;
    const { life, controller } = watched;
    if (life.session === now?.session && life.incarnation === now.incarnation) return;
    this.#watched.delete(node);
    controller.abort(new AppError('UNKNOWN_OUTCOME', `node ${node} went away while it was asked`, { node }));
  }
}
