import { AppError, type Reason } from '@volplane/base';
import {
  chooseOwner,
  driverFault,
  placeVolume,
  type Candidate,
  type LiveNode,
  type NodeDocument,
  type Placement,
  type PlacementRequest,
  type SessionId,
} from '@volplane/domain';
import type { ClusterCache } from '../store/cluster-cache.js';
import { missingNode } from './missing-node.js';

/** Every registered node as a candidate, from memory: for whoever wants to be told about each. */
export function candidates(cache: ClusterCache): readonly Candidate[] {
  return [...cache.nodes.values()].map(({ document }) => candidateOf(document, cache));
}

/**
 * The best of the registered nodes, from memory.
 *
 * @throws AppError NODE_NOT_FOUND when the wished node has never registered, DRIVER_NOT_FOUND when nobody runs the driver, CAPABILITY_MISSING
 *   when it can do what is asked for nowhere, NODE_UNAVAILABLE when those that could are not in touch, NODE_CORDONED when they are cordoned,
 *   NODE_LACKS_DRIVER otherwise; naming why nodes lost
 */
export function choose(request: PlacementRequest, cache: ClusterCache): Chosen {
  const chosen = chooseOwner(request, ranked(cache), (node) => sessionOf(node, cache));
  if (chosen !== undefined) return chosen;
  if (request.wished !== undefined && !cache.nodes.has(request.wished)) throw missingNode(cache, request.wished);
  return refuse(request, candidates(cache));
}

/** {@link choose}, but a cordoned node is as good as another: it is to do something once, not to own. */
export function chooseHelper(request: PlacementRequest, cache: ClusterCache): Chosen {
  const all = candidates(cache).map((candidate) => ({ ...candidate, node: { ...candidate.node, cordoned: false } }));
  return placeVolume(request, all).chosen ?? refuse(request, all);
}

/**
 * {@link choose}, and the volume counts as the chosen node's own while `work` goes on: of many that are placed at once, not all shall go
 * to the node that owned the fewest before.
 */
export async function placeWhile<T>(request: PlacementRequest, cache: ClusterCache, work: (chosen: Chosen) => Promise<T>): Promise<T> {
  return await countedWhile(choose(request, cache), cache, work);
}

/** {@link placeWhile}; that no node can take the volume counts only after a linearizable read. */
export async function placeFreshWhile<T>(request: PlacementRequest, cache: ClusterCache, work: (chosen: Chosen) => Promise<T>): Promise<T> {
  let chosen: Chosen;
  try {
    chosen = choose(request, cache);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    await cache.barrier();
    chosen = choose(request, cache);
  }
  return await countedWhile(chosen, cache, work);
}

export function toLiveNode(chosen: Chosen): LiveNode {
  return { node: chosen.node.name, nodeUid: chosen.node.uid, session: chosen.session };
}

/** Who is to own a volume, by which session and driver. */
type Chosen = NonNullable<Placement['chosen']>;

async function countedWhile<T>(chosen: Chosen, cache: ClusterCache, work: (chosen: Chosen) => Promise<T>): Promise<T> {
  const forget = cache.volumes.expectOwner(chosen.node.name);
  try {
    return await work(chosen);
  } finally {
    forget();
  }
}

/** Only to ask who could take a volume if every node were in touch; never sent and never stored. */
const PRESUMED = 'presumed' as SessionId;

/** Keeps a refusal readable; `explain` lists every node. */
const VERDICTS_NAMED_MAX = 10;

function* ranked(cache: ClusterCache): Iterable<NodeDocument> {
  for (const node of cache.volumes.owners) {
    const document = cache.nodes.get(node)?.document;
    // A node whose document is gone may still own volumes.
    if (document !== undefined) yield document;
  }
}

function sessionOf(node: NodeDocument, cache: ClusterCache): SessionId | undefined {
  const session = cache.sessions.get(node.name)?.document;
  return session?.nodeUid === node.uid ? session.session : undefined;
}

function candidateOf(node: NodeDocument, cache: ClusterCache): Candidate {
  const session = sessionOf(node, cache);
  return { node, owned: cache.volumes.owners.count(node.name), ...(session === undefined ? {} : { session }) };
}

function refuse(request: PlacementRequest, all: readonly Candidate[]): never {
  if (!all.some((candidate) => candidate.node.drivers.some((driver) => driver.name === request.driver))) {
    throw new AppError('DRIVER_NOT_FOUND', `no registered node runs driver ${request.driver}`, { driver: request.driver });
  }
  const nodes = all.map(({ node }) => node);
  const missing = missingCapability(request, nodes);
  if (missing !== undefined) {
    throw new AppError('CAPABILITY_MISSING', `no node can take such a volume: ${missing}`, { driver: request.driver });
  }
  const verdicts = placeVolume(request, all.slice(0, VERDICTS_NAMED_MAX)).verdicts.map((verdict) => `${verdict.node}: ${verdict.reason}`);
  throw new AppError(missingCondition(request, nodes), `no node can take a volume of driver ${request.driver}: ${verdicts.join('; ')}`, {
    driver: request.driver,
    nodes: verdicts.join('; '),
  });
}

/** What keeps away all nodes that could take it otherwise. */
function missingCondition(request: PlacementRequest, nodes: readonly NodeDocument[]): Reason {
  const fits = (those: readonly NodeDocument[]): boolean => chooseOwner(request, those, () => PRESUMED) !== undefined;
  if (fits(nodes)) return 'NODE_UNAVAILABLE';
  return fits(nodes.map((node) => ({ ...node, cordoned: false }))) ? 'NODE_CORDONED' : 'NODE_LACKS_DRIVER';
}

/** What the driver can do on no node that offers it to the cluster, so that no other node would help; undefined = one of them is able to. */
function missingCapability(request: PlacementRequest, nodes: readonly NodeDocument[]): string | undefined {
  const offers = nodes
    .flatMap(({ drivers }) => drivers)
    .filter(({ name, capabilities }) => name === request.driver && capabilities.scope === 'global');
  const faults = offers.map((driver) => driverFault(request, driver));
  return faults.every((fault) => fault !== undefined) ? faults[0] : undefined;
}
