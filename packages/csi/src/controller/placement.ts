import type { DriverInfo, NodeView, StringMap } from '@volplane/domain';
import type { CallContext, NodesApi } from '@volplane/engine';
import { CsiError } from '../status.js';
import type { Requirement, TopologyMap } from '../topology.js';

export interface PlacementWish {
  readonly requirement: Requirement | undefined;
  readonly driver: DriverInfo;
  /** Node labels that the storage class demands. */
  readonly labels: StringMap;
  readonly name: string;
  readonly nodes: readonly NodeView[];
}

/**
 * The nodes where the volume may live, best first, all alive.
 *
 * When the caller prefers a node (a pod waits there) and that very node is silent, nothing else will do: UNAVAILABLE.
 *
 * @throws CsiError RESOURCE_EXHAUSTED when the topology leaves none, UNAVAILABLE when those left do not answer now
 */
export function choosePlaces(topology: TopologyMap, wish: PlacementWish): readonly string[] {
  const { requirement, driver, labels, name, nodes } = wish;
  const inTopology = topology
    .order(requirement, nodes, name)
    .filter((node) => node.state !== 'lost' && Object.entries(labels).every(([key, value]) => node.labels[key] === value));
  const able = inTopology.filter((node) => node.drivers.some((offered) => offered.name === driver.name));
  if (able.length === 0) throw new CsiError('RESOURCE_EXHAUSTED', noneText(wish, inTopology.length));
  const alive = able.filter((node) => isAlive(node) && !node.cordoned);
  const [first] = able;
  const isWaitedFor = (requirement?.preferred.length ?? 0) > 0 && driver.capabilities.scope === 'local';
  if (alive.length === 0 || (isWaitedFor && first !== undefined && !isAlive(first))) {
    const silent = able.filter((node) => !alive.includes(node)).map((node) => `${node.name} (${node.cordoned ? 'cordoned' : node.state})`);
    throw new CsiError(
      'UNAVAILABLE',
      `volume ${name} could live on nodes that do not take it now: ${silent.slice(0, NODES_NAMED_MAX).join(', ')}`,
    );
  }
  return alive.map((node) => node.name);
}

/** Every node. Clusters have hundreds at most: one page. */
export async function listAllNodes(api: NodesApi, context: CallContext): Promise<readonly NodeView[]> {
  const nodes: NodeView[] = [];
  let pageToken: string | undefined;
  do {
    // One after the other: each page names the next.
    const page = await api.listNodes({ pageSize: PAGE_SIZE, ...(pageToken === undefined ? {} : { pageToken }) }, context);
    nodes.push(...page.nodes);
    pageToken = page.nextPageToken;
  } while (pageToken !== undefined && nodes.length < NODES_MAX);
  return nodes;
}

function isAlive(node: NodeView): boolean {
  return node.state === 'connected' || node.state === 'silent';
}

function noneText(wish: PlacementWish, inTopology: number): string {
  if (wish.nodes.length === 0) return `volume ${wish.name} can live nowhere: no node has registered`;
  if (inTopology === 0) return `volume ${wish.name} can live nowhere: no node lies in the topology that is asked for`;
  return `volume ${wish.name} can live nowhere: no node in the topology that is asked for runs driver ${wish.driver.name}`;
}

const PAGE_SIZE = 1_000;
const NODES_MAX = 10_000;
const NODES_NAMED_MAX = 5;
