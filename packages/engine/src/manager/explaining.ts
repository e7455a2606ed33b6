import { AppError, hasReason, type Clock } from '@volplane/base';
import {
  explainLocalVolume,
  explainVolume,
  parseNodeName,
  parseVolumeName,
  type Candidate,
  type ClusterView,
  type ExplainVolumeRequest,
  type MountId,
  type NodeIdentity,
  type NodeName,
  type NodeState,
  type VolumeDocument,
  type VolumeExplanation,
  type VolumeName,
  type VolumeView,
} from '@volplane/domain';
import { KvCompacted, type KvEntry, type KvStore } from '@volplane/ports';
import { parseVolumeDocument } from '@volplane/wire';
import type { CallContext } from '../api.js';
import { toVolumeView } from '../document-view.js';
import type { ClusterCache, NodeRecord } from '../store/cluster-cache.js';
import { volumeKey } from '../store/keys.js';
import type { VolumeRecords } from '../store/volume-records.js';
import type { Agents } from './agents.js';
import { mirroredVolumes } from './inventory.js';
import { readPast, type PastCluster } from './past-cluster.js';
import { candidates } from './placing.js';
import type { NodeViews } from './node-view.js';
import { volumeEntryAt, volumeHistory } from './volume-history.js';

/** Tells why: who holds a volume and by what, what it waits for, what a node would be answered, and how it came to this. */
export class Explaining {
  readonly #kv: KvStore;
  readonly #records: VolumeRecords;
  readonly #cache: ClusterCache;
  readonly #agents: Agents;
  readonly #views: NodeViews;
  readonly #clock: Clock;

  constructor(parts: {
    readonly kv: KvStore;
    readonly records: VolumeRecords;
    readonly cache: ClusterCache;
    readonly agents: Agents;
    readonly views: NodeViews;
    readonly clock: Clock;
  }) {
    this.#kv = parts.kv;
    this.#records = parts.records;
    this.#cache = parts.cache;
    this.#agents = parts.agents;
    this.#views = parts.views;
    this.#clock = parts.clock;
  }

  /** @throws AppError VOLUME_NOT_FOUND, INVALID_ARGUMENT for a revision that is compacted away or still to come, DOCUMENT_INVALID */
  async explainVolume(request: ExplainVolumeRequest, context: CallContext): Promise<VolumeExplanation> {
    const name = parseVolumeName(request.name);
    const forNode = request.forNode === undefined ? undefined : parseNodeName(request.forNode);
    if (request.atRevision !== undefined) return await this.#explainPast(name, request.atRevision, forNode, context);
    if (request.node !== undefined) {
      const local = await this.#localVolume(name, parseNodeName(request.node), context);
      if (local !== undefined) return explainLocalVolume(local);
    }
    for (let attempt = 1; ; attempt += 1) {
      const entry = await this.#read(name, context);
      if (entry === undefined) throw this.#missing(name);
      const document = parseVolumeDocument(entry.key, entry.value);
      // One try after the other: what agents say is judged by a record that was the same before and after it.
      const [users, history] = await Promise.all([this.#users(document, context), volumeHistory(this.#kv, name, entry, context.signal)]);
      const isSame = (await this.#read(name, context))?.modRevision === entry.modRevision;
      if (!isSame && attempt < READS_MAX) continue;
      return this.#explain(document, entry, history, forNode, {
        view: this.#records.view(),
        candidates: candidates(this.#cache),
        nodeState: (machine) => this.#views.state(machine),
        goneSince: (machine) => this.#views.goneSince(machine),
        mountIds: (node) => users.get(node),
        asked: new Set(isSame ? users.keys() : []),
      });
    }
  }

  async #read(name: VolumeName, context: CallContext): Promise<KvEntry | undefined> {
    await this.#cache.barrier();
    return (await this.#kv.get(volumeKey(name), context.signal)).entry;
  }

  #missing(name: VolumeName): AppError {
    const nodes = [...this.#cache.inventories.keys()].filter((node) =>
      mirroredVolumes(this.#cache, node).some((local) => local.name === name),
    );
    const text =
      nodes.length === 0
        ? `volume ${name} does not exist; as of an earlier revision it may be explained still`
        : `no global volume ${name} exists; there is a local one of that name on ${nodes.sort().slice(0, NODES_TOLD_MAX).join(', ')}: name the node`;
    return new AppError('VOLUME_NOT_FOUND', text, { volume: name });
  }

  async #explainPast(
    name: VolumeName,
    atRevision: number,
    forNode: NodeName | undefined,
    context: CallContext,
  ): Promise<VolumeExplanation> {
    const { signal } = context;
    const current = await this.#kv.currentRevision(signal);
    if (!Number.isSafeInteger(atRevision) || atRevision < 1 || atRevision > current) {
      const text = `revision ${String(atRevision)} is not between 1 and the present one, ${String(current)}`;
      throw new AppError('INVALID_ARGUMENT', text, { field: 'at_revision' });
    }
    try {
      const entry = await volumeEntryAt(this.#kv, name, atRevision, signal);
      if (entry === undefined) {
        throw new AppError('VOLUME_NOT_FOUND', `volume ${name} did not exist at revision ${String(atRevision)}`, { volume: name });
      }
      const past = await readPast(this.#kv, atRevision, new Date(this.#clock.wallMs()).toISOString(), signal);
      const history = await volumeHistory(this.#kv, name, entry, signal);
      const told = this.#explain(parseVolumeDocument(entry.key, entry.value), entry, history, forNode, past);
      const summary = [`as of revision ${String(atRevision)}, and not of now:`, ...told.summary];
      const passed = { reason: 'how many volumes it owned is not known' };
      return { ...told, summary, candidates: told.candidates.map((verdict) => (verdict.passed ? { ...verdict, ...passed } : verdict)) };
    } catch (error) {
      if (!(error instanceof KvCompacted)) throw error;
      throw new AppError('INVALID_ARGUMENT', `revision ${String(atRevision)} is compacted away`, { field: 'at_revision' }, error);
    }
  }

  #explain(
    document: VolumeDocument,
    entry: KvEntry,
    history: VolumeExplanation['history'],
    forNode: NodeName | undefined,
    facts: Facts,
  ): VolumeExplanation {
    const explained = explainVolume({ document, ...facts, ...(forNode === undefined ? {} : { forNode }) });
    return { volume: toVolumeView(document, entry.modRevision), ...explained, history };
  }

  /** The node's local volume of that name; undefined when its agent says that there is none. @throws AppError NODE_UNAVAILABLE */
  async #localVolume(name: VolumeName, node: NodeName, context: CallContext): Promise<VolumeView | undefined> {
    try {
      return await this.#agents.call<VolumeView>(node, 'getVolume', { name, node, scope: 'local' }, context);
    } catch (error) {
      if (hasReason(error, 'VOLUME_NOT_FOUND')) return undefined;
      throw error;
    }
  }

  /**
   * The mount ids on each node that could have the volume: the holders, and those that run its driver, in touch or not: one that was given up
   * may run all the same. Undefined: no answer.
   */
  async #users(document: VolumeDocument, context: CallContext): Promise<ReadonlyMap<NodeName, readonly MountId[] | undefined>> {
    const holders = Object.keys(document.attachments) as NodeName[]; // the keys of the document
    const runs = ({ document: { name, drivers } }: NodeRecord): readonly NodeName[] =>
      drivers.some((driver) => driver.name === document.spec.driver) ? [name] : [];
    const others = [...this.#cache.nodes.values()].flatMap(runs).sort();
    const asked = [...new Set([...holders, ...others])].slice(0, NODES_ASKED_MAX);
    const answers = asked.map(async (node) => {
      const answer = await this.#agents.users(node, [document.uid], context.signal);
      return [node, answer === undefined ? undefined : (answer.users[document.uid] ?? [])] as const;
    });
    return new Map(await Promise.all(answers));
  }
}

interface Facts {
  readonly view: ClusterView;
  readonly candidates: readonly Candidate[];
  readonly nodeState: (machine: NodeIdentity) => NodeState;
  readonly mountIds: PastCluster['mountIds'];
  readonly asked: PastCluster['asked'];
  readonly goneSince: PastCluster['goneSince'];
}

/** Agents that one explanation asks, the holders' first. */
const NODES_ASKED_MAX = 64;

/** Keeps a refusal readable. */
const NODES_TOLD_MAX = 8;

/** Of a volume that keeps changing, the last state that was read is told. */
const READS_MAX = 3;
