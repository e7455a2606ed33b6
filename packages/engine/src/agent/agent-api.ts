import { AppError, hasReason, withTimeout, type Clock } from '@volplane/base';
import {
  explainLocalVolume,
  parseDriverName,
  parseMountId,
  parseNodeName,
  parseSnapshotName,
  parseVolumeName,
  type CapacityRequest,
  type CapacityView,
  type CreateVolumeRequest,
  type DeclareNodeLostRequest,
  type DrainView,
  type DriverView,
  type ExpandVolumeRequest,
  type ExplainVolumeRequest,
  type ForceReleaseRequest,
  type ListSnapshotsRequest,
  type ListVolumesRequest,
  type MountVolumeRequest,
  type MountView,
  type NodeEvent,
  type NodeLostPlan,
  type NodeName,
  type NodePage,
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
  type VolumeName,
  type VolumePage,
  type VolumeRef,
  type VolumeView,
  type WatchRequest,
} from '@volplane/domain';
import type { CallContext, VolplaneApi } from '../api.js';
import type { Callable } from '../api-call.js';
import { checkMap } from '../document-view.js';
import { listAgentVolumes, toHeldView, toLocalView } from './agent-listing.js';
import type { AgentBook, LocalRecord } from './agent-book.js';
import { DRIVER_MS, toDriverVolume, type DriverSet } from './driver-set.js';
import type { GlobalMounts } from './global-mounts.js';
import type { LocalVolumes } from './local-volumes.js';
import type { Managers } from './managers.js';
import { watchPassedNodes, watchPassedVolumes } from './passed-watch.js';

/** The API of one node: local volumes from the node itself, global ones passed to a manager, mounts through this node's own claims. */
export class AgentApi implements VolplaneApi {
  readonly #node: NodeName;
  readonly #book: AgentBook;
  readonly #local: LocalVolumes;
  readonly #mounts: GlobalMounts;
  readonly #managers: Managers;
  readonly #drivers: DriverSet;
  readonly #clock: Clock;

  constructor(parts: {
    readonly node: NodeName;
    readonly book: AgentBook;
    readonly local: LocalVolumes;
    readonly mounts: GlobalMounts;
    readonly managers: Managers;
    readonly drivers: DriverSet;
    readonly clock: Clock;
  }) {
    this.#node = parts.node;
    this.#book = parts.book;
    this.#local = parts.local;
    this.#mounts = parts.mounts;
    this.#managers = parts.managers;
    this.#drivers = parts.drivers;
    this.#clock = parts.clock;
  }

  async createVolume(request: CreateVolumeRequest, context: CallContext): Promise<VolumeView> {
    const name = parseVolumeName(request.name);
    const driver = parseDriverName(request.driver ?? 'local');
    const isHere = request.node === undefined || parseNodeName(request.node) === this.#node;
    if (!isHere || this.#drivers.find(driver)?.info.capabilities.scope !== 'local')
      return await this.#pass('createVolume', { ...request, driver }, context);
    if (
      request.accessMode !== undefined &&
      !(this.#drivers.find(driver)?.info.capabilities.accessModes.includes(request.accessMode) ?? false)
    ) {
      throw new AppError('INVALID_ARGUMENT', `driver ${driver} cannot keep access mode ${request.accessMode}`, {
        volume: name,
        field: 'access_mode',
        driver,
      });
    }
    const wish = {
      name,
      driver,
      options: checkMap('options', request.options),
      labels: checkMap('labels', request.labels),
      ...(request.sizeBytes === undefined ? {} : { sizeBytes: request.sizeBytes }),
      ...(request.source === undefined ? {} : { source: request.source }),
    };
    return this.#view(await this.#bounded(context, `create of volume ${name}`, this.#local.create(wish)));
  }

  async getVolume(request: VolumeRef, context: CallContext): Promise<VolumeView> {
    const name = parseVolumeName(request.name);
    const local = this.#localFor(request, name);
    if (local !== undefined) return this.#view(local);
    if (!this.#isMine(request)) return await this.#pass('getVolume', request, context);
    try {
      return this.#withUses(await this.#pass<VolumeView>('getVolume', { name }, context));
    } catch (error) {
      // Who asks what this node has is told so from the journal: a node that is cut off can still unmount.
      const held = request.node === undefined ? undefined : toHeldView(this.#book.mount(name), this.#node);
      if (held === undefined || !hasReason(error, 'NO_MANAGER', 'STORE_UNAVAILABLE', 'UNKNOWN_OUTCOME', 'DEADLINE_EXCEEDED')) throw error;
      return held;
    }
  }

  listVolumes(request: ListVolumesRequest, context: CallContext): Promise<VolumePage> {
    return listAgentVolumes(
      {
        local: () => this.#local.list().map((record) => this.#view(record)),
        global: (asked) => this.#pass<VolumePage>('listVolumes', asked, context),
        decorate: (view) => this.#withUses(view),
      },
      request,
    );
  }

  async updateLabels(request: UpdateLabelsRequest, context: CallContext): Promise<VolumeView> {
    const name = parseVolumeName(request.name);
    if (this.#localFor(request, name) === undefined) return await this.#passRef('updateLabels', request, context);
    return this.#view(await this.#local.updateLabels(name, checkMap('labels', request.set), request.drop));
  }

  async removeVolume(request: RemoveVolumeRequest, context: CallContext): Promise<void> {
    const name = parseVolumeName(request.name);
    if (this.#localFor(request, name, this.#book.local(name)) === undefined) await this.#passRef('removeVolume', request, context);
    else await this.#bounded(context, `removal of volume ${name}`, this.#local.remove(name, request.uid));
  }

  async forgetVolume(request: VolumeRef, context: CallContext): Promise<void> {
    const name = parseVolumeName(request.name);
    if (this.#localFor(request, name, this.#book.local(name)) === undefined) await this.#passRef('forgetVolume', request, context);
    else await this.#local.forget(name);
  }

  async mountVolume(request: MountVolumeRequest, context: CallContext): Promise<MountView> {
    const name = parseVolumeName(request.name);
    const mountId = parseMountId(request.mountId);
    if (!this.#isMine(request)) return await this.#pass('mountVolume', request, context);
    const work =
      this.#localFor(request, name) === undefined
        ? this.#mounts.mount({ name, mountId, ...(request.mode === undefined ? {} : { mode: request.mode }) })
        : this.#local.mount(name, mountId, request.mode ?? 'rw');
    return await this.#bounded(context, `mount of volume ${name}`, work);
  }

  async unmountVolume(request: UnmountVolumeRequest, context: CallContext): Promise<void> {
    const name = parseVolumeName(request.name);
    const mountId = parseMountId(request.mountId);
    if (!this.#isMine(request)) {
      await this.#pass('unmountVolume', request, context);
      return;
    }
    const isLocal = request.scope !== 'global' && this.#book.local(name)?.mountIds.includes(mountId) === true;
    if (request.scope === 'local' && !isLocal) return;
    await this.#bounded(
      context,
      `unmount of volume ${name}`,
      isLocal ? this.#local.unmount(name, mountId) : this.#mounts.unmount(name, mountId, request.seq),
    );
  }

  async getPath(request: VolumeRef, context: CallContext): Promise<{ readonly path?: string }> {
    const name = parseVolumeName(request.name);
    if (!this.#isMine(request)) return await this.#pass('getPath', request, context);
    const local = this.#localFor(request, name);
    const path = local === undefined ? this.#book.mount(name)?.path : (local.path ?? (await this.#local.inspect(local)).path);
    if (path !== undefined) return { path };
    // Not known here: whether the volume exists at all is the managers' knowledge.
    if (local === undefined) await this.#pass('getVolume', { name }, context);
    return {};
  }

  async getStatus(request: VolumeRef, context: CallContext): Promise<{ readonly status: StringMap }> {
    const name = parseVolumeName(request.name);
    if (!this.#isMine(request)) return await this.#pass('getStatus', request, context);
    const local = this.#localFor(request, name);
    if (local !== undefined) return { status: (await this.#local.inspect(local)).status };
    const view = await this.#pass<VolumeView>('getVolume', { name }, context);
    const driver = this.#drivers.get(view.driver, name);
    const { driver: driverName, options, labels, accessMode, takeover, sizeBytes } = view;
    const spec = { driver: driverName, options, labels, accessMode, takeover, ...(sizeBytes === undefined ? {} : { sizeBytes }) };
    const volume = toDriverVolume({ name, uid: view.uid, spec, epoch: view.epoch });
    const inspection = await this.#drivers.run(`inspection of volume ${name}`, view.uid, DRIVER_MS.inspect, (signal) =>
      driver.inspect(volume, signal),
    );
    return { status: { ...inspection.status, existence: inspection.existence } };
  }

  async expandVolume(request: ExpandVolumeRequest, context: CallContext): Promise<VolumeView> {
    const name = parseVolumeName(request.name);
    if (this.#localFor(request, name) === undefined) return await this.#passRef('expandVolume', request, context);
    return this.#view(await this.#bounded(context, `expand of volume ${name}`, this.#local.expand(name, request.sizeBytes)));
  }

  async createSnapshot(request: SnapshotRequest, context: CallContext): Promise<VolumeView> {
    const name = parseVolumeName(request.name);
    if (this.#localFor(request, name) === undefined) return await this.#passRef('createSnapshot', request, context);
    return this.#view(
      await this.#bounded(context, `snapshot of volume ${name}`, this.#local.snapshot(name, parseSnapshotName(request.snapshot))),
    );
  }

  async removeSnapshot(request: SnapshotRequest, context: CallContext): Promise<VolumeView> {
    const name = parseVolumeName(request.name);
    if (this.#localFor(request, name) === undefined) return await this.#passRef('removeSnapshot', request, context);
    return this.#view(
      await this.#bounded(context, `removal of a snapshot of volume ${name}`, this.#local.removeSnapshot(name, request.snapshot)),
    );
  }

  async explainVolume(request: ExplainVolumeRequest, context: CallContext): Promise<VolumeExplanation> {
    const name = parseVolumeName(request.name);
    const local = request.atRevision === undefined ? this.#localFor(request, name, this.#book.local(name)) : undefined;
    return local === undefined ? await this.#passRef('explainVolume', request, context) : explainLocalVolume(this.#view(local));
  }

  async getCapacity(request: CapacityRequest, context: CallContext): Promise<CapacityView> {
    const driver = this.#drivers.find(parseDriverName(request.driver));
    if (driver === undefined || (request.node !== undefined && request.node !== this.#node))
      return await this.#pass('getCapacity', request, context);
    if (driver.capacity === undefined)
      throw new AppError('CAPABILITY_MISSING', `driver ${request.driver} cannot tell its capacity`, {
        driver: request.driver,
        capability: 'size',
      });
    return await driver.capacity(context.signal);
  }

  transferOwnership = (request: TransferOwnershipRequest, context: CallContext): Promise<VolumeView> =>
    this.#pass('transferOwnership', request, context);
  forceRelease = (request: ForceReleaseRequest, context: CallContext): Promise<VolumeView> => this.#pass('forceRelease', request, context);
  releaseGone = (request: ReleaseGoneRequest, context: CallContext): Promise<VolumeView> => this.#pass('releaseGone', request, context);
  listSnapshots = (request: ListSnapshotsRequest, context: CallContext): Promise<SnapshotPage> =>
    this.#pass('listSnapshots', request, context);
  listNodes = (request: PageRequest, context: CallContext): Promise<NodePage> => this.#pass('listNodes', request, context);
  getNode = (request: { readonly name: string }, context: CallContext): Promise<NodeView> => this.#pass('getNode', request, context);
  cordonNode = (request: { readonly name: string; readonly cordoned: boolean }, context: CallContext): Promise<NodeView> =>
    this.#pass('cordonNode', request, context);
  drainNode = (request: { readonly name: string }, context: CallContext): Promise<DrainView> => this.#pass('drainNode', request, context);
  planNodeLost = (request: { readonly name: string }, context: CallContext): Promise<NodeLostPlan> =>
    this.#pass('planNodeLost', request, context);
  declareNodeLost = (request: DeclareNodeLostRequest, context: CallContext): Promise<NodeLostPlan> =>
    this.#pass('declareNodeLost', request, context);

  /** This node's own drivers, whatever is down; another node's, or all, from a manager. */
  async listDrivers(request: { readonly node?: string }, context: CallContext): Promise<readonly DriverView[]> {
    const own = this.#drivers.infos.map((info) => ({ info, nodes: [this.#node] }));
    if (request.node === this.#node) return own;
    try {
      return await this.#pass<readonly DriverView[]>('listDrivers', request, context);
    } catch (error) {
      if (request.node === undefined && hasReason(error, 'NO_MANAGER')) return own;
      throw error;
    }
  }

  watchVolumes(request: WatchRequest, context: CallContext): AsyncIterable<VolumeEvent> {
    return watchPassedVolumes({ managers: this.#managers, clock: this.#clock }, request, context);
  }

  watchNodes(request: WatchRequest, context: CallContext): AsyncIterable<NodeEvent> {
    return watchPassedNodes({ managers: this.#managers, clock: this.#clock }, request, context);
  }

  #isMine(request: VolumeRef): boolean {
    return request.node === undefined || parseNodeName(request.node) === this.#node;
  }

  /**
   * Undefined: the request means a global volume, or another node's.
   *
   * @param local - absent: the ready one of this name; a call that ends a volume means it in any phase
   * @throws AppError VOLUME_NOT_FOUND when it can only mean a local one
   */
  #localFor(request: VolumeRef, name: VolumeName, local = this.#local.find(name)): LocalRecord | undefined {
    if (!this.#isMine(request) || request.scope === 'global') return undefined;
    if (local !== undefined || request.scope !== 'local') return local;
    throw new AppError('VOLUME_NOT_FOUND', `node ${this.#node} has no local volume ${name}`, { volume: name, node: this.#node });
  }

  /** A name that is no local volume here is a global one, as far as this node can know. */
  #passRef<T>(method: Callable, request: VolumeRef, context: CallContext): Promise<T> {
    if (!this.#isMine(request)) return this.#pass(method, request, context);
    const { node: _, ...global } = request;
    return this.#pass(method, global, context);
  }

  #pass<T>(method: Callable, request: object, context: CallContext): Promise<T> {
    return this.#managers.call<T>(method, request, context);
  }

  /** The caller's time bounds the waiting, not the work: what was begun goes on in the volume's queue. */
  #bounded<T>(context: CallContext, what: string, work: Promise<T>): Promise<T> {
    return withTimeout(this.#clock, work, {
      timeoutMs: context.timeoutMs,
      onTimeout: () =>
        new AppError(
          'DEADLINE_EXCEEDED',
          `${what} on node ${this.#node} did not end within the time of the call; it goes on, repeat the call to see the end`,
          { node: this.#node },
        ),
      signal: context.signal,
    });
  }

  #view(record: LocalRecord): VolumeView {
    return toLocalView(record, this.#node);
  }

  #withUses(view: VolumeView): VolumeView {
    const record = this.#book.mount(view.name);
    if (record?.granted?.uid !== view.uid) return view;
    return { ...view, mountIds: record.mountIds, ...(record.path === undefined ? {} : { path: record.path }) };
  }
}
