import { AppError } from '@volplane/base';
import {
  parseDriverName,
  parseMountId,
  parseNodeName,
  parseVolumeName,
  type AttachmentView,
  type CapacityRequest,
  type CapacityView,
  type CreateVolumeRequest,
  type DeclareNodeLostRequest,
  type DrainView,
  type DriverInfo,
  type DriverView,
  type ExpandVolumeRequest,
  type ExplainVolumeRequest,
  type ForceReleaseRequest,
  type ListSnapshotsRequest,
  type ListVolumesRequest,
  type MountView,
  type MountVolumeRequest,
  type NodeEvent,
  type NodeLostPlan,
  type NodePage,
  type NodeUid,
  type NodeView,
  type PageRequest,
  type ReleaseGoneRequest,
  type RemoveVolumeRequest,
  type SnapshotPage,
  type SnapshotRequest,
  type StringMap,
  type TransferOwnershipRequest,
  type UnmountVolumeRequest,
  type UpdateLabelsRequest,
  type VolumeEvent,
  type VolumeExplanation,
  type VolumePage,
  type VolumeRef,
  type VolumeUid,
  type VolumeView,
  type WatchRequest,
} from '@volplane/domain';
import type { CallContext, VolplaneApi } from '@volplane/engine';

export interface FakeApiCall {
  readonly method: keyof VolplaneApi;
  readonly request: unknown;
  readonly context: CallContext;
  /** What was answered; undefined while it runs, and after a refusal. */
  answer?: unknown;
}

/**
 * The API in memory, with two nodes and one driver: enough of the rules to be called for real. `before` runs first in every call, and
 * can refuse, hang or wait.
 */
export class FakeApi implements VolplaneApi {
  readonly calls: FakeApiCall[] = [];
  readonly volumes = new Map<string, VolumeView>();
  readonly nodes = new Map<string, NodeView>([NODE_A, NODE_B].map((node) => [node.name, node]));
  before: (call: FakeApiCall) => Promise<void> | void = () => undefined;
  #revision = 100;
  readonly #watchers = new Set<(event: VolumeEvent) => void>();

  /** The calls of one method. */
  callsOf(method: keyof VolplaneApi): readonly FakeApiCall[] {
    return this.calls.filter((call) => call.method === method);
  }

  createVolume(request: CreateVolumeRequest, context: CallContext): Promise<VolumeView> {
    return this.#call('createVolume', request, context, () => {
      const name = parseVolumeName(request.name);
      const held = this.volumes.get(name);
      const driver = parseDriverName(request.driver ?? DRIVER.name);
      if (driver !== DRIVER.name) throw new AppError('DRIVER_NOT_FOUND', `no live node offers the driver ${driver}`, { driver });
      if (held !== undefined && JSON.stringify(held.options) !== JSON.stringify(request.options ?? {})) {
        throw new AppError('VOLUME_CONFLICT', `volume ${name} exists with other options`, { volume: name, difference: 'options' });
      }
      if (held !== undefined) return held;
      return this.#put({
        name,
        uid: hex(this.volumes.size + 1) as VolumeUid, // 32 hexadecimal characters
        driver,
        scope: 'global',
        options: request.options ?? {},
        labels: request.labels ?? {},
        accessMode: request.accessMode ?? 'single-node-writer',
        takeover: request.takeover ?? 'manual',
        ...(request.sizeBytes === undefined ? {} : { sizeBytes: request.sizeBytes }),
        createdAt: SINCE,
        phase: 'ready',
        generation: 0,
        node: parseNodeName(request.node ?? NODE_A.name),
        epoch: 1,
        attachments: [],
      });
    });
  }

  getVolume(request: VolumeRef, context: CallContext): Promise<VolumeView> {
    return this.#call('getVolume', request, context, () => this.#get(request.name));
  }

  listVolumes(request: ListVolumesRequest, context: CallContext): Promise<VolumePage> {
    return this.#call('listVolumes', request, context, () => {
      const { filter } = request;
      const all = [...this.volumes.values()]
        .filter((volume) => filter?.names?.includes(volume.name) ?? true)
        .filter((volume) => volume.name.startsWith(filter?.namePrefix ?? ''))
        .filter((volume) => filter?.dangling === undefined || (volume.attachments.length === 0) === filter.dangling)
        .sort((one, other) => (one.name < other.name ? -1 : 1));
      const from = Number(request.pageToken ?? 0);
      const to = from + (request.pageSize ?? 100);
      const page = { volumes: all.slice(from, to), unansweredNodes: [NODE_B.name], warnings: ['node b did not answer'] };
      return to < all.length ? { ...page, nextPageToken: String(to) } : page;
    });
  }

  updateLabels(request: UpdateLabelsRequest, context: CallContext): Promise<VolumeView> {
    return this.#call('updateLabels', request, context, () => {
      const volume = this.#get(request.name);
      const kept = Object.entries(volume.labels).filter(([key]) => !request.drop.includes(key));
      return this.#put({
        ...volume,
        takeover: request.takeover ?? volume.takeover,
        labels: { ...Object.fromEntries(kept), ...request.set },
      });
    });
  }

  removeVolume(request: RemoveVolumeRequest, context: CallContext): Promise<void> {
    return this.#call('removeVolume', request, context, () => {
      this.#remove(request.name);
    });
  }

  forgetVolume(request: VolumeRef, context: CallContext): Promise<void> {
    return this.#call('forgetVolume', request, context, () => {
      this.#remove(request.name);
    });
  }

  mountVolume(request: MountVolumeRequest, context: CallContext): Promise<MountView> {
    return this.#call('mountVolume', request, context, () => {
      const volume = this.#get(request.name);
      const node = parseNodeName(request.node ?? NODE_A.name);
      const holder = volume.attachments.find((attachment) => attachment.node !== node);
      if (holder !== undefined) {
        const freedBy = `unmount it on ${holder.node}`;
        const fields = { volume: volume.name, holder: holder.node, mountIds: holder.claimedFor, since: holder.since, freedBy };
        throw new AppError('VOLUME_HELD', `volume ${volume.name} is held by node ${holder.node} in mode rw`, fields);
      }
      const attachment: AttachmentView = {
        node,
        nodeUid: hex(10) as NodeUid, // 32 hexadecimal characters
        mode: request.mode ?? 'rw',
        epoch: volume.epoch + 1,
        seq: 7,
        since: SINCE,
        claimedFor: parseMountId(request.mountId),
      };
      this.#put({ ...volume, epoch: attachment.epoch, attachments: [attachment] });
      return { path: `/var/lib/volplane/${volume.name}`, node, mode: attachment.mode, epoch: attachment.epoch, seq: attachment.seq };
    });
  }

  unmountVolume(request: UnmountVolumeRequest, context: CallContext): Promise<void> {
    return this.#call('unmountVolume', request, context, () => {
      this.#put({ ...this.#get(request.name), attachments: [] });
    });
  }

  getPath(request: VolumeRef, context: CallContext): Promise<{ readonly path?: string }> {
    return this.#call('getPath', request, context, () =>
      this.#get(request.name).attachments.length === 0 ? {} : { path: `/var/lib/volplane/${request.name}` },
    );
  }

  getStatus(request: VolumeRef, context: CallContext): Promise<{ readonly status: StringMap }> {
    return this.#call('getStatus', request, context, () => ({ status: { folder: `/srv/${this.#get(request.name).name}` } }));
  }

  transferOwnership(request: TransferOwnershipRequest, context: CallContext): Promise<VolumeView> {
    return this.#call('transferOwnership', request, context, () => {
      const volume = this.#get(request.name);
      return this.#put({ ...volume, node: this.#node(request.toNode).name, epoch: volume.epoch + 1 });
    });
  }

  forceRelease(request: ForceReleaseRequest, context: CallContext): Promise<VolumeView> {
    return this.#call('forceRelease', request, context, () => this.#put({ ...this.#get(request.name), attachments: [] }));
  }

  releaseGone(request: ReleaseGoneRequest, context: CallContext): Promise<VolumeView> {
    return this.#call('releaseGone', request, context, () => this.#put({ ...this.#get(request.name), attachments: [] }));
  }

  expandVolume(request: ExpandVolumeRequest, context: CallContext): Promise<VolumeView> {
    return this.#call('expandVolume', request, context, () => this.#put({ ...this.#get(request.name), sizeBytes: request.sizeBytes }));
  }

  createSnapshot(request: SnapshotRequest, context: CallContext): Promise<VolumeView> {
    return this.#call('createSnapshot', request, context, () => {
      const volume = this.#get(request.name);
      const snapshot = { createdAt: SINCE, sizeBytes: 4096, ready: true };
      return this.#put({ ...volume, snapshots: { ...volume.snapshots, [request.snapshot]: snapshot } });
    });
  }

  removeSnapshot(request: SnapshotRequest, context: CallContext): Promise<VolumeView> {
    return this.#call('removeSnapshot', request, context, () => {
      const { snapshots = {}, ...volume } = this.#get(request.name);
      const left = Object.entries(snapshots).filter(([name]) => name !== request.snapshot);
      return this.#put(left.length === 0 ? volume : { ...volume, snapshots: Object.fromEntries(left) });
    });
  }

  listSnapshots(request: ListSnapshotsRequest, context: CallContext): Promise<SnapshotPage> {
    return this.#call('listSnapshots', request, context, () => ({
      snapshots: [...this.volumes.values()].flatMap(({ name, uid, driver, scope, node, snapshots = {} }) =>
        Object.entries(snapshots).map(([snapshot, facts]) => ({
          name: snapshot,
          volume: name,
          volumeUid: uid,
          driver,
          scope,
          node,
          ...facts,
        })),
      ),
      unansweredNodes: [NODE_B.name],
    }));
  }

  getCapacity(request: CapacityRequest, context: CallContext): Promise<CapacityView> {
    return this.#call('getCapacity', request, context, () => ({ availableBytes: 1e12, volumeBytesMax: 1e11 }));
  }

  explainVolume(request: ExplainVolumeRequest, context: CallContext): Promise<VolumeExplanation> {
    return this.#call('explainVolume', request, context, () => {
      const volume = this.#get(request.name);
      return {
        volume,
        summary: [`volume ${volume.name} is ready and owned by node ${volume.node}`],
        holders: volume.attachments.map((attachment) => ({
          attachment,
          nodeState: 'connected' as const,
          mountIds: [attachment.claimedFor],
          freedBy: `unmount ${attachment.claimedFor} on node ${attachment.node}`,
        })),
        waitsFor: 'nothing that lasts',
        evidence: [{ kind: 'A', node: NODE_A.name, nodeUid: NODE_A.uid, seq: 3, epoch: 1, at: SINCE, detail: 'released' }],
        candidates: [{ node: NODE_B.name, passed: false, reason: 'cordoned' }],
        history: [{ revision: 5, summary: 'created' }],
        ...(request.forNode === undefined
          ? {}
          : { refusal: { reason: 'VOLUME_HELD', message: 'held by node a', freedBy: 'unmount it on node a' } }),
      };
    });
  }

  async *watchVolumes(request: WatchRequest, context: CallContext): AsyncGenerator<VolumeEvent> {
    const call = await this.#begin('watchVolumes', request, context);
    const events: VolumeEvent[] = [...this.volumes.values()].map((volume) => ({ type: 'present', volume, revision: volume.generation }));
    events.push({ type: 'synced', revision: this.#revision });
    let wake = (): void => undefined;
    const add = (event: VolumeEvent): void => {
      events.push(event);
      wake();
    };
    this.#watchers.add(add);
    context.signal.addEventListener('abort', () => {
      wake();
    });
    try {
      while (!context.signal.aborted) {
        const event = events.shift();
        if (event !== undefined) yield event;
        else
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
      }
    } finally {
      this.#watchers.delete(add);
      call.answer = 'ended';
    }
  }

  listNodes(request: PageRequest, context: CallContext): Promise<NodePage> {
    // A page each, so that whoever reads one only sees half of them.
    return this.#call('listNodes', request, context, () =>
      request.pageToken === undefined ? { nodes: [this.#node('a')], nextPageToken: 'b' } : { nodes: [this.#node('b')] },
    );
  }

  getNode(request: { readonly name: string }, context: CallContext): Promise<NodeView> {
    return this.#call('getNode', request, context, () => this.#node(request.name));
  }

  cordonNode(request: { readonly name: string; readonly cordoned: boolean }, context: CallContext): Promise<NodeView> {
    return this.#call('cordonNode', request, context, () => {
      const node = { ...this.#node(request.name), cordoned: request.cordoned };
      this.nodes.set(node.name, node);
      return node;
    });
  }

  drainNode(request: { readonly name: string }, context: CallContext): Promise<DrainView> {
    return this.#call('drainNode', request, context, () => ({
      node: this.#node(request.name),
      moved: [parseVolumeName('moved')],
      remaining: [{ name: 'stays', scope: 'local' as const, reason: 'it lives on this node' }],
    }));
  }

  planNodeLost(request: { readonly name: string }, context: CallContext): Promise<NodeLostPlan> {
    return this.#call('planNodeLost', request, context, () => this.#plan(request.name, false));
  }

  declareNodeLost(request: DeclareNodeLostRequest, context: CallContext): Promise<NodeLostPlan> {
    return this.#call('declareNodeLost', request, context, () => {
      const plan = this.#plan(request.name, true);
      if (plan.planRevision !== request.planRevision) throw new AppError('PLAN_STALE', 'the state moved since the plan was shown');
      return plan;
    });
  }

  async *watchNodes(request: WatchRequest, context: CallContext): AsyncGenerator<NodeEvent> {
    await this.#begin('watchNodes', request, context);
    for (const node of this.nodes.values()) yield { type: 'present', node };
    yield { type: 'synced' };
  }

  listDrivers(request: { readonly node?: string }, context: CallContext): Promise<readonly DriverView[]> {
    return this.#call('listDrivers', request, context, () => [{ info: DRIVER, nodes: [NODE_A.name, NODE_B.name] }]);
  }

  async #call<T>(method: keyof VolplaneApi, request: unknown, context: CallContext, work: () => T): Promise<T> {
    const call = await this.#begin(method, request, context);
    const answer = work();
    call.answer = answer;
    return answer;
  }

  async #begin(method: keyof VolplaneApi, request: unknown, context: CallContext): Promise<FakeApiCall> {
    const call: FakeApiCall = { method, request, context };
    this.calls.push(call);
    await this.before(call);
    return call;
  }

  #get(name: string): VolumeView {
    const volume = this.volumes.get(parseVolumeName(name));
    if (volume === undefined) throw new AppError('VOLUME_NOT_FOUND', `no volume ${name} exists`, { volume: name });
    return volume;
  }

  #node(name: string): NodeView {
    const node = this.nodes.get(parseNodeName(name));
    if (node === undefined) throw new AppError('NODE_NOT_FOUND', `no node ${name} has registered`, { node: name });
    return node;
  }

  #put(changed: VolumeView): VolumeView {
    this.#revision += 1;
    const volume = { ...changed, generation: this.#revision };
    this.volumes.set(volume.name, volume);
    for (const watcher of this.#watchers) watcher({ type: 'changed', volume, revision: this.#revision });
    return volume;
  }

  #remove(name: string): void {
    const volume = this.#get(name);
    const [holder] = volume.attachments;
    if (holder !== undefined) {
      const fields = { volume: name, holders: holder.node, mountIds: holder.claimedFor };
      throw new AppError('VOLUME_ATTACHED', `volume ${name} is attached on node ${holder.node}`, fields);
    }
    this.volumes.delete(name);
    this.#revision += 1;
    for (const watcher of this.#watchers) watcher({ type: 'removed', name: volume.name, revision: this.#revision });
  }

  #plan(name: string, done: boolean): NodeLostPlan {
    const node = this.#node(name);
    return {
      node: node.name,
      nodeUid: node.uid,
      state: 'gone',
      planRevision: 'r42',
      volumes: [{ name: 'data', risk: 'may still be written by the node', attached: true, owned: true }],
      done,
    };
  }
}

const SINCE = '2026-03-01T12:00:00.000Z';

function hex(value: number): string {
  return value.toString(16).padStart(32, '0');
}

const DRIVER: DriverInfo = {
  name: parseDriverName('shared'),
  capabilities: {
    scope: 'global',
    accessModes: ['single-node-writer', 'multi-node-multi-writer'],
    takeover: ['manual', 'lease'],
    abort: true,
    fence: false,
    size: true,
    expand: true,
    snapshot: true,
    clone: false,
    block: false,
  },
  options: { quota: 'bytes that the folder may hold' },
};

export const NODE_A = fakeNode('a', 10);
export const NODE_B = fakeNode('b', 11);

function fakeNode(name: string, number: number): NodeView {
  return {
    name: parseNodeName(name),
    uid: hex(number) as NodeUid, // 32 hexadecimal characters
    state: 'connected',
    drivers: [DRIVER],
    labels: { zone: name },
    version: '0.1.0',
    registeredAt: SINCE,
    cordoned: false,
    sessionSince: SINCE,
    attachedVolumes: 0,
    ownedVolumes: 0,
  };
}
