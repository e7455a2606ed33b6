import { AppError } from '@volplane/base';
import type { NodeName } from '@volplane/domain';
import type { ClusterCache } from '../store/cluster-cache.js';

/** The failure for a node that is not in memory. That it never registered is a fact only once every record has been read. */
export function missingNode(cache: ClusterCache, node: NodeName): AppError {
  if (cache.isFilled) return new AppError('NODE_NOT_FOUND', `node ${node} has never registered`, { node });
  return new AppError(
    'STORE_UNAVAILABLE',
    `this manager has not read the records yet, so node ${node} cannot be reached; repeat the call`,
    { node },
  );
}
