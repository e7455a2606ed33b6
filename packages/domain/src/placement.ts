import { isExclusiveWriter, type AccessMode, type TakeoverPolicy } from './access.js';
import type { DriverName, NodeName, SessionId } from './names.js';
import type { DriverInfo, NodeDocument } from './node.js';
import { ownEntry } from './own-entry.js';
import type { StringMap, VolumeSpec } from './volume.js';

/** A node as a candidate for owning a volume. */
export interface Candidate {
  readonly node: NodeDocument;
  /** Absent when the node has no session. */
  readonly session?: SessionId;
  /** Volumes that it owns now; fewer is better. */
  readonly owned: number;
}

export interface PlacementRequest {
  readonly driver: DriverName;
  readonly accessMode?: AccessMode;
  readonly takeover?: TakeoverPolicy;
  readonly topology: StringMap;
  /** Only this node. */
  readonly wished?: NodeName;
  readonly needsSize: boolean;
  readonly needsClone: boolean;
}

export interface CandidateVerdict {
  readonly node: NodeName;
  readonly passed: boolean;
  /** Why not, or by which rule it was preferred. */
  readonly reason: string;
}

export interface Placement {
  /** Absent when no candidate passed. */
  readonly chosen?: { readonly node: NodeDocument; readonly session: SessionId; readonly driver: DriverInfo };
  readonly verdicts: readonly CandidateVerdict[];
}

/** Chooses the owner: the node with the fewest owned volumes among those that pass every rule; ties by name. Says why each lost. */
export function placeVolume(request: PlacementRequest, candidates: readonly Candidate[]): Placement {
  const verdicts: CandidateVerdict[] = [];
  let best: { readonly candidate: Candidate; readonly session: SessionId; readonly driver: DriverInfo } | undefined;
  for (const candidate of candidates) {
    const { node, session } = candidate;
    const driver = node.drivers.find((offered) => offered.name === request.driver);
    const fault = candidateFault(request, candidate, driver);
    verdicts.push({
      node: node.name,
      passed: fault === undefined,
      reason: fault ?? `owns ${String(candidate.owned)} ${candidate.owned === 1 ? 'volume' : 'volumes'}`,
    });
    if (fault !== undefined || session === undefined || driver === undefined) continue;
    if (best === undefined || isBetter(candidate, best.candidate)) best = { candidate, session, driver };
  }
  return best === undefined
    ? { verdicts }
    : { verdicts, chosen: { node: best.candidate.node, session: best.session, driver: best.driver } };
}

/**
 * What {@link placeVolume} chooses, without a word about the others: of nodes in order, the first that passes every rule.
 *
 * @param ranked - the node that owns the fewest volumes first, equal ones by name
 * @param sessionOf - undefined when the node has no session
 */
export function chooseOwner(
  request: PlacementRequest,
  ranked: Iterable<NodeDocument>,
  sessionOf: (node: NodeDocument) => SessionId | undefined,
): Placement['chosen'] {
  for (const node of ranked) {
    if (request.wished !== undefined && node.name !== request.wished) continue;
    const session = sessionOf(node);
    if (session === undefined) continue;
    const driver = node.drivers.find((offered) => offered.name === request.driver);
    if (driver !== undefined && candidateFault(request, { node, session }, driver) === undefined) return { node, session, driver };
  }
  return undefined;
}

function isBetter(one: Candidate, other: Candidate): boolean {
  return one.owned < other.owned || (one.owned === other.owned && one.node.name < other.node.name);
}

function candidateFault(
  request: PlacementRequest,
  candidate: Pick<Candidate, 'node' | 'session'>,
  driver: DriverInfo | undefined,
): string | undefined {
  const { node, session } = candidate;
  if (request.wished !== undefined && node.name !== request.wished) return `not the wished node ${request.wished}`;
  if (node.lost !== undefined) return 'declared lost';
  if (session === undefined) return 'no session: the node is not in touch';
  if (node.cordoned) return 'cordoned';
  const fault = driverFault(request, driver);
  if (fault !== undefined) return fault;
  const missing = Object.entries(request.topology).find(([key, value]) => ownEntry(node.labels, key) !== value);
  if (missing !== undefined) return `label ${missing[0]} is ${ownEntry(node.labels, missing[0]) ?? 'not set'}, asked for ${missing[1]}`;
  return undefined;
}

/** What a node must offer to own a volume that is there; where it was to be placed at first is not kept. */
export function placementOf(spec: VolumeSpec): PlacementRequest {
  const { driver, accessMode, takeover } = spec;
  return { driver, accessMode, takeover, topology: {}, needsSize: spec.sizeBytes !== undefined, needsClone: false };
}

/** Why a node's driver cannot serve such a volume, as a node of the cluster; undefined = it can. */
export function driverFault(
  wanted: Pick<PlacementRequest, 'driver' | 'accessMode' | 'takeover'> & Partial<Pick<PlacementRequest, 'needsSize' | 'needsClone'>>,
  driver: DriverInfo | undefined,
): string | undefined {
  if (driver === undefined) return `does not run driver ${wanted.driver}`;
  const { capabilities } = driver;
  if (capabilities.scope !== 'global') return `runs ${wanted.driver} with local scope`;
  if (wanted.accessMode !== undefined && !capabilities.accessModes.includes(wanted.accessMode)) {
    return `driver ${wanted.driver} cannot keep access mode ${wanted.accessMode}`;
  }
  if (wanted.takeover !== undefined && !canKeepPolicy(driver, wanted.takeover)) {
    return `driver ${wanted.driver} cannot keep takeover policy ${wanted.takeover}`;
  }
  if (wanted.needsSize === true && !capabilities.size) return `driver ${wanted.driver} cannot keep a size`;
  if (wanted.needsClone === true && !capabilities.clone) return `driver ${wanted.driver} cannot clone`;
  return undefined;
}

/** `manual` asks nothing of a driver. */
export function canKeepPolicy(driver: DriverInfo, policy: TakeoverPolicy): boolean {
  return policy === 'manual' || driver.capabilities.takeover.includes(policy);
}

/** The policy a volume gets when none was asked for: the driver's first; for shared writers there is nothing to take over. */
export function defaultTakeover(driver: DriverInfo, accessMode: AccessMode): TakeoverPolicy {
  return isExclusiveWriter(accessMode) ? (driver.capabilities.takeover[0] ?? 'manual') : 'manual';
}
