import { AppError } from '@volplane/base';
import { placeVolume, type Candidate, type LiveNode, type Placement, type PlacementRequest, type SessionId } from '@volplane/domain';
import type { ClusterCache } from '../store/cluster-cache.js';

/** Every registered node as a candidate, from memory. */
export function candidates(cache: ClusterCache): readonly Candidate[] {
  return [...cache.nodes.values()].map(({ document }) => {
    const session = cache.sessions.get(document.name)?.document;
    const owned = cache.volumes.ownedBy(document.name).size;
    return session?.nodeUid === document.uid ? { node: document, owned, session: session.session } : { node: document, owned };
  });
}

/**
 * @throws AppError DRIVER_NOT_FOUND when nobody runs the driver, NODE_UNAVAILABLE when those that could are not in touch,
 *   NODE_LACKS_DRIVER otherwise; naming why each node lost
 */
export function choose(request: PlacementRequest, all: readonly Candidate[]): NonNullable<Placement['chosen']> {
  const placement = placeVolume(request, all);
  if (placement.chosen !== undefined) return placement.chosen;
  if (!all.some((candidate) => candidate.node.drivers.some((driver) => driver.name === request.driver))) {
    throw new AppError('DRIVER_NOT_FOUND', `no registered node runs driver ${request.driver}`, { driver: request.driver });
  }
  const verdicts = placement.verdicts.slice(0, VERDICTS_NAMED_MAX).map((verdict) => `${verdict.node}: ${verdict.reason}`);
  const inTouch = placeVolume(
    request,
    all.map((candidate) => ({ ...candidate, session: candidate.session ?? PRESUMED })),
  );
  const reason = inTouch.chosen === undefined ? 'NODE_LACKS_DRIVER' : 'NODE_UNAVAILABLE';
  throw new AppError(reason, `no node can take a volume of driver ${request.driver}: ${verdicts.join('; ')}`, {
    driver: request.driver,
    nodes: verdicts.join('; '),
  });
}

/** {@link choose} from memory; that no node can take the volume counts only after a linearizable read. */
export async function chooseFresh(cache: ClusterCache, request: PlacementRequest): Promise<NonNullable<Placement['chosen']>> {
  try {
    return choose(request, candidates(cache));
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    await cache.barrier();
    return choose(request, candidates(cache));
  }
}

export function toLiveNode(chosen: NonNullable<Placement['chosen']>): LiveNode {
  return { node: chosen.node.name, nodeUid: chosen.node.uid, session: chosen.session };
}

/** Only to ask who could take a volume if every node were in touch; never sent and never stored. */
const PRESUMED = 'presumed' as SessionId;

/** Keeps a refusal readable; `explain` lists every node. */
const VERDICTS_NAMED_MAX = 10;
