import type { NodeEvent, NodeName, WatchRequest } from '@volplane/domain';
import type { CallContext } from '../api.js';
import type { ClusterCache } from '../store/cluster-cache.js';
import { ChangeFeed } from './change-feed.js';
import type { NodeViews } from './node-view.js';

/** The present nodes, `synced`, then every node whose registration or session changed, as it becomes known here. */
export async function* watchNodes(
  cache: ClusterCache,
  views: NodeViews,
  request: WatchRequest,
  context: CallContext,
): AsyncIterable<NodeEvent> {
  await cache.barrier();
  const prefix = request.namePrefix ?? '';
  const feed = new ChangeFeed<NodeEvent>(context.signal);
  const onChange = (node: NodeName): void => {
    if (node.startsWith(prefix) && cache.nodes.has(node)) feed.push({ type: 'changed', node: views.view(node) });
  };
  const stopListening = cache.listen({ onNode: onChange, onSession: onChange });
  try {
    // Of one moment, the one at which the changes begin: what is shown later to a slow consumer must not be ahead of them.
    const present = [...cache.nodes.keys()].filter((node) => node.startsWith(prefix)).sort();
    for (const node of present.map((name) => views.view(name))) yield { type: 'present', node };
    yield { type: 'synced' };
    yield* feed;
  } finally {
    stopListening();
  }
}
