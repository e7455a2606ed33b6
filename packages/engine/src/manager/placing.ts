import { AppError } from '@volplane/base';
import { placeVolume, type Candidate, type LiveNode, type Placement, type PlacementRequest } from '@volplane/domain';
import type { ClusterCache } from '../store/cluster-cache.js';

/** Every registered node as a candidate, from memory. */
export function candidates(cache: ClusterCache): readonly Candidate[] {
  return [...cache.nodes.values()].map(({ document }) => {
    const session = cache.sessions.get(document.name)?.document;
    const owned = cache.volumes.ownedBy(document.name).size;
    return session?.nodeUid === document.uid ? { node: document, owned, session: session.session } : { node: document, owned };
  });
}

/** @throws AppError DRIVER_NOT_FOUND when nobody runs the driver, NODE_LACKS_DRIVER naming why each node lost */
export function choose(request: PlacementRequest, all: readonly Candidate[]): NonNullable<Placement['chosen']> {
  const placement = placeVolume(request, all);
  if (placement.chosen !== undefined) return placement.chosen;
  if (!all.some((candidate) => candidate.node.drivers.some((driver) => driver.name === request.driver))) {
    throw new AppError('DRIVER_NOT_FOUND', `no registered node runs driver ${request.driver}`, { driver: request.driver });
  }
  const verdicts = placement.verdicts.slice(0, VERDICTS_NAMED_MAX).map((verdict) => `${verdict.node}: ${verdict.reason}`);
  throw new AppError('NODE_LACKS_DRIVER', `no node can take a volume of driver ${request.driver}: ${verdicts.join('; ')}`, {
    driver: request.driver,
    nodes: verdicts.join('; '),
  });
}

/** {@link choose} from memory; that no node can take the volume counts only after a linearizable read. */
export async function chooseFresh(
  cache: ClusterCache,
  request: PlacementRequest,
  signal?: AbortSignal,
): Promise<NonNullable<Placement['chosen']>> {
  try {
    return choose(request, candidates(cache));
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    await cache.barrier(signal);
    return choose(request, candidates(cache));
  }
}

export function toLiveNode(chosen: NonNullable<Placement['chosen']>): LiveNode {
  return { node: chosen.node.name, nodeUid: chosen.node.uid, session: chosen.session };
}

/** Keeps a refusal readable; `explain` lists every node. */
const VERDICTS_NAMED_MAX = 10;
