import { AppError, silentLogger, systemClock, systemRandom } from '@volplane/base';
import {
  mayCoexist,
  parseDriverName,
  parseMountId,
  parseNodeName,
  parseVolumeName,
  type AttachmentView,
  type MountId,
  type NodeName,
  type VolumeRef,
  type VolumeUid,
  type VolumeView,
} from '@volplane/domain';
import type { CallContext } from '@volplane/engine';
import { waitFor } from '@volplane/testkit';
import type { DockerPluginServerOptions, DoorApi, PluginSpec } from '../src/index.js';

/**
 * A cluster in memory, as far as the Docker door uses one: names, identity, attachments by access mode, mount ids as a
 * set for each node. Faults are switched on by a test.
 */
export class FakeCluster {
  readonly volumes = new Map<string, VolumeView>();
  /** `node/volume` to its mount ids. */
  readonly mounts = new Map<string, Set<MountId>>();
  /** Calls on these volumes never answer; `METHOD VOLUME` for one method only. */
  readonly hanging = new Set<string>();
  /** Thrown by every call that is listed, before it does anything. */
  readonly faults = new Map<keyof DoorApi, Error>();
  /** Thrown by a call after it has done its work. */
  readonly lateFaults = new Map<keyof DoorApi, Error>();
  readonly calls: string[] = [];
  /** Every mount id that was ever asked for. */
  readonly mountRequests: string[] = [];
  /** Where volumes are mounted: `<root>/<name>`. Made by whoever needs them to exist. */
  root = '/mnt';
  #uids = 0;

  api(nodeName: string): DoorApi {
    const node = parseNodeName(nodeName);
    const run = async <T>(method: keyof DoorApi, name: string, context: CallContext, work: () => T): Promise<T> => {
      this.calls.push(`${method} ${name}`);
      const fault = this.faults.get(method);
      if (fault !== undefined) throw fault;
      const hangs = (): boolean => this.hanging.has(name) || this.hanging.has(`${method} ${name}`);
      if (hangs()) await waitFor(() => context.signal.aborted || !hangs(), { what: 'the hanging call is let go' });
      if (hangs()) throw new AppError('CANCELLED', 'the call was cancelled');
      const result = work();
      const lateFault = this.lateFaults.get(method);
      if (lateFault !== undefined) throw lateFault;
      return result;
    };
    return {
      createVolume: (request, context) => run('createVolume', request.name, context, () => this.#create(node, request)),
      getVolume: (request, context) => run('getVolume', request.name, context, () => this.#get(node, request)),
      listVolumes: (request, context) =>
        run('listVolumes', '', context, () => {
          const { filter = {}, pageSize = 100, pageToken = '0' } = request;
          const all = [...this.volumes.values()].filter(
            ({ driver, scope }) => filter.drivers?.includes(driver) === true && scope === filter.scope,
          );
          const start = Number(pageToken);
          const volumes = all.slice(start, start + pageSize).map((view) => this.#get(node, view));
          return {
            volumes,
            unansweredNodes: [],
            warnings: [],
            ...(start + pageSize < all.length && { nextPageToken: String(start + pageSize) }),
          };
        }),
      removeVolume: (request, context) =>
        run('removeVolume', request.name, context, () => {
          const { attachments } = this.#get(node, request);
          const [holder] = attachments;
          if (holder !== undefined)
            throw new AppError('VOLUME_ATTACHED', `volume "${request.name}" is attached to node ${holder.node}`, { node: holder.node });
          this.volumes.delete(request.name);
        }),
      mountVolume: (request, context) => run('mountVolume', request.name, context, () => this.#mount(node, request.name, request.mountId)),
      unmountVolume: (request, context) =>
        run('unmountVolume', request.name, context, () => {
          this.#unmount(node, request.name, request.mountId);
        }),
      getPath: (request, context) =>
        run('getPath', request.name, context, () => {
          const { path } = this.#get(node, request);
          return path === undefined ? {} : { path };
        }),
    };
  }

  mountIds(node: string, volume: string): readonly string[] {
    return [...(this.mounts.get(`${node}/${volume}`) ?? [])].sort();
  }

  #create(node: NodeName, request: Parameters<DoorApi['createVolume']>[0]): VolumeView {
    const { name, driver = 'local', options = {}, labels = {}, accessMode = 'multi-node-multi-writer', takeover = 'manual' } = request;
    const existing = this.volumes.get(name);
    if (existing !== undefined) {
      if (existing.driver === driver && JSON.stringify(existing.options) === JSON.stringify(options)) return existing;
      throw new AppError(
        'VOLUME_CONFLICT',
        `volume "${name}" exists with other options: ${JSON.stringify(existing.options)} instead of ${JSON.stringify(options)}`,
      );
    }
    this.#uids += 1;
    const view: VolumeView = {
      name: parseVolumeName(name),
      uid: this.#uids.toString(16).padStart(32, '0') as VolumeUid,
      driver: parseDriverName(driver),
      scope: driver === 'local' ? 'local' : 'global',
      options,
      labels,
      accessMode,
      takeover,
      ...(request.sizeBytes !== undefined && { sizeBytes: request.sizeBytes }),
      createdAt: '2026-01-02T03:04:05.000Z',
      phase: 'ready',
      generation: 1,
      node,
      epoch: 1,
      attachments: [],
    };
    this.volumes.set(name, view);
    return view;
  }

  #get(node: NodeName, { name }: VolumeRef): VolumeView {
    const view = this.volumes.get(name);
    if (view === undefined) throw new AppError('VOLUME_NOT_FOUND', `volume "${name}" does not exist`, { volume: name });
    const mountIds = [...(this.mounts.get(`${node}/${name}`) ?? [])];
    return { ...view, mountIds, ...(mountIds.length > 0 && { path: `${this.root}/${name}` }) };
  }

  #mount(node: NodeName, name: string, mountId: string): Awaited<ReturnType<DoorApi['mountVolume']>> {
    this.mountRequests.push(mountId);
    const view = this.#get(node, { name });
    const held = view.attachments.find((attachment) => attachment.node === node);
    const other = view.attachments.find((attachment) => attachment.node !== node && !mayCoexist(view.accessMode, 'rw', attachment.mode));
    if (other !== undefined)
      throw new AppError('VOLUME_HELD', `volume "${name}" is held by node ${other.node} for ${other.claimedFor} since ${other.since}`, {
        holder: other.node,
      });
    const attachment: AttachmentView = held ?? {
      node,
      nodeUid: node as never,
      mode: 'rw',
      epoch: view.epoch,
      seq: 1,
      since: view.createdAt,
      claimedFor: parseMountId(mountId),
    };
    this.volumes.set(name, { ...view, attachments: [...view.attachments.filter((one) => one.node !== node), attachment] });
    const ids = this.mounts.get(`${node}/${name}`) ?? new Set<MountId>();
    this.mounts.set(`${node}/${name}`, ids.add(parseMountId(mountId)));
    return { path: `${this.root}/${name}`, node, mode: 'rw', epoch: view.epoch, seq: 1 };
  }

  #unmount(node: NodeName, name: string, mountId: string): void {
    const view = this.#get(node, { name });
    const ids = this.mounts.get(`${node}/${name}`);
    ids?.delete(parseMountId(mountId));
    if (ids?.size === 0) this.volumes.set(name, { ...view, attachments: view.attachments.filter((one) => one.node !== node) });
  }
}

export const GLOBAL: PluginSpec = { socketName: 'volplane', driver: parseDriverName('shared'), scope: 'global' };
export const LOCAL: PluginSpec = { socketName: 'volplane-local', driver: parseDriverName('local'), scope: 'local' };

export function serverOptions(cluster: FakeCluster, folder: string, node = 'n1'): DockerPluginServerOptions {
  return {
    folder,
    sockets: [GLOBAL, LOCAL],
    api: cluster.api(node),
    node: parseNodeName(node),
    log: silentLogger,
    clock: systemClock,
    random: systemRandom,
  };
}
