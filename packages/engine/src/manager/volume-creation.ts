import { AppError, type Clock, type Random } from '@volplane/base';
import {
  decideCreate,
  defaultTakeover,
  identityDifference,
  ownEntry,
  parseDriverName,
  parseNodeName,
  parseVolumeName,
  type CreateVolumeRequest,
  type DriverInfo,
  type DriverName,
  type NodeName,
  type OperationId,
  type PlacementRequest,
  type StringMap,
  type VolumeName,
  type VolumeSpec,
  type VolumeUid,
  type VolumeView,
} from '@volplane/domain';
import type { CallContext } from '../api.js';
import { checkMap, toVolumeView } from '../document-view.js';
import type { ClusterCache } from '../store/cluster-cache.js';
import type { VolumeRecords } from '../store/volume-records.js';
import type { Agents } from './agents.js';
import { driveWithin, unfinished } from './operation-wait.js';
import type { Operations } from './operations.js';
import { placeFreshWhile, toLiveNode } from './placing.js';

/** Creates global volumes, or joins what is there; a local one is made by its node. */
export class VolumeCreation {
  readonly #records: VolumeRecords;
  readonly #cache: ClusterCache;
  readonly #agents: Agents;
  readonly #operations: Operations;
  readonly #clock: Clock;
  readonly #random: Random;

  constructor(parts: {
    readonly records: VolumeRecords;
    readonly cache: ClusterCache;
    readonly agents: Agents;
    readonly operations: Operations;
    readonly clock: Clock;
    readonly random: Random;
  }) {
    this.#records = parts.records;
    this.#cache = parts.cache;
    this.#agents = parts.agents;
    this.#operations = parts.operations;
    this.#clock = parts.clock;
    this.#random = parts.random;
  }

  async createVolume(request: CreateVolumeRequest, context: CallContext): Promise<VolumeView> {
    const asked = parseCreate(request);
    const { name, driver, wished } = asked;
    await this.#cache.filled;
    if (wished !== undefined && this.#isLocalOn(wished, driver)) {
      return await this.#agents.call(wished, 'createVolume', { ...request, driver }, context);
    }
    if (wished === undefined && this.#isLocalEverywhere(driver)) {
      const text = `driver ${driver} has local scope: say on which node volume ${name} shall live`;
      throw new AppError('INVALID_ARGUMENT', text, { volume: name, field: 'node', driver });
    }
    const existing = this.#cache.volumes.get(name);
    if (existing === undefined || existing.document.phase === 'removing' || !(await this.#isSame(asked))) {
      await this.#begin(asked);
    }
    return await this.#finish(name, context);
  }

  /** @returns false when there is no such volume any more. @throws AppError VOLUME_CONFLICT */
  async #isSame(asked: AskedVolume): Promise<boolean> {
    const record = await this.#cache.readVolume(asked.name);
    if (record === undefined) return false;
    const present = record.document.spec;
    const { name, driver, options, labels, request } = asked;
    const sizeBytes = request.sizeBytes ?? present.sizeBytes;
    const wanted: VolumeSpec = {
      driver,
      options,
      labels,
      accessMode: request.accessMode ?? present.accessMode,
      takeover: present.takeover,
      ...(sizeBytes === undefined ? {} : { sizeBytes }),
    };
    const difference = identityDifference(present, wanted).join('; ');
    if (difference === '') return true;
    throw new AppError('VOLUME_CONFLICT', `volume ${name} exists with another identity: ${difference}`, {
      volume: name,
      uid: record.document.uid,
      difference,
    });
  }

  async #begin(asked: AskedVolume): Promise<void> {
    const { name, request, options, labels } = asked;
    await placeFreshWhile(asked.placement, this.#cache, async (chosen) => {
      const create = {
        name,
        spec: toSpec(request, chosen.driver, options, labels),
        owner: toLiveNode(chosen),
        parameters: request.source === undefined ? {} : await this.#sourceParameters(request.source),
      };
      // New ones for every try: what a try with an unknown outcome made may have been removed since, and a uid never comes back.
      await this.#records.change(name, (document, view) => decideCreate(document, { ...create, ...this.#newIds() }, view));
    });
  }

  #newIds(): { readonly uid: VolumeUid; readonly operationId: OperationId } {
    // 32 hexadecimal characters is what a volume's uid is.
    return { uid: this.#random.hex(32) as VolumeUid, operationId: this.#operations.newOperationId() };
  }

  async #finish(name: VolumeName, context: CallContext): Promise<VolumeView> {
    const pending = (): AppError => unfinished(name, 'VOLUME_CREATING', 'created');
    const driven = await driveWithin({ operations: this.#operations, clock: this.#clock }, name, context, pending);
    const record = this.#cache.volumes.get(name);
    if (record?.document.phase === 'ready') return toVolumeView(record.document, record.modRevision);
    if (record?.document.phase === 'creating') throw unfinished(name, 'VOLUME_CREATING', 'created', driven.failure);
    const cause = record?.document.operation?.cause;
    if (cause !== undefined) {
      throw new AppError('VOLUME_REMOVING', `volume ${name} could not be created and is being rolled back: ${cause}`, { volume: name });
    }
    if (driven.failure !== undefined) throw AppError.fromFailure(driven.failure);
    throw new AppError('VOLUME_NOT_FOUND', `volume ${name} was removed while it was being created`, { volume: name });
  }

  async #sourceParameters(source: NonNullable<CreateVolumeRequest['source']>): Promise<StringMap> {
    const record = await this.#cache.readVolume(parseVolumeName(source.volume));
    if (record === undefined) throw new AppError('VOLUME_NOT_FOUND', `volume ${source.volume} does not exist`, { volume: source.volume });
    const { name, uid, snapshots } = record.document;
    if (source.snapshot === undefined) return { sourceName: name, sourceUid: uid };
    if (ownEntry(snapshots, source.snapshot) !== undefined) return { sourceName: name, sourceUid: uid, sourceSnapshot: source.snapshot };
    const text = `volume ${name} has no snapshot ${source.snapshot}`;
    throw new AppError('VOLUME_NOT_FOUND', text, { volume: name, snapshot: source.snapshot });
  }

  #isLocalOn(node: NodeName, driver: string): boolean {
    const offered = this.#cache.nodes.get(node)?.document.drivers.find((info) => info.name === driver);
    return offered?.capabilities.scope === 'local';
  }

  #isLocalEverywhere(driver: string): boolean {
    const offers = [...this.#cache.nodes.values()].flatMap(({ document }) => document.drivers.filter((info) => info.name === driver));
    return offers.length > 0 && offers.every((info) => info.capabilities.scope === 'local');
  }
}

/** A request whose fields are checked. */
interface AskedVolume {
  readonly request: CreateVolumeRequest;
  readonly name: VolumeName;
  readonly driver: DriverName;
  readonly wished: NodeName | undefined;
  readonly options: StringMap;
  readonly labels: StringMap;
  readonly placement: PlacementRequest;
}

function parseCreate(request: CreateVolumeRequest): AskedVolume {
  const { accessMode, takeover, sizeBytes } = request;
  const name = parseVolumeName(request.name);
  const driver = parseDriverName(request.driver ?? 'local');
  const wished = request.node === undefined ? undefined : parseNodeName(request.node);
  if (sizeBytes !== undefined && !(Number.isSafeInteger(sizeBytes) && sizeBytes > 0)) {
    const text = `size ${String(sizeBytes)} of volume ${name} is not a positive whole number of bytes`;
    throw new AppError('INVALID_ARGUMENT', text, { volume: name, field: 'size_bytes' });
  }
  const placement: PlacementRequest = {
    driver,
    topology: checkMap('topology', request.topology),
    needsSize: sizeBytes !== undefined,
    needsClone: request.source !== undefined,
    ...(accessMode === undefined ? {} : { accessMode }),
    ...(takeover === undefined ? {} : { takeover }),
    ...(wished === undefined ? {} : { wished }),
  };
  const options = checkMap('options', request.options);
  const labels = checkMap('labels', request.labels);
  return { request, name, driver, wished, options, labels, placement };
}

function toSpec(request: CreateVolumeRequest, driver: DriverInfo, options: StringMap, labels: StringMap): VolumeSpec {
  const accessMode = request.accessMode ?? driver.capabilities.accessModes[0];
  if (accessMode === undefined) {
    throw new AppError('DRIVER_FAILED', `driver ${driver.name} declares no access mode`, { driver: driver.name });
  }
  return {
    driver: driver.name,
    options,
    labels,
    accessMode,
    takeover: request.takeover ?? defaultTakeover(driver, accessMode),
    ...(request.sizeBytes === undefined ? {} : { sizeBytes: request.sizeBytes }),
  };
}
