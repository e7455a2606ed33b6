import { mkdir } from 'node:fs/promises';
import { AppError } from '@volplane/base';
import {
  isMountId,
  isReaderOnly,
  isSufficient,
  parseMountId,
  parseVolumeName,
  type CreateVolumeRequest,
  type DriverInfo,
  type ListSnapshotsRequest,
  type ListVolumesRequest,
  type MountId,
  type MountMode,
  type MountView,
  type SnapshotView,
  type StringMap,
  type VolumeRef,
  type VolumeUid,
  type VolumeView,
} from '@volplane/domain';
import type { FakeCluster, NodeRecord, VolumeRecord } from './fake-cluster.js';

/** The volumes half of {@link fakeApi}: as a manager sees them, or as the agent of one node does. */
export class FakeVolumes {
  readonly #cluster: FakeCluster;
  readonly #self: string | undefined;

  constructor(cluster: FakeCluster, self: string | undefined) {
    this.#cluster = cluster;
    this.#self = self;
  }

  get(ref: VolumeRef): VolumeRecord {
    parseVolumeName(ref.name);
    const at = ref.node ?? this.#self;
    if (ref.node !== undefined) this.#cluster.node(ref.node);
    const found = this.#cluster.find(ref.name, at);
    this.#requireManager(found, at);
    if (found === undefined) {
      // A local volume of a silent node can neither be found nor missed.
      if (ref.node !== undefined) this.#cluster.answeringNode(ref.node);
      throw new AppError('VOLUME_NOT_FOUND', `no volume is named ${ref.name}`, { volume: ref.name });
    }
    if (found.driver.capabilities.scope === 'local') this.#cluster.answeringNode(found.node);
    return found;
  }

  view(ref: VolumeRef): VolumeView {
    const volume = this.get(ref);
    const seenFrom = ref.node ?? this.#self;
    if (ref.node !== undefined) this.#cluster.answeringNode(ref.node);
    return this.#cluster.viewOf(volume, seenFrom);
  }

  async create(request: CreateVolumeRequest): Promise<VolumeView> {
    const name = parseVolumeName(request.name);
    const cluster = this.#cluster;
    const driver = this.#driver(request.driver ?? 'local');
    const owner = driver.capabilities.scope === 'local' ? this.#localOwner(request, driver) : this.#globalOwner(request, driver);
    const existing = cluster.volumes.get(driver.capabilities.scope === 'local' ? `${owner.name}/${name}` : name);
    if (existing !== undefined) {
      requireSame(existing, request, driver);
      return cluster.viewOf(existing, this.#self);
    }
    checkCreate(request, driver);
    const source =
      request.source === undefined
        ? undefined
        : this.get({ name: request.source.volume, ...(request.node === undefined ? {} : { node: request.node }) });
    const sizeBytes = request.sizeBytes ?? source?.sizeBytes;
    if ((sizeBytes ?? 0) > cluster.roomOn(owner))
      throw new AppError('NO_CAPACITY', `node ${owner.name} has no room for ${String(sizeBytes)} bytes`, { node: owner.name });
    const volume: VolumeRecord = {
      name,
      uid: cluster.tick().toString(16).padStart(8, '0').padEnd(32, '5') as VolumeUid,
      driver,
      options: request.options ?? {},
      labels: request.labels ?? {},
      accessMode: request.accessMode ?? driver.capabilities.accessModes[0] ?? 'single-node-writer',
      takeover: request.takeover ?? driver.capabilities.takeover[0] ?? 'manual',
      sizeBytes,
      createdAt: cluster.now(),
      generation: cluster.tick(),
      node: owner.name,
      epoch: driver.capabilities.scope === 'local' ? 0 : 1,
      held: new Map(),
      snapshots: new Map(),
      evidence: [],
    };
    cluster.volumes.set(cluster.keyOf(volume), volume);
    return cluster.viewOf(volume, this.#self);
  }

  list(request: ListVolumesRequest): {
    volumes: VolumeView[];
    nextPageToken?: string;
    unansweredNodes: NodeRecord['name'][];
    warnings: string[];
  } {
    const { filter = {} } = request;
    const matches = (view: VolumeView, volume: VolumeRecord): boolean =>
      (filter.names?.includes(view.name) ?? true) &&
      view.name.startsWith(filter.namePrefix ?? '') &&
      (filter.drivers?.includes(view.driver) ?? true) &&
      (filter.scope === undefined || view.scope === filter.scope) &&
      Object.entries(filter.labels ?? {}).every(
        ([key, value]) => view.labels[key] !== undefined && (value === '' || view.labels[key] === value),
      ) &&
      (filter.node === undefined || volume.held.has(filter.node as NodeRecord['name']) || view.node === filter.node) &&
      (filter.dangling === undefined || filter.dangling === (volume.held.size === 0));
    const all = [...this.#cluster.volumes.values()]
      .filter((volume) => this.#self === undefined || volume.driver.capabilities.scope === 'global' || volume.node === this.#self)
      .map((volume) => ({ view: this.#cluster.viewOf(volume, this.#self), volume }))
      .filter(({ view, volume }) => matches(view, volume))
      .map(({ view }) => view)
      .sort((one, other) => (listKey(one) < listKey(other) ? -1 : 1));
    const { items, nextPageToken } = page(all, listKey, request);
    return {
      volumes: items,
      unansweredNodes: this.#silentNodes(),
      warnings: [],
      ...(nextPageToken === undefined ? {} : { nextPageToken }),
    };
  }

  listSnapshots(request: ListSnapshotsRequest): {
    snapshots: SnapshotView[];
    nextPageToken?: string;
    unansweredNodes: NodeRecord['name'][];
  } {
    const { filter = {} } = request;
    const silent = this.#silentNodes();
    const all = [...this.#cluster.volumes.values()]
      .filter((volume) => filter.volume === undefined || volume.name === filter.volume)
      .filter(
        (volume) =>
          volume.driver.capabilities.scope === 'global' ||
          (!silent.includes(volume.node) && (filter.node === undefined || volume.node === filter.node)),
      )
      .flatMap((volume) =>
        [...volume.snapshots].map(([name, snapshot]) => ({
          ...snapshot,
          name,
          volume: volume.name,
          volumeUid: volume.uid,
          driver: volume.driver.name,
          scope: volume.driver.capabilities.scope,
          node: volume.node,
        })),
      )
      .filter((view) => (filter.names?.includes(view.name) ?? true) && view.name.startsWith(filter.namePrefix ?? ''));
    const key = (view: SnapshotView): string => `${view.volume}\n${view.node}\n${view.name}`;
    const { items, nextPageToken } = page(
      all.sort((one, other) => (key(one) < key(other) ? -1 : 1)),
      key,
      request,
    );
    return { snapshots: items, unansweredNodes: silent, ...(nextPageToken === undefined ? {} : { nextPageToken }) };
  }

  remove(ref: VolumeRef, uid: string | undefined): void {
    const volume = this.get(ref);
    if (uid !== undefined && volume.uid !== uid)
      throw new AppError('VOLUME_NOT_FOUND', `volume ${ref.name} is another one now`, { volume: ref.name });
    const [holder] = volume.held;
    if (holder !== undefined) {
      const reason = volume.driver.capabilities.scope === 'local' ? 'VOLUME_IN_USE' : 'VOLUME_ATTACHED';
      const ids = [...holder[1].mountIds].join(', ');
      throw new AppError(reason, `volume ${volume.name} is in use on ${holder[0]} by ${ids}`, {
        volume: volume.name,
        holder: holder[0],
        mountIds: ids,
      });
    }
    this.#cluster.volumes.delete(this.#cluster.keyOf(volume));
  }

  async mount(ref: VolumeRef, mountId: string, asked: MountMode | undefined): Promise<MountView> {
    const id = parseMountId(mountId);
    const cluster = this.#cluster;
    const at = ref.node ?? this.#self;
    if (at === undefined) throw new AppError('INVALID_ARGUMENT', 'a manager mounts on a named node', { field: 'node' });
    const node = cluster.answeringNode(at);
    const volume = this.get({ name: ref.name, node: at });
    const mode = asked ?? (isReaderOnly(volume.accessMode) ? 'ro' : 'rw');
    if (mode === 'rw' && isReaderOnly(volume.accessMode)) {
      throw new AppError('ACCESS_MODE_REFUSED', `volume ${volume.name} is ${volume.accessMode} and cannot be mounted for writing`, {
        volume: volume.name,
      });
    }
    if (!node.drivers.some((driver) => driver.name === volume.driver.name)) {
      throw new AppError('NODE_LACKS_DRIVER', `node ${at} does not run driver ${volume.driver.name}`, { node: at });
    }
    const held = this.#hold(volume, node, mode, id);
    held.mountIds.add(id);
    const path = cluster.pathOf(volume, at);
    if (cluster.root !== '/fake') await mkdir(path, { recursive: true });
    return { path, node: node.name, mode: held.mode, epoch: held.epoch, seq: held.seq };
  }

  unmount(ref: VolumeRef, mountId: string): void {
    const at = ref.node ?? this.#self;
    if (at === undefined) throw new AppError('INVALID_ARGUMENT', 'a manager unmounts on a named node', { field: 'node' });
    const node = this.#cluster.answeringNode(at);
    const volume = this.get({ name: ref.name, node: at });
    const held = volume.held.get(node.name);
    if (held === undefined || !isMountId(mountId)) return;
    held.mountIds.delete(mountId);
    if (held.mountIds.size === 0) volume.held.delete(node.name);
    volume.generation += 1;
  }

  expand(ref: VolumeRef, sizeBytes: number): VolumeView {
    const volume = this.get(ref);
    if (!volume.driver.capabilities.expand) throw new AppError('CAPABILITY_MISSING', `driver ${volume.driver.name} cannot expand`);
    const owner = this.#cluster.answeringNode(volume.node);
    if (sizeBytes - (volume.sizeBytes ?? 0) > this.#cluster.roomOn(owner))
      throw new AppError('NO_CAPACITY', `node ${owner.name} has no room`, { node: owner.name });
    volume.sizeBytes = Math.max(volume.sizeBytes ?? 0, sizeBytes);
    volume.generation += 1;
    return this.#cluster.viewOf(volume, this.#self);
  }

  snapshot(ref: VolumeRef, snapshot: string): VolumeView {
    const volume = this.get(ref);
    if (!volume.driver.capabilities.snapshot) throw new AppError('CAPABILITY_MISSING', `driver ${volume.driver.name} has no snapshots`);
    this.#cluster.answeringNode(volume.node);
    if (!volume.snapshots.has(snapshot)) {
      volume.snapshots.set(snapshot, { createdAt: this.#cluster.now(), sizeBytes: volume.sizeBytes ?? 0, ready: true });
      volume.generation += 1;
    }
    return this.#cluster.viewOf(volume, this.#self);
  }

  capacity(driver: string, node: string | undefined): { availableBytes: number; volumeBytesMin: number } {
    const info = this.#driver(driver);
    if (!info.capabilities.size) throw new AppError('CAPABILITY_MISSING', `driver ${driver} keeps no sizes`);
    const nodes = [...this.#cluster.nodes.values()].filter((record) => record.drivers.some((offered) => offered.name === driver));
    const asked = node === undefined ? nodes.filter((record) => record.state === 'connected') : [this.#cluster.answeringNode(node)];
    return { availableBytes: Math.max(0, ...asked.map((record) => this.#cluster.roomOn(record))), volumeBytesMin: 1 };
  }

  #hold(volume: VolumeRecord, node: NodeRecord, mode: MountMode, id: MountId): NonNullable<ReturnType<VolumeRecord['held']['get']>> {
    const cluster = this.#cluster;
    const present = volume.held.get(node.name);
    if (present !== undefined && isSufficient(present.mode, mode)) return present;
    if (node.cordoned && present === undefined) throw new AppError('NODE_CORDONED', `node ${node.name} is cordoned`, { node: node.name });
    const isLocal = volume.driver.capabilities.scope === 'local';
    if (!isLocal) cluster.makeWay(volume, node, mode);
    if (!isLocal && mode === 'rw') volume.epoch += 1;
    const held = {
      mode,
      epoch: volume.epoch,
      seq: isLocal ? 0 : cluster.tick(),
      since: cluster.now(),
      claimedFor: present?.claimedFor ?? id,
      mountIds: present?.mountIds ?? new Set<MountId>(),
    };
    volume.held.set(node.name, held);
    if (!isLocal && volume.accessMode.startsWith('single')) volume.node = node.name;
    volume.generation += 1;
    return held;
  }

  /** An agent that is cut off knows its local volumes and what it holds. */
  #requireManager(volume: VolumeRecord | undefined, at: string | undefined): void {
    if (this.#self === undefined || this.#cluster.managersAnswer) return;
    const isKnown =
      volume !== undefined && (volume.driver.capabilities.scope === 'local' || [...volume.held.keys()].some((holder) => holder === at));
    if (!isKnown) throw new AppError('NO_MANAGER', 'no manager answers; global volumes cannot change for now');
  }

  #driver(name: string): DriverInfo {
    const found = listDrivers(this.#cluster, undefined).find((driver) => driver.info.name === name);
    if (found === undefined) throw new AppError('DRIVER_NOT_FOUND', `no live node offers driver ${name}`, { driver: name });
    return found.info;
  }

  #localOwner(request: CreateVolumeRequest, driver: DriverInfo): NodeRecord {
    const at = request.node ?? this.#self;
    if (at === undefined) throw new AppError('INVALID_ARGUMENT', 'a local volume needs a node', { field: 'node' });
    const node = this.#cluster.answeringNode(at);
    if (!node.drivers.includes(driver))
      throw new AppError('NODE_LACKS_DRIVER', `node ${at} does not run driver ${driver.name}`, { node: at });
    if (node.cordoned) throw new AppError('NODE_CORDONED', `node ${at} is cordoned`, { node: at });
    return node;
  }

  #globalOwner(request: CreateVolumeRequest, driver: DriverInfo): NodeRecord {
    const fits = (node: NodeRecord): boolean =>
      node.state === 'connected' &&
      !node.cordoned &&
      node.drivers.includes(driver) &&
      (request.node === undefined || node.name === request.node) &&
      Object.entries(request.topology ?? {}).every(([key, value]) => node.labels[key] === value);
    const owner = [...this.#cluster.nodes.values()].find(fits);
    if (owner === undefined) throw new AppError('NODE_UNAVAILABLE', `no node can own volume ${request.name} now`, { driver: driver.name });
    return owner;
  }

  #silentNodes(): NodeRecord['name'][] {
    if (this.#self !== undefined) return [];
    return [...this.#cluster.nodes.values()].filter((node) => node.state !== 'connected' && node.state !== 'lost').map((node) => node.name);
  }
}

function checkCreate(request: CreateVolumeRequest, driver: DriverInfo): void {
  const { capabilities } = driver;
  const unknown = Object.keys(request.options ?? {}).find((key) => driver.options[key] === undefined);
  if (unknown !== undefined)
    throw new AppError('INVALID_OPTION', `driver ${driver.name} does not know option ${unknown}`, { option: unknown });
  if (request.sizeBytes !== undefined && !capabilities.size)
    throw new AppError('CAPABILITY_MISSING', `driver ${driver.name} keeps no sizes`);
  if (request.source !== undefined && !capabilities.clone) throw new AppError('CAPABILITY_MISSING', `driver ${driver.name} cannot clone`);
  if (request.accessMode !== undefined && !capabilities.accessModes.includes(request.accessMode)) {
    throw new AppError('INVALID_ARGUMENT', `driver ${driver.name} cannot keep access mode ${request.accessMode}`);
  }
}

function requireSame(volume: VolumeRecord, request: CreateVolumeRequest, driver: DriverInfo): void {
  const wanted: StringMap = request.options ?? {};
  const isSame =
    volume.driver.name === driver.name &&
    [...Object.keys(wanted), ...Object.keys(volume.options)].every((key) => wanted[key] === volume.options[key]) &&
    (request.accessMode ?? volume.accessMode) === volume.accessMode &&
    (request.sizeBytes ?? volume.sizeBytes) === volume.sizeBytes;
  if (!isSame) throw new AppError('VOLUME_CONFLICT', `volume ${volume.name} exists with another identity`, { volume: volume.name });
}

function listKey(view: VolumeView): string {
  return `${view.scope === 'global' ? '0' : '1'} ${view.name} ${view.node}`;
}

/** Tokens hold the key of the last item told, so that they stay good whatever comes and goes. */
function page<T>(
  sorted: readonly T[],
  keyOf: (item: T) => string,
  request: { readonly pageSize?: number; readonly pageToken?: string },
): { items: T[]; nextPageToken?: string } {
  const { pageSize = 100, pageToken } = request;
  const after = pageToken === undefined ? '' : Buffer.from(pageToken, 'base64url').toString();
  if (pageToken !== undefined && !after.startsWith('after '))
    throw new AppError('PAGE_TOKEN_INVALID', 'the page token was not made by this list');
  const rest = pageToken === undefined ? sorted : sorted.filter((item) => keyOf(item) > after.slice('after '.length));
  const items = rest.slice(0, pageSize);
  const last = items.at(-1);
  if (rest.length <= pageSize || last === undefined) return { items };
  return { items, nextPageToken: Buffer.from(`after ${keyOf(last)}`).toString('base64url') };
}

/** Each driver with the nodes that offer it. */
export function listDrivers(cluster: FakeCluster, node: string | undefined): readonly { info: DriverInfo; nodes: NodeRecord['name'][] }[] {
  const found = new Map<string, { info: DriverInfo; nodes: NodeRecord['name'][] }>();
  for (const record of cluster.nodes.values()) {
    if (record.state === 'lost' || (node !== undefined && record.name !== node)) continue;
    for (const info of record.drivers) {
      const entry = found.get(info.name) ?? { info, nodes: [] };
      entry.nodes.push(record.name);
      found.set(info.name, entry);
    }
  }
  return [...found.values()];
}
