import type { VolumeEvent, VolumeName, WatchRequest } from '@volplane/domain';
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
    const present: VolumeName[] = [...cache.volumes.names()].filter((name) => name.startsWith(prefix));
    for (const name of present) {
      const record = cache.volumes.get(name);
      if (record !== undefined)
        yield { type: 'present', volume: toVolumeView(record.document, record.modRevision), revision: record.modRevision };
    }
    yield { type: 'synced', revision: cache.revision };
    yield* feed;
  } finally {
    stopListening();
  }
}
