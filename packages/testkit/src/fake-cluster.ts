import { AppError, type Reason } from '@volplane/base';
import {
  mayCoexist,
  type AccessMode,
  type DriverCapabilities,
  type DriverInfo,
  type DriverName,
  type Evidence,
  type MountId,
  type MountMode,
  type NodeName,
  type NodeState,
  type NodeUid,
  type NodeView,
  type Snapshot,
  type StringMap,
  type TakeoverPolicy,
  type VolumeName,
  type VolumeUid,
  type VolumeView,
} from '@volplane/domain';

/** One node of a {@link FakeCluster}. */
export interface FakeNode {
  readonly name: string;
  readonly labels?: StringMap;
  readonly drivers: readonly DriverInfo[];
  /** Bytes that its storage holds; absent = plenty. */
  readonly capacityBytes?: number;
}

/** A node as the cluster keeps it; tests change `state`, `cordoned`, `labels` and `capacityBytes` at will. */
export interface NodeRecord {
  readonly name: NodeName;
  readonly uid: NodeUid;
  labels: StringMap;
  drivers: readonly DriverInfo[];
  state: NodeState;
  cordoned: boolean;
  capacityBytes: number;
}

export interface HeldRecord {
  mode: MountMode;
  readonly epoch: number;
  readonly seq: number;
  readonly since: string;
  readonly claimedFor: MountId;
  readonly mountIds: Set<MountId>;
}

export interface VolumeRecord {
  readonly name: VolumeName;
  readonly uid: VolumeUid;
  readonly driver: DriverInfo;
  readonly options: StringMap;
  labels: StringMap;
  readonly accessMode: AccessMode;
  takeover: TakeoverPolicy;
  sizeBytes: number | undefined;
  readonly createdAt: string;
  generation: number;
  node: NodeName;
  epoch: number;
  /** By node; local volumes are held by their own node at most. */
  readonly held: Map<NodeName, HeldRecord>;
  readonly snapshots: Map<string, Snapshot>;
  readonly evidence: Evidence[];
}

/**
 * The truth behind `fakeApi`: nodes, drivers and volumes in memory, with Volplane's rules of who may hold what. Time is a
 * counter, ids are counted: the same calls give the same answers.
 */
export class FakeCluster {
  readonly nodes = new Map<string, NodeRecord>();
  /** Global ones by name, local ones by `node/name`. */
  readonly volumes = new Map<string, VolumeRecord>();
  /** Whether agents reach a manager. */
  managersAnswer = true;
  /** Where mounted volumes appear: `<root>/<node>/<uid>`. */
  readonly root: string;
  readonly #faults = new Map<string, { readonly error: unknown; left: number }>();
  #ticks = 0;

  constructor(options: { readonly nodes: readonly FakeNode[]; readonly root?: string }) {
    this.root = options.root ?? '/fake';
    for (const [index, node] of options.nodes.entries()) {
      this.nodes.set(node.name, {
        // Names and uids of a fake are ours to make.
        name: node.name as NodeName,
        uid: String(index + 1).padStart(32, '0') as NodeUid,
        labels: node.labels ?? {},
        drivers: node.drivers,
        state: 'connected',
        cordoned: false,
        capacityBytes: node.capacityBytes ?? 2 ** 50,
      });
    }
  }

  /** The next `times` calls of the method fail so, before any effect. */
  fail(method: string, error: unknown, times = 1): void {
    this.#faults.set(method, { error, left: times });
  }

  /** Throws what {@link fail} has set for the method. */
  meetFault(method: string): void {
    const fault = this.#faults.get(method);
    if (fault === undefined || fault.left === 0) return;
    fault.left -= 1;
    throw fault.error;
  }

  node(name: string): NodeRecord {
    const found = this.nodes.get(name);
    if (found === undefined) throw new AppError('NODE_NOT_FOUND', `no node is named ${name}`, { node: name });
    return found;
  }

  /** @throws AppError NODE_UNAVAILABLE unless the node answers */
  answeringNode(name: string): NodeRecord {
    const node = this.node(name);
    if (node.state === 'connected') return node;
    throw new AppError('NODE_UNAVAILABLE', `node ${name} does not answer`, { node: name });
  }

  /** The volume by name, or by node and name for local ones. */
  find(name: string, node?: string): VolumeRecord | undefined {
    return (node === undefined ? undefined : this.volumes.get(`${node}/${name}`)) ?? this.volumes.get(name);
  }

  keyOf(volume: VolumeRecord): string {
    return volume.driver.capabilities.scope === 'local' ? `${volume.node}/${volume.name}` : volume.name;
  }

  /** A number that grows with every use. */
  tick(): number {
    this.#ticks += 1;
    return this.#ticks;
  }

  now(): string {
    return new Date(Date.UTC(2026, 0, 1) + this.tick() * 1000).toISOString();
  }

  /** Room left on the node for volumes of drivers that keep sizes. */
  roomOn(node: NodeRecord): number {
    let used = 0;
    for (const volume of this.volumes.values()) if (volume.node === node.name) used += volume.sizeBytes ?? 0;
    return node.capacityBytes - used;
  }

  /**
   * Drops holders that exclude the claim and whose end is proven by the volume's policy.
   *
   * @throws AppError VOLUME_HELD naming the first that stays
   */
  makeWay(volume: VolumeRecord, claimant: NodeRecord, mode: MountMode): void {
    for (const [name, held] of volume.held) {
      if (name === claimant.name || mayCoexist(volume.accessMode, held.mode, mode)) continue;
      this.dropGone(volume, this.node(name));
    }
  }

  /** Ends the attachment of a node that is gone, on evidence C or D. @throws AppError VOLUME_HELD */
  dropGone(volume: VolumeRecord, node: NodeRecord): void {
    const held = volume.held.get(node.name);
    if (held === undefined) return;
    const kind = node.state === 'lost' ? 'D' : node.state === 'gone' && volume.takeover === 'lease' ? 'C' : undefined;
    if (kind === undefined) {
      const frees = node.state === 'gone' ? `declare ${node.name} lost once it is known to be dead` : `unmount it on ${node.name}`;
      const fields = { volume: volume.name, holder: node.name, state: node.state };
      throw new AppError('VOLUME_HELD', `volume ${volume.name} is held by node ${node.name} (${node.state}); ${frees}`, fields);
    }
    volume.held.delete(node.name);
    const { seq, epoch } = held;
    volume.evidence.push({ kind, node: node.name, nodeUid: node.uid, seq, epoch, at: this.now(), detail: `node is ${node.state}` });
    volume.generation += 1;
  }

  viewOf(volume: VolumeRecord, seenFrom?: string): VolumeView {
    const scope = volume.driver.capabilities.scope;
    const here = scope === 'local' ? volume.node : seenFrom;
    const held = here === undefined ? undefined : volume.held.get(here as NodeName);
    const isTold = here !== undefined && this.nodes.get(here)?.state === 'connected';
    const { name, uid, options, labels, accessMode, takeover, createdAt, generation, node, epoch } = volume;
    return {
      name,
      uid,
      driver: volume.driver.name,
      scope,
      options,
      labels,
      accessMode,
      takeover,
      ...(volume.sizeBytes === undefined ? {} : { sizeBytes: volume.sizeBytes }),
      createdAt,
      phase: 'ready',
      generation: scope === 'local' ? 0 : generation,
      node,
      epoch,
      attachments:
        scope === 'local'
          ? []
          : [...volume.held].map(([holder, { mountIds: _, ...attachment }]) => ({
              node: holder,
              nodeUid: this.node(holder).uid,
              ...attachment,
            })),
      ...(volume.snapshots.size === 0 ? {} : { snapshots: Object.fromEntries(volume.snapshots) }),
      ...(isTold ? { mountIds: [...(held?.mountIds ?? [])] } : {}),
      ...(isTold && held !== undefined ? { path: this.pathOf(volume, here) } : {}),
      ...(scope === 'local' && !isTold ? { unavailable: true } : {}),
    };
  }

  pathOf(volume: VolumeRecord, node: string): string {
    return `${this.root}/${node}/${volume.uid}`;
  }

  viewOfNode(node: NodeRecord): NodeView {
    const volumes = [...this.volumes.values()].filter((volume) => volume.driver.capabilities.scope === 'global');
    return {
      name: node.name,
      uid: node.uid,
      state: node.state,
      drivers: node.drivers,
      labels: node.labels,
      version: '0.0.0',
      registeredAt: new Date(0).toISOString(),
      cordoned: node.cordoned,
      attachedVolumes: volumes.filter((volume) => volume.held.has(node.name)).length,
      ownedVolumes: volumes.filter((volume) => volume.node === node.name).length,
    };
  }
}

/** A driver of the fake: by default global, and able to do everything. */
export function fakeDriver(name: string, capabilities: Partial<DriverCapabilities> = {}, options: StringMap = {}): DriverInfo {
  return {
    name: name as DriverName,
    capabilities: {
      scope: 'global',
      accessModes: [
        'single-node-writer',
        'single-node-reader-only',
        'multi-node-reader-only',
        'multi-node-single-writer',
        'multi-node-multi-writer',
      ],
      takeover: ['manual', 'lease'],
      abort: true,
      fence: false,
      size: true,
      expand: true,
      snapshot: true,
      clone: true,
      block: true,
      ...capabilities,
    },
    options: { fs: 'ext4 (default) or xfs', access: 'block: hand out the device itself', colour: 'any', ...options },
  };
}

/** For {@link FakeCluster.fail}: a refusal with this reason. */
export function refusal(reason: Reason, message = `refused by the test: ${reason}`): AppError {
  return new AppError(reason, message);
}
