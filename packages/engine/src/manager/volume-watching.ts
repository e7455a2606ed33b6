import type { VolumeEvent, WatchRequest } from '@volplane/domain';
import type { CallContext } from '../api.js';
import { toVolumeView } from '../document-view.js';
import type { ClusterCache } from '../store/cluster-cache.js';
import { ChangeFeed } from './change-feed.js';

/** The present global volumes, `synced`, then every change as it becomes known here; never one older than shown before. */
export async function* watchVolumes(cache: ClusterCache, request: WatchRequest, context: CallContext): AsyncIterable<VolumeEvent> {
  await cache.barrier();
  const prefix = request.namePrefix ?? '';
  const feed = new ChangeFeed<VolumeEvent>(context.signal);
  const stopListening = cache.listen({
    onVolume: (name, record, revision) => {
      if (!name.startsWith(prefix)) return;
      feed.push(
        record === undefined
          ? { type: 'removed', name, revision }
          : { type: 'changed', volume: toVolumeView(record.document, record.modRevision), revision },
      );
    },
  });
  try {
    // Of one moment, the one at which the changes begin: what is shown later to a slow consumer must not be ahead of them.
    const { revision } = cache;
    const present = [...cache.volumes.names()].filter((name) => name.startsWith(prefix)).map((name) => cache.volumes.get(name));
    for (const record of present) {
      if (record === undefined) continue;
      const { document, modRevision } = record;
      yield { type: 'present', volume: toVolumeView(document, modRevision), revision: modRevision };
    }
    yield { type: 'synced', revision };
    yield* feed;
  } finally {
    stopListening();
  }
}
