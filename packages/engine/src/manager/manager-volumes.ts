import { AppError, type Clock, type Logger, type Random } from '@volplane/base';
import {
  decideForceRelease,
  decideForget,
  decideRehome,
  decideRemove,
  decideSettings,
  LIMITS,
  ownEntry,
  parseMountId,
  parseNodeName,
  parseVolumeName,
  placementOf,
  type CreateVolumeRequest,
  type ExpandVolumeRequest,
  type ForceReleaseRequest,
  type ListVolumesRequest,
  type MountVolumeRequest,
  type MountView,
  type NodeName,
  type RemoveVolumeRequest,
  type SettingsChange,
  type SnapshotRequest,
  type StringMap,
  type TransferOwnershipRequest,
  type UnmountVolumeRequest,
  type UpdateLabelsRequest,
  type VolumeDocument,
  type VolumeName,
  type VolumePage,
  type VolumeRef,
  type VolumeView,
} from '@volplane/domain';
import { acknowledged } from '@volplane/wire';
import type { CallContext } from '../api.js';
import { checkMap, toVolumeView } from '../document-view.js';
import type { ClusterCache } from '../store/cluster-cache.js';
import type { VolumeRecords } from '../store/volume-records.js';
import type { Agents } from './agents.js';
import { askedNode } from './asked-node.js';
import { missingNode } from './missing-node.js';
import { mountAnswer } from './mount-answer.js';
import { checkNote } from './note.js';
import { driveWithin, unfinished } from './operation-wait.js';
import type { Operations } from './operations.js';
import { placeFreshWhile, toLiveNode } from './placing.js';
import type { Sessions } from './sessions.js';
import { VolumeCreation } from './volume-creation.js';
import { VolumeListing } from './volume-listing.js';
import { VolumeWork } from './volume-work.js';

/** The volumes of the cluster as a manager serves them: global ones decided here, node-addressed local ones passed to their node. */
export class ManagerVolumes {
  readonly #records: VolumeRecords;
  readonly #cache: ClusterCache;
  readonly #agents: Agents;
  readonly #operations: Operations;
  readonly #sessions: Sessions;
  readonly #listing: VolumeListing;
  readonly #creation: VolumeCreation;
  readonly #work: VolumeWork;
  readonly #clock: Clock;
  readonly #log: Logger;

  constructor(parts: {
    readonly records: VolumeRecords;
    readonly cache: ClusterCache;
    readonly agents: Agents;
    readonly operations: Operations;
    readonly sessions: Sessions;
    readonly clock: Clock;
    readonly random: Random;
    readonly log: Logger;
  }) {
    this.#records = parts.records;
    this.#cache = parts.cache;
    this.#agents = parts.agents;
    this.#operations = parts.operations;
    this.#sessions = parts.sessions;
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#listing = new VolumeListing(parts.cache, parts.agents);
    this.#creation = new VolumeCreation(parts);
    this.#work = new VolumeWork(parts);
  }

  createVolume(request: CreateVolumeRequest, context: CallContext): Promise<VolumeView> {
    return this.#creation.createVolume(request, context);
  }

  async getVolume(request: VolumeRef, context: CallContext): Promise<VolumeView> {
    const name = parseVolumeName(request.name);
    if (request.node !== undefined)
      return await this.#agents.call(parseNodeName(request.node), 'getVolume', { name, node: request.node }, context);
    const record = await this.#cache.readVolume(name);
    if (record === undefined) throw notFound(name);
    return toVolumeView(record.document, record.modRevision);
  }

  listVolumes(request: ListVolumesRequest, context: CallContext): Promise<VolumePage> {
    return this.#listing.page(request, context);
  }

  async updateLabels(request: UpdateLabelsRequest, context: CallContext): Promise<VolumeView> {
    const name = parseVolumeName(request.name);
    const node = askedNode(request);
    if (node !== undefined) return await this.#agents.call(node, 'updateLabels', request, context);
    const set = checkMap('labels', request.set);
    const change: SettingsChange = {
      name,
      set,
      drop: request.drop,
      ...(request.takeover === undefined ? {} : { takeover: request.takeover }),
      ...(request.expectedGeneration === undefined ? {} : { expectedGeneration: request.expectedGeneration }),
    };
    const changed = await this.#records.change(name, (document, view, modRevision) => decideSettings(document, modRevision, change, view));
    return toVolumeView(changed.answer, changed.modRevision);
  }

  async removeVolume(request: RemoveVolumeRequest, context: CallContext): Promise<void> {
    const name = parseVolumeName(request.name);
    const node = askedNode(request);
    if (node !== undefined) {
      await this.#agents.call(node, 'removeVolume', request, context);
      return;
    }
    const operationId = this.#operations.newOperationId();
    const { uid } = request;
    const removing = await this.#beginRemove(name, { name, operationId, ...(uid === undefined ? {} : { uid }) });
    if (removing === undefined) return;
    const pending = (): AppError => unfinished(name, 'VOLUME_REMOVING', 'removed');
    const driven = await driveWithin({ operations: this.#operations, clock: this.#clock }, name, context, pending);
    const left = this.#cache.volumes.get(name)?.document;
    if (left?.uid !== removing.uid) return;
    throw unfinished(name, 'VOLUME_REMOVING', 'removed', driven.failure);
  }

  /** In as many steps as the holders need that are ended on evidence; each makes progress, so their number is bounded. */
  async #beginRemove(name: VolumeName, remove: Parameters<typeof decideRemove>[1]): Promise<VolumeDocument | undefined> {
    for (let step = 0; step <= LIMITS.attachments / LIMITS.releasedAtOnce; step += 1) {
      // One after the other: each begins where the last one ended.
      const begun = await this.#records.change(name, (document, view) => decideRemove(document, remove, view));
      if (begun.document?.phase !== 'ready') return begun.document;
    }
    throw new AppError('CONTENTION', `volume ${name} is attached anew while it is being removed; repeat the call`, { volume: name });
  }

  async forgetVolume(request: VolumeRef, context: CallContext): Promise<void> {
    const name = parseVolumeName(request.name);
    const node = askedNode(request);
    if (node !== undefined) {
      await this.#agents.call(node, 'forgetVolume', request, context);
      return;
    }
    let uid: VolumeDocument['uid'] | undefined;
    await this.#records.change(name, (document, view) => {
      uid = document?.uid;
      return decideForget(document, name, view);
    });
    // Nothing else remembers it.
    this.#log.warn('volume forgotten on request, its data stays where it is', { volume: name, uid });
  }

  /** Routed to the node's agent, which claims like for any other caller; bounded by the agent's own heartbeats (rule 8). */
  async mountVolume(request: MountVolumeRequest, context: CallContext): Promise<MountView> {
    const name = parseVolumeName(request.name);
    const mountId = parseMountId(request.mountId);
    const node = this.#addressed(request, 'mounted');
    const session = this.#agents.session(node);
    const beat = await this.#beatOf(node, session.incarnation, context);
    return await this.#agents.ask(
      node,
      {
        type: 'mount',
        session: session.session,
        incarnation: session.incarnation,
        name,
        mountId,
        untilBeat: beat + ROUTED_MOUNT_BEATS,
        requestId: this.#operations.newOperationId(),
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
    return await this.#agents.call(this.#addressed(request, 'looked up'), 'getPath', { name: parseVolumeName(request.name) }, context);
  }

  async getStatus(request: VolumeRef, context: CallContext): Promise<{ readonly status: StringMap }> {
    const name = parseVolumeName(request.name);
    const record = request.node === undefined ? await this.#cache.readVolume(name) : undefined;
    if (request.node === undefined && record === undefined) throw notFound(name);
    const node = request.node === undefined ? record?.document.owner : parseNodeName(request.node);
    if (node === undefined) throw notFound(name);
    return await this.#agents.call(node, 'getStatus', { name }, context);
  }

  async transferOwnership(request: TransferOwnershipRequest): Promise<VolumeView> {
    const name = parseVolumeName(request.name);
    const toNode = parseNodeName(request.toNode);
    const record = await this.#cache.readVolume(name);
    if (record === undefined) throw notFound(name);
    const { spec } = record.document;
    const changed = await placeFreshWhile({ ...placementOf(spec), wished: toNode }, this.#cache, (chosen) =>
      this.#records.change(name, (document, view) =>
        document === undefined
          ? { type: 'refuse', failure: notFound(name).failure }
          : decideRehome(document, toLiveNode(chosen), 'requested', view),
      ),
    );
    if (changed.committed)
      this.#log.info('volume re-homed on request', { volume: name, uid: changed.answer.uid, from: record.document.owner, to: toNode });
    return toVolumeView(changed.answer, changed.modRevision);
  }

  async forceRelease(request: ForceReleaseRequest, context: CallContext): Promise<VolumeView> {
    const name = parseVolumeName(request.name);
    const node = parseNodeName(request.node);
    const note = checkNote(request.note);
    const record = await this.#cache.readVolume(name);
    if (record === undefined) throw notFound(name);
    const session = this.#cache.sessions.get(node)?.document;
    const attachment = ownEntry(record.document.attachments, node);
    // A mistyped name would be answered as if there were nothing to release.
    if (attachment === undefined && !this.#cache.nodes.has(node)) throw missingNode(this.#cache, node);
    const { uid } = record.document;
    const told = { volume: name, uid, node, note };
    if (session !== undefined && attachment?.nodeUid === session.nodeUid) {
      await this.#agents.ask(
        node,
        { type: 'force-release', session: session.session, incarnation: session.incarnation, name, uid, seq: attachment.seq, note },
        acknowledged,
        context,
      );
      this.#log.warn('node released a volume by force, on an operator’s word', told);
      return await this.getVolume({ name }, context);
    }
    const changed = await this.#records.change(name, (document, view) => decideForceRelease(document, { name, node, note }, view));
    if (changed.document === undefined) throw notFound(name);
    if (changed.committed) this.#log.warn('attachment of a node that is gone ended on an operator’s word', told);
    return toVolumeView(changed.document, changed.modRevision);
  }

  expandVolume(request: ExpandVolumeRequest, context: CallContext): Promise<VolumeView> {
    return this.#work.expandVolume(request, context);
  }

  createSnapshot(request: SnapshotRequest, context: CallContext): Promise<VolumeView> {
    return this.#work.createSnapshot(request, context);
  }

  removeSnapshot(request: SnapshotRequest, context: CallContext): Promise<VolumeView> {
    return this.#work.removeSnapshot(request, context);
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
    throw new AppError('INVALID_ARGUMENT', `say on which node volume ${request.name} shall be ${what}`, {
      volume: request.name,
      field: 'node',
    });
  }
}

function notFound(name: string): AppError {
  return new AppError('VOLUME_NOT_FOUND', `volume ${name} does not exist`, { volume: name });
}

/** A routed mount is refused once the agent has counted this many heartbeats since the last one known here. */
const ROUTED_MOUNT_BEATS = 8;
const BEAT_FRESH_MS = 5_000;
