import { AppError, withTimeout, type Clock, type Failure, type Random } from '@volplane/base';
import {
  decideBegin,
  decideCreate,
  decideForceRelease,
  decideForget,
  decideLabels,
  decideRehome,
  decideRemove,
  defaultTakeover,
  identityDifference,
  parseDriverName,
  parseMountId,
  parseNodeName,
  parseVolumeName,
  type CreateVolumeRequest,
  type DriverInfo,
  type ExpandVolumeRequest,
  type ForceReleaseRequest,
  type ListVolumesRequest,
  type MountVolumeRequest,
  type MountView,
  type NodeName,
  type Operation,
  type RemoveVolumeRequest,
  type SnapshotRequest,
  type StringMap,
  type TransferOwnershipRequest,
  type UnmountVolumeRequest,
  type UpdateLabelsRequest,
  type VolumeName,
  type VolumePage,
  type VolumeRef,
  type VolumeSpec,
  type VolumeUid,
  type VolumeView,
} from '@volplane/domain';
import { acknowledged } from '@volplane/wire';
import type { CallContext } from '../api.js';
import { checkMap, toVolumeView } from '../document-view.js';
import type { ClusterCache, VolumeRecord } from '../store/cluster-cache.js';
import type { VolumeRecords } from '../store/volume-records.js';
import type { Agents } from './agents.js';
import { mountAnswer } from './mount-answer.js';
import type { Operations } from './operations.js';
import { candidates, choose, toLiveNode } from './placing.js';
import type { Sessions } from './sessions.js';
import { VolumeListing } from './volume-listing.js';

/** The volumes of the cluster as a manager serves them: global ones decided here, node-addressed local ones passed to their node. */
export class ManagerVolumes {
  readonly #records: VolumeRecords;
  readonly #cache: ClusterCache;
  readonly #agents: Agents;
  readonly #operations: Operations;
  readonly #sessions: Sessions;
  readonly #listing: VolumeListing;
  readonly #clock: Clock;
  readonly #random: Random;

  constructor(parts: {
    readonly records: VolumeRecords;
    readonly cache: ClusterCache;
    readonly agents: Agents;
    readonly operations: Operations;
    readonly sessions: Sessions;
    readonly clock: Clock;
    readonly random: Random;
  }) {
    this.#records = parts.records;
    this.#cache = parts.cache;
    this.#agents = parts.agents;
    this.#operations = parts.operations;
    this.#sessions = parts.sessions;
    this.#clock = parts.clock;
    this.#random = parts.random;
    this.#listing = new VolumeListing(parts.cache, parts.agents);
  }

  async createVolume(request: CreateVolumeRequest, context: CallContext): Promise<VolumeView> {
    const name = parseVolumeName(request.name);
    const driver = parseDriverName(request.driver ?? 'local');
    const wished = request.node === undefined ? undefined : parseNodeName(request.node);
    const options = checkMap('options', request.options);
    const labels = checkMap('labels', request.labels);
    await this.#cache.filled;
    if (this.#isLocalOn(wished, driver)) return this.#agents.call(wished, 'createVolume', { ...request, driver }, context);
    if (wished === undefined && this.#isLocalEverywhere(driver)) {
      throw new AppError('INVALID_ARGUMENT', `driver ${driver} has local scope: say on which node volume ${name} shall live`, { volume: name, field: 'node', driver });
    }
    if (request.sizeBytes !== undefined && !(Number.isSafeInteger(request.sizeBytes) && request.sizeBytes > 0)) {
      throw new AppError('INVALID_ARGUMENT', `size ${String(request.sizeBytes)} of volume ${name} is not a positive whole number of bytes`, { volume: name, field: 'size_bytes' });
    }
    const existing = this.#cache.volumes.get(name);
    if (existing !== undefined && existing.document.phase !== 'removing') return this.#join(name, driver, request, options, labels, context);

    const chosen = choose(
      {
        driver,
        topology: checkMap('topology', request.topology),
        needsSize: request.sizeBytes !== undefined,
        needsClone: request.source !== undefined,
        ...(request.accessMode === undefined ? {} : { accessMode: request.accessMode }),
        ...(request.takeover === undefined ? {} : { takeover: request.takeover }),
        ...(wished === undefined ? {} : { wished }),
      },
      candidates(this.#cache),
    );
    const spec = toSpec(request, chosen.driver, options, labels);
    const parameters = request.source === undefined ? {} : await this.#sourceParameters(request.source, context);
    const create = { name, uid: this.#random.hex(32) as VolumeUid, operationId: this.#operations.newOperationId(), spec, owner: toLiveNode(chosen), parameters };
    await this.#records.change(name, (document, view) => decideCreate(document, create, view), context.signal);
    return this.#finishCreate(name, context);
  }

  async getVolume(request: VolumeRef, context: CallContext): Promise<VolumeView> {
    const name = parseVolumeName(request.name);
    if (request.node !== undefined) return this.#agents.call(parseNodeName(request.node), 'getVolume', { name, node: request.node }, context);
    const record = await this.#cache.readVolume(name, context.signal);
    if (record === undefined) throw notFound(name);
    return toVolumeView(record.document, record.modRevision);
  }

  listVolumes(request: ListVolumesRequest, context: CallContext): Promise<VolumePage> {
    return this.#listing.page(request, context);
  }

  async updateLabels(request: UpdateLabelsRequest, context: CallContext): Promise<VolumeView> {
    const name = parseVolumeName(request.name);
    if (request.node !== undefined && !(await this.#isGlobal(name))) return this.#agents.call(parseNodeName(request.node), 'updateLabels', request, context);
    const set = checkMap('labels', request.set);
    const { expectedGeneration } = request;
    if (expectedGeneration !== undefined) {
      const record = await this.#cache.readVolume(name, context.signal);
      if (record !== undefined && record.modRevision !== expectedGeneration) throw generationStale(record, expectedGeneration);
    }
    const changed = await this.#records.change(name, (document) => decideLabels(document, { name, set, drop: request.drop }), context.signal);
    return toVolumeView(changed.answer, changed.modRevision);
  }

  async removeVolume(request: RemoveVolumeRequest, context: CallContext): Promise<void> {
    const name = parseVolumeName(request.name);
    if (request.node !== undefined && !(await this.#isGlobal(name))) {
      await this.#agents.call(parseNodeName(request.node), 'removeVolume', request, context);
      return;
    }
    const operationId = this.#operations.newOperationId();
    const { uid } = request;
    const begun = await this.#records.change(
      name,
      (document, view) => decideRemove(document, { name, operationId, ...(uid === undefined ? {} : { uid }) }, view),
      context.signal,
    );
    const removing = begun.document;
    if (removing === undefined) return;
    const driven = await this.#driveFor(name, context, 'VOLUME_REMOVING', 'removed');
    const left = this.#cache.volumes.get(name)?.document;
    if (left?.uid !== removing.uid) return;
    throw unfinished(name, driven.failure, 'VOLUME_REMOVING', 'removed');
  }

  async forgetVolume(request: VolumeRef, context: CallContext): Promise<void> {
    const name = parseVolumeName(request.name);
    if (request.node !== undefined && !(await this.#isGlobal(name))) {
      await this.#agents.call(parseNodeName(request.node), 'forgetVolume', request, context);
      return;
    }
    await this.#records.change(name, (document, view) => decideForget(document, name, view), context.signal);
  }

  /** Routed to the node's agent, which claims like for any other caller; bounded by the agent's own heartbeats (rule 8). */
  async mountVolume(request: MountVolumeRequest, context: CallContext): Promise<MountView> {
    const name = parseVolumeName(request.name);
    const mountId = parseMountId(request.mountId);
    const node = this.#addressed(request, 'mounted');
    const session = this.#agents.session(node);
    const beat = await this.#beatOf(node, session.incarnation, context);
    return this.#agents.ask(
      node,
      {
        type: 'mount',
        session: session.session,
        incarnation: session.incarnation,
        name,
        mountId,
        untilBeat: beat + ROUTED_MOUNT_BEATS,
        ...(request.mode === undefined ? {} : { mode: request.mode }),
      },
      mountAnswer,
      context,
    );
  }

  async unmountVolume(request: UnmountVolumeRequest, context: CallContext): Promise<void> {
    const name = parseVolumeName(request.name);
    parseMountId(request.mountId);
    await this.#agents.call(this.#addressed(request, 'unmounted'), 'unmountVolume', { ...request, name }, context);
  }

  async getPath(request: VolumeRef, context: CallContext): Promise<{ readonly path?: string }> {
    return this.#agents.call(this.#addressed(request, 'looked up'), 'getPath', { name: parseVolumeName(request.name) }, context);
  }

  async getStatus(request: VolumeRef, context: CallContext): Promise<{ readonly status: StringMap }> {
    const name = parseVolumeName(request.name);
    const record = request.node === undefined ? await this.#cache.readVolume(name, context.signal) : undefined;
    if (request.node === undefined && record === undefined) throw notFound(name);
    const node = request.node === undefined ? record?.document.owner : parseNodeName(request.node);
    if (node === undefined) throw notFound(name);
    return this.#agents.call(node, 'getStatus', { name }, context);
  }

  async transferOwnership(request: TransferOwnershipRequest, context: CallContext): Promise<VolumeView> {
    const name = parseVolumeName(request.name);
    const toNode = parseNodeName(request.toNode);
    const record = await this.#cache.readVolume(name, context.signal);
    if (record === undefined) throw notFound(name);
    const { spec } = record.document;
    const to = toLiveNode(
      choose({ driver: spec.driver, accessMode: spec.accessMode, topology: {}, wished: toNode, needsSize: false, needsClone: false }, candidates(this.#cache)),
    );
    const changed = await this.#records.change(
      name,
      (document, view) => (document === undefined ? { type: 'refuse', failure: notFound(name).failure } : decideRehome(document, to, 'requested', view)),
      context.signal,
    );
    return toVolumeView(changed.answer, changed.modRevision);
  }

  async forceRelease(request: ForceReleaseRequest, context: CallContext): Promise<VolumeView> {
    const name = parseVolumeName(request.name);
    const node = parseNodeName(request.node);
    const note = request.note.trim();
    if (note.length === 0 || note.length > 200) throw new AppError('INVALID_ARGUMENT', 'say in 1 to 200 characters who releases the volume and why', { field: 'note' });
    const record = await this.#cache.readVolume(name, context.signal);
    if (record === undefined) throw notFound(name);
    const session = this.#cache.sessions.get(node)?.document;
    if (session !== undefined && record.document.attachments[node] !== undefined) {
      const { uid } = record.document;
      await this.#agents.ask(node, { type: 'force-release', session: session.session, incarnation: session.incarnation, name, uid, note }, acknowledged, context);
      return this.getVolume({ name }, context);
    }
    const changed = await this.#records.change(name, (document, view) => decideForceRelease(document, { name, node, note }, view), context.signal);
    if (changed.document === undefined) throw notFound(name);
    return toVolumeView(changed.document, changed.modRevision);
  }

  async expandVolume(request: ExpandVolumeRequest, context: CallContext): Promise<VolumeView> {
    const record = await this.#capable(request, 'expand', context);
    if (record === undefined) return this.#agents.call(parseNodeName(request.node ?? ''), 'expandVolume', request, context);
    const present = record.document.spec.sizeBytes ?? 0;
    if (!Number.isSafeInteger(request.sizeBytes) || request.sizeBytes < 1) throw new AppError('INVALID_ARGUMENT', 'the size is not a positive whole number of bytes', { field: 'size_bytes' });
    if (request.sizeBytes <= present) return toVolumeView(record.document, record.modRevision);
    return this.#operate(record, 'expand', { sizeBytes: String(request.sizeBytes) }, context);
  }

  async createSnapshot(request: SnapshotRequest, context: CallContext): Promise<VolumeView> {
    const record = await this.#capable(request, 'snapshot', context);
    if (record === undefined) return this.#agents.call(parseNodeName(request.node ?? ''), 'createSnapshot', request, context);
    if (record.document.snapshots?.[request.snapshot] !== undefined) return toVolumeView(record.document, record.modRevision);
    if (Object.keys(record.document.snapshots ?? {}).length >= SNAPSHOTS_MAX) {
      throw new AppError('NO_CAPACITY', `volume ${record.document.name} has ${String(SNAPSHOTS_MAX)} snapshots, the most that are allowed`, { volume: record.document.name });
    }
    return this.#operate(record, 'snapshot', { snapshot: parseVolumeName(request.snapshot) }, context);
  }

  async removeSnapshot(request: SnapshotRequest, context: CallContext): Promise<VolumeView> {
    const record = await this.#capable(request, 'snapshot', context);
    if (record === undefined) return this.#agents.call(parseNodeName(request.node ?? ''), 'removeSnapshot', request, context);
    if (record.document.snapshots?.[request.snapshot] === undefined) return toVolumeView(record.document, record.modRevision);
    return this.#operate(record, 'remove-snapshot', { snapshot: request.snapshot }, context);
  }

  /** The record of a global volume whose driver can do it; undefined = a node-addressed local volume. */
  async #capable(request: VolumeRef, capability: 'expand' | 'snapshot', context: CallContext): Promise<VolumeRecord | undefined> {
    const name = parseVolumeName(request.name);
    const record = await this.#cache.readVolume(name, context.signal);
    if (record === undefined) {
      if (request.node !== undefined) return undefined;
      throw notFound(name);
    }
    const { spec, owner } = record.document;
    const driver = this.#cache.nodes.get(owner)?.document.drivers.find((offered) => offered.name === spec.driver);
    if (driver?.capabilities[capability] !== true) {
      throw new AppError('CAPABILITY_MISSING', `driver ${spec.driver} of volume ${name} cannot ${capability}`, { volume: name, driver: spec.driver, capability });
    }
    return record;
  }

  async #operate(record: VolumeRecord, kind: Operation['kind'], parameters: StringMap, context: CallContext): Promise<VolumeView> {
    const { name } = record.document;
    const operationId = this.#operations.newOperationId();
    await this.#records.change(name, (document, view) => decideBegin(document, { name, operationId, kind, parameters }, view), context.signal);
    const driven = await this.#driveFor(name, context, 'UNKNOWN_OUTCOME', 'changed');
    const after = await this.#cache.readVolume(name, context.signal);
    if (driven.failure !== undefined) throw AppError.fromFailure(driven.failure);
    if (after === undefined) throw notFound(name);
    if (after.document.operation?.id === operationId) throw unfinished(name, undefined, 'UNKNOWN_OUTCOME', 'changed');
    return toVolumeView(after.document, after.modRevision);
  }

  /** The same create again, or another one under the same name. */
  async #join(name: VolumeName, driver: VolumeSpec['driver'], request: CreateVolumeRequest, options: StringMap, labels: StringMap, context: CallContext): Promise<VolumeView> {
    const record = await this.#cache.readVolume(name, context.signal);
    if (record === undefined) return this.createVolume(request, context);
    const present = record.document.spec;
    const asked: VolumeSpec = {
      driver,
      options,
      labels,
      accessMode: request.accessMode ?? present.accessMode,
      takeover: present.takeover,
      ...(request.sizeBytes === undefined ? (present.sizeBytes === undefined ? {} : { sizeBytes: present.sizeBytes }) : { sizeBytes: request.sizeBytes }),
    };
    const difference = identityDifference(present, asked).join('; ');
    if (difference !== '') throw new AppError('VOLUME_CONFLICT', `volume ${name} exists with another identity: ${difference}`, { volume: name, uid: record.document.uid, difference });
    return this.#finishCreate(name, context);
  }

  async #finishCreate(name: VolumeName, context: CallContext): Promise<VolumeView> {
    const driven = await this.#driveFor(name, context, 'VOLUME_CREATING', 'created');
    const record = this.#cache.volumes.get(name);
    if (record?.document.phase === 'ready') return toVolumeView(record.document, record.modRevision);
    if (record === undefined && driven.failure === undefined) throw notFound(name);
    throw unfinished(name, driven.failure, 'VOLUME_CREATING', 'created');
  }

  /** Drives the operation within the caller's time; what is left of it is some manager's business, not the caller's. */
  async #driveFor(name: VolumeName, context: CallContext, reason: 'VOLUME_CREATING' | 'VOLUME_REMOVING' | 'UNKNOWN_OUTCOME', done: string): Promise<{ readonly failure?: Failure }> {
    return withTimeout(this.#clock, this.#operations.drive(name), {
      timeoutMs: Math.max(1, context.timeoutMs - ANSWER_MARGIN_MS),
      onTimeout: () => unfinished(name, undefined, reason, done),
      signal: context.signal,
    });
  }

  async #sourceParameters(source: NonNullable<CreateVolumeRequest['source']>, context: CallContext): Promise<StringMap> {
    const record = await this.#cache.readVolume(parseVolumeName(source.volume), context.signal);
    if (record === undefined) throw notFound(source.volume);
    if (source.snapshot !== undefined && record.document.snapshots?.[source.snapshot] === undefined) {
      throw new AppError('VOLUME_NOT_FOUND', `volume ${source.volume} has no snapshot ${source.snapshot}`, { volume: source.volume, snapshot: source.snapshot });
    }
    return { sourceName: record.document.name, sourceUid: record.document.uid, ...(source.snapshot === undefined ? {} : { sourceSnapshot: source.snapshot }) };
  }

  /** The agent's heartbeat count, from what this manager heard lately, else by asking. */
  async #beatOf(node: NodeName, incarnation: string, context: CallContext): Promise<number> {
    const heard = this.#sessions.heard(node);
    if (heard?.incarnation === incarnation && heard.agoMs < BEAT_FRESH_MS) return heard.beat;
    const answer = await this.#agents.users(node, [], context.signal);
    if (answer !== undefined) return answer.beat;
    throw new AppError('NODE_UNAVAILABLE', `the agent of node ${node} does not answer`, { node });
  }

  #addressed(request: VolumeRef, what: string): NodeName {
    if (request.node !== undefined) return parseNodeName(request.node);
    throw new AppError('INVALID_ARGUMENT', `say on which node volume ${request.name} shall be ${what}`, { volume: request.name, field: 'node' });
  }

  /** A global volume of the name exists, as far as is known: then it is meant, whatever node is named beside it. */
  async #isGlobal(name: VolumeName): Promise<boolean> {
    await this.#cache.filled;
    return this.#cache.volumes.get(name) !== undefined;
  }

  #isLocalOn(node: NodeName | undefined, driver: string): node is NodeName {
    if (node === undefined) return false;
    const offered = this.#cache.nodes.get(node)?.document.drivers.find((info) => info.name === driver);
    return offered?.capabilities.scope === 'local';
  }

  #isLocalEverywhere(driver: string): boolean {
    const offers = [...this.#cache.nodes.values()].flatMap(({ document }) => document.drivers.filter((info) => info.name === driver));
    return offers.length > 0 && offers.every((info) => info.capabilities.scope === 'local');
  }
}

function toSpec(request: CreateVolumeRequest, driver: DriverInfo, options: StringMap, labels: StringMap): VolumeSpec {
  const accessMode = request.accessMode ?? driver.capabilities.accessModes[0];
  if (accessMode === undefined) throw new AppError('DRIVER_FAILED', `driver ${driver.name} declares no access mode`, { driver: driver.name });
  return {
    driver: driver.name,
    options,
    labels,
    accessMode,
    takeover: request.takeover ?? defaultTakeover(driver, accessMode),
    ...(request.sizeBytes === undefined ? {} : { sizeBytes: request.sizeBytes }),
  };
}

function notFound(name: string): AppError {
  return new AppError('VOLUME_NOT_FOUND', `volume ${name} does not exist`, { volume: name });
}

function generationStale(record: VolumeRecord, expected: number): AppError {
  return new AppError('GENERATION_STALE', `volume ${record.document.name} is at generation ${String(record.modRevision)}, not ${String(expected)}`, {
    volume: record.document.name,
    generation: String(record.modRevision),
  });
}

function unfinished(name: string, failure: Failure | undefined, reason: 'VOLUME_CREATING' | 'VOLUME_REMOVING' | 'UNKNOWN_OUTCOME', done: string): AppError {
  if (failure !== undefined && failure.reason !== 'UNKNOWN_OUTCOME') return AppError.fromFailure(failure);
  return new AppError(reason, `volume ${name} is not ${done} yet; a manager goes on with it, repeat the call to see the end`, { volume: name, retryDelayMs: '500' });
}

/** A routed mount is refused once the agent has counted this many heartbeats since the last one known here. */
const ROUTED_MOUNT_BEATS = 8;
const BEAT_FRESH_MS = 5_000;
/** Left of the caller's time for writing the answer. */
const ANSWER_MARGIN_MS = 50;
const SNAPSHOTS_MAX = 64;
