import { seededRandom, silentLogger, type Clock, type Logger } from '@volplane/base';
import type { KvStore } from '@volplane/ports';
import { ClusterCache } from '../src/store/cluster-cache.js';

/** A cache that is filled and follows its store until `end`. */
export async function runningCache(parts: {
  readonly kv: KvStore;
  readonly clock: Clock;
  readonly log?: Logger;
}): Promise<{ readonly cache: ClusterCache; readonly end: () => Promise<void> }> {
  const cache = new ClusterCache({ random: seededRandom(1), log: silentLogger, ...parts });
  const stop = new AbortController();
  const running = cache.run(stop.signal);
  await cache.filled;
  return {
    cache,
    end: async () => {
      stop.abort();
      await running;
    },
  };
}
