import { AppError, type Clock } from '@volplane/base';
import {
  decideBegin,
  ownEntry,
  parseSnapshotName,
  parseVolumeName,
  type ExpandVolumeRequest,
  type Operation,
  type SnapshotRequest,
  type StringMap,
  type VolumeDocument,
  type VolumeRef,
  type VolumeView,
} from '@volplane/domain';
import type { CallContext } from '../api.js';
import { toVolumeView } from '../document-view.js';
import type { ClusterCache, VolumeRecord } from '../store/cluster-cache.js';
import type { VolumeRecords } from '../store/volume-records.js';
import type { Agents } from './agents.js';
import { askedNode } from './asked-node.js';
import { driveWithin, unfinished } from './operation-wait.js';
import type { Operations } from './operations.js';

/** Work on volumes that are there: expand and snapshots. Recorded before its effect, done by the owner's agent. */
export class VolumeWork {
  readonly #records: VolumeRecords;
  readonly #cache: ClusterCache;
  readonly #agents: Agents;
  readonly #operations: Operations;
  readonly #clock: Clock;

  constructor(parts: {
    readonly records: VolumeRecords;
    readonly cache: ClusterCache;
    readonly agents: Agents;
    readonly operations: Operations;
    readonly clock: Clock;
  }) {
    this.#records = parts.records;
    this.#cache = parts.cache;
    this.#agents = parts.agents;
    this.#operations = parts.operations;
    this.#clock = parts.clock;
  }

  async expandVolume(request: ExpandVolumeRequest, context: CallContext): Promise<VolumeView> {
    const { sizeBytes } = request;
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 1) {
      throw new AppError('INVALID_ARGUMENT', 'the size is not a positive whole number of bytes', { field: 'size_bytes' });
    }
    const isDone = (document: VolumeDocument): boolean => (document.spec.sizeBytes ?? 0) >= sizeBytes;
    const node = askedNode(request);
    if (node !== undefined) return await this.#agents.call(node, 'expandVolume', request, context);
    const record = await this.#capable(request, 'expand');
    return await this.#operate(record, 'expand', { sizeBytes: String(sizeBytes) }, isDone, context);
  }

  async createSnapshot(request: SnapshotRequest, context: CallContext): Promise<VolumeView> {
    const snapshot = parseSnapshotName(request.snapshot);
    const node = askedNode(request);
    if (node !== undefined) return await this.#agents.call(node, 'createSnapshot', request, context);
    const record = await this.#capable(request, 'snapshot');
    const { name, snapshots = {} } = record.document;
    if (ownEntry(snapshots, snapshot) === undefined && Object.keys(snapshots).length >= SNAPSHOTS_MAX) {
      throw new AppError('NO_CAPACITY', `volume ${name} has ${String(SNAPSHOTS_MAX)} snapshots, the most that are allowed`, {
        volume: name,
      });
    }
    const isDone = (document: VolumeDocument): boolean => ownEntry(document.snapshots, snapshot) !== undefined;
    return await this.#operate(record, 'snapshot', { snapshot }, isDone, context);
  }

  async removeSnapshot(request: SnapshotRequest, context: CallContext): Promise<VolumeView> {
    const snapshot = parseSnapshotName(request.snapshot);
    const node = askedNode(request);
    if (node !== undefined) return await this.#agents.call(node, 'removeSnapshot', request, context);
    const record = await this.#capable(request, 'snapshot');
    const isDone = (document: VolumeDocument): boolean => ownEntry(document.snapshots, snapshot) === undefined;
    return await this.#operate(record, 'remove-snapshot', { snapshot }, isDone, context);
  }

  /** The record of a global volume whose driver can do it. */
  async #capable(request: VolumeRef, capability: 'expand' | 'snapshot'): Promise<VolumeRecord> {
    const name = parseVolumeName(request.name);
    const record = await this.#cache.readVolume(name);
    if (record === undefined) throw new AppError('VOLUME_NOT_FOUND', `volume ${name} does not exist`, { volume: name });
    const { spec, owner } = record.document;
    const driver = this.#cache.nodes.get(owner)?.document.drivers.find((offered) => offered.name === spec.driver);
    if (driver?.capabilities[capability] !== true) {
      throw new AppError('CAPABILITY_MISSING', `driver ${spec.driver} of volume ${name} cannot ${capability}`, {
        volume: name,
        driver: spec.driver,
        capability,
      });
    }
    return record;
  }

  /** Begins the operation, unless its result is there, and drives it. Only the document tells whether it was done. */
  async #operate(
    record: VolumeRecord,
    kind: Operation['kind'],
    parameters: StringMap,
    isDone: (document: VolumeDocument) => boolean,
    context: CallContext,
  ): Promise<VolumeView> {
    const { name } = record.document;
    if (isDone(record.document)) return toVolumeView(record.document, record.modRevision);
    const operationId = this.#operations.newOperationId();
    await this.#records.change(name, (document, view) => decideBegin(document, { name, operationId, kind, parameters }, view));
    const pending = (): AppError => unfinished(name, 'UNKNOWN_OUTCOME', 'changed');
    const driven = await driveWithin({ operations: this.#operations, clock: this.#clock }, name, context, pending);
    const after = await this.#cache.readVolume(name);
    if (after === undefined) throw new AppError('VOLUME_NOT_FOUND', `volume ${name} does not exist any more`, { volume: name });
    if (after.document.operation?.id === operationId) throw unfinished(name, 'UNKNOWN_OUTCOME', 'changed', driven.failure);
    if (isDone(after.document)) return toVolumeView(after.document, after.modRevision);
    if (driven.failure !== undefined) throw AppError.fromFailure(driven.failure);
    throw new AppError('CONTENTION', `volume ${name} moved to node ${after.document.owner} and its ${kind} was dropped; repeat the call`, {
      volume: name,
      node: after.document.owner,
    });
  }
}

const SNAPSHOTS_MAX = 64;
