import type { Clock } from '@volplane/base';
import type { ClusterView } from '@volplane/domain';
import type { ClusterCache } from './cluster-cache.js';

/** The facts that decisions look at, from memory; what matters of them is compared again at the commit. */
export function viewOf(cache: ClusterCache, clock: Clock, brake?: string): ClusterView {
  return {
    now: new Date(clock.wallMs()).toISOString(),
    node: (name) => cache.nodes.get(name)?.document,
    session: (name) => cache.sessions.get(name)?.document,
    unguarded: (name) => cache.unguarded.has(name),
    ...(brake === undefined ? {} : { brake }),
  };
}
