import { sessionOf, type NodeDocument, type NodeIdentity, type NodeName, type NodeState, type NodeView } from '@volplane/domain';
import type { ClusterCache } from '../store/cluster-cache.js';
import { viewOf } from '../store/cluster-view.js';
import { missingNode } from './missing-node.js';
import type { SessionEnds } from './session-ends.js';
import type { Sessions } from './sessions.js';
import type { Clock } from '@volplane/base';

/** Shows nodes as this manager knows them. */
export class NodeViews {
  readonly #cache: ClusterCache;
  readonly #sessions: Sessions;
  readonly #ends: SessionEnds;
  readonly #clock: Clock;

  constructor(parts: { readonly cache: ClusterCache; readonly sessions: Sessions; readonly ends: SessionEnds; readonly clock: Clock }) {
    this.#cache = parts.cache;
    this.#sessions = parts.sessions;
    this.#ends = parts.ends;
    this.#clock = parts.clock;
  }

  /** @throws AppError NODE_NOT_FOUND */
  view(name: NodeName): NodeView {
    const document = this.document(name);
    const identity = { node: name, nodeUid: document.uid };
    const session = sessionOf(viewOf(this.#cache, this.#clock), identity);
    const goneSince = this.goneSince(identity);
    return {
      name,
      uid: document.uid,
      state: this.state(identity),
      drivers: document.drivers,
      labels: document.labels,
      version: document.version,
      registeredAt: document.registeredAt,
      cordoned: document.cordoned,
      ...(session === undefined ? {} : { sessionSince: session.since }),
      ...(goneSince === undefined ? {} : { goneSince }),
      attachedVolumes: this.#cache.volumes.attachedOn(name).size,
      ownedVolumes: this.#cache.volumes.ownedBy(name).size,
    };
  }

  /** @throws AppError NODE_NOT_FOUND; STORE_UNAVAILABLE while the records are not read */
  document(name: NodeName): NodeDocument {
    const record = this.#cache.nodes.get(name);
    if (record === undefined) throw missingNode(this.#cache, name);
    return record.document;
  }

  /** When the session of this very machine was seen to end here; undefined while it has one, and when that is not known. */
  goneSince(machine: NodeIdentity): string | undefined {
    return this.#ends.goneSince(machine);
  }

  /** The state of this very machine; a machine that another one has replaced under its name is lost. */
  state({ node, nodeUid }: NodeIdentity): NodeState {
    const document = this.#cache.nodes.get(node)?.document;
    if (document !== undefined && (document.uid !== nodeUid || document.lost !== undefined)) return 'lost';
    if (this.#cache.sessions.get(node)?.document.nodeUid !== nodeUid) return 'gone';
    const heard = this.#sessions.heard(node);
    return heard !== undefined && heard.agoMs > SILENT_MS ? 'silent' : 'connected';
  }
}

/** Heartbeats come every few seconds to some manager; one that has heard none for this long calls the node silent. */
const SILENT_MS = 30_000;
