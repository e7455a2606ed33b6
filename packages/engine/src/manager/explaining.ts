import { AppError, type Clock } from '@volplane/base';
import {
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
import type { ClusterCache } from '../store/cluster-cache.js';
import { volumeKey } from '../store/keys.js';
import type { VolumeRecords } from '../store/volume-records.js';
import type { Agents } from './agents.js';
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
    await this.#cache.barrier();
    const { entry } = await this.#kv.get(volumeKey(name), context.signal);
    if (entry === undefined) {
      if (request.node !== undefined) return await this.#explainLocal(name, parseNodeName(request.node), context);
      throw new AppError('VOLUME_NOT_FOUND', `volume ${name} does not exist; as of an earlier revision it may be explained still`, {
        volume: name,
      });
    }
    const document = parseVolumeDocument(entry.key, entry.value);
    const [users, history] = await Promise.all([this.#users(document, context), volumeHistory(this.#kv, name, entry, context.signal)]);
    return this.#explain(document, entry, history, forNode, {
      view: this.#records.view(),
      candidates: candidates(this.#cache),
      nodeState: (machine) => this.#views.state(machine),
      mountIds: (node) => users.get(node),
    });
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
      return this.#explain(parseVolumeDocument(entry.key, entry.value), entry, history, forNode, past);
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

  /** A local volume is its node's own affair: nothing is decided about it elsewhere. */
  async #explainLocal(name: VolumeName, node: NodeName, context: CallContext): Promise<VolumeExplanation> {
    const volume = await this.#agents.call<VolumeView>(node, 'getVolume', { name, node }, context);
    const users = volume.mountIds ?? [];
    const summary = [
      `volume ${name} is a local volume of node ${node}: it lives there only, and the node alone decides about it`,
      users.length === 0 ? 'nobody uses it now' : `used now by ${users.join(', ')}`,
    ];
    return { volume, summary, holders: [], evidence: [], candidates: [], history: [] };
  }

  /** The mount ids on each holder's node, where its agent can be asked. */
  async #users(document: VolumeDocument, context: CallContext): Promise<ReadonlyMap<NodeName, readonly MountId[]>> {
    const users = new Map<NodeName, readonly MountId[]>();
    const holders = Object.keys(document.attachments) as NodeName[]; // the keys of the document
    const asked = holders.filter((node) => this.#cache.sessions.has(node)).slice(0, HOLDERS_ASKED_MAX);
    await Promise.all(
      asked.map(async (node) => {
        const answer = await this.#agents.users(node, [document.uid], context.signal);
        if (answer !== undefined) users.set(node, answer.users[document.uid] ?? []);
      }),
    );
    return users;
  }
}

interface Facts {
  readonly view: ClusterView;
  readonly candidates: readonly Candidate[];
  readonly nodeState: (machine: NodeIdentity) => NodeState;
  readonly mountIds: PastCluster['mountIds'];
}

/** Agents that one explanation asks; the record names the others. */
const HOLDERS_ASKED_MAX = 16;
