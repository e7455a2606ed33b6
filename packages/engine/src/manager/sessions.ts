import { AppError, hasReason, type Clock, type Logger } from '@volplane/base';
import {
  heldDigest,
  ownEntry,
  type NodeDocument,
  type NodeName,
  type SessionDocument,
  type SessionId,
  type VolumeUid,
} from '@volplane/domain';
import type { KvStore, KvTransaction, KvWrite } from '@volplane/ports';
import {
  encodeDocument,
  parseNodeDocument,
  parseSessionDocument,
  type HeartbeatAnswer,
  type MessageOf,
  type Registered,
} from '@volplane/wire';
import type { ClusterCache, SessionRecord } from '../store/cluster-cache.js';
import type { GroupCommit } from '../store/group-commit.js';
import { inventoryKey, nodeKey, sessionKey, unguardedKey } from '../store/keys.js';

/** Keeps nodes' sessions: registration, heartbeats to leases, the unguarded mark (rules 3, 4 and 20). */
export class Sessions {
  readonly #kv: KvStore;
  readonly #commits: GroupCommit;
  readonly #cache: ClusterCache;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #ttlMs: number;
  /** What this manager heard itself; a hint for display and for the lifetime of routed mounts. */
  readonly #heard = new Map<NodeName, { readonly atMs: number; readonly beat: number; readonly incarnation: string }>();

  constructor(parts: {
    readonly kv: KvStore;
    readonly commits: GroupCommit;
    readonly cache: ClusterCache;
    readonly clock: Clock;
    readonly log: Logger;
    readonly ttlMs: number;
  }) {
    this.#kv = parts.kv;
    this.#commits = parts.commits;
    this.#cache = parts.cache;
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#ttlMs = parts.ttlMs;
  }

  /**
   * Begins a session, or goes on with the present one under a new incarnation: on the same lease, for the same node uid and
   * a higher start number only. The same registration again is answered the same.
   *
   * @throws AppError NODE_NAME_TAKEN, NODE_LOST, STALE_CLAIM (a late registration), CONTENTION, STORE_UNAVAILABLE
   */
  async register(message: MessageOf<'register'>): Promise<Registered> {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      const [nodeRead, sessionRead] = await Promise.all([this.#kv.get(nodeKey(message.node)), this.#kv.get(sessionKey(message.node))]);
      const node =
        nodeRead.entry === undefined
          ? undefined
          : { document: parseNodeDocument(nodeRead.entry.key, nodeRead.entry.value), modRevision: nodeRead.entry.modRevision };
      const nodeWrite = this.#nodeWrite(message, node);
      const present = sessionRead.entry;
      if (present === undefined) {
        const begun = await this.#begin(message, nodeWrite);
        if (begun !== undefined) return begun;
        continue;
      }
      const document = parseSessionDocument(present.key, present.value);
      checkSuccession(message, document);
      // Refreshed first: the agent counts its session from the moment at which it sent the registration.
      if (!(await this.#kv.keepAliveLease(document.session))) continue;
      if (document.incarnation === message.incarnation && document.startNumber === message.startNumber)
        return { session: document.session, ttlMs: this.#ttlMs };
      const next = this.#sessionDocument(message, document.session, document.since);
      const outcome = await this.#commits.submit({
        compares: [{ type: 'revision', key: present.key, modRevision: present.modRevision }, ...nodeWrite.compares],
        writes: [{ type: 'put', key: present.key, value: encodeDocument(next), lease: document.session }, ...nodeWrite.writes],
      });
      if (outcome.succeeded) {
        this.#log.info('session continued by a new incarnation', {
          node: message.node,
          incarnation: message.incarnation,
          session: document.session,
        });
        return { session: document.session, ttlMs: this.#ttlMs };
      }
    }
    throw new AppError('CONTENTION', `node ${message.node} could not be registered: its records keep changing`, { node: message.node });
  }

  /**
   * Refreshes the lease first and then makes sure, in a transaction, that the session key still carries it; only both together
   * mean that the session lives for its TTL from the sending of the heartbeat.
   */
  async heartbeat(message: MessageOf<'heartbeat'>): Promise<HeartbeatAnswer> {
    const ended: HeartbeatAnswer = { alive: false, wantsList: false, wantsInventory: false };
    if (!(await this.#kv.keepAliveLease(message.session))) return ended;
    const outcome = await this.#commits.submit({
      compares: [{ type: 'lease', key: sessionKey(message.node), lease: message.session }],
      writes: [],
    });
    if (!outcome.succeeded) return ended;
    const known = await this.#knownSession(message);
    if (known?.document.incarnation !== message.incarnation || known.document.nodeUid !== message.nodeUid) return ended;
    this.#heard.set(message.node, { atMs: this.#clock.monotonicMs(), beat: message.beat, incarnation: message.incarnation });
    // A manager that still reads the records would ask every node for what it is about to read itself.
    const { isFilled } = this.#cache;
    return {
      alive: true,
      wantsList: isFilled && this.recordedDigest(message.node, message.nodeUid) !== message.digest,
      wantsInventory: isFilled && !this.#cache.inventories.has(message.node),
    };
  }

  /** The digest of what the records say the node holds. */
  recordedDigest(node: NodeName, nodeUid: string): string {
    const recorded: { uid: VolumeUid; seq: number }[] = [];
    for (const name of this.#cache.volumes.attachedOn(node)) {
      const document = this.#cache.volumes.get(name)?.document;
      const attachment = ownEntry(document?.attachments, node);
      if (document !== undefined && attachment?.nodeUid === nodeUid) recorded.push({ uid: document.uid, seq: attachment.seq });
    }
    return heldDigest(recorded);
  }

  /** When this manager last heard the node itself; undefined = never. */
  heard(node: NodeName): { readonly agoMs: number; readonly beat: number; readonly incarnation: string } | undefined {
    const heard = this.#heard.get(node);
    return heard === undefined
      ? undefined
      : { agoMs: this.#clock.monotonicMs() - heard.atMs, beat: heard.beat, incarnation: heard.incarnation };
  }

  /**
   * Durable, outside the lease: while the mark is there, the end of the node's session is no evidence. Only the present incarnation
   * has a say: what an earlier one sent may come late, and its guardian is not the one that runs, or does not run, now.
   */
  async setUnguarded(message: MessageOf<'unguarded'>): Promise<void> {
    const key = unguardedKey(message.node);
    const known = await this.#knownSession(message);
    if (known?.document.incarnation !== message.incarnation) throw sessionLost(message);
    const write: KvWrite = message.unguarded
      ? { type: 'put', key, value: JSON.stringify({ schema: 1, node: message.node, since: this.#now() }) }
      : { type: 'delete', key };
    const outcome = await this.#commits.submit({
      compares: [
        { type: 'lease', key: sessionKey(message.node), lease: message.session },
        // The key is written anew for each incarnation.
        { type: 'revision', key: sessionKey(message.node), modRevision: known.modRevision },
      ],
      writes: [write],
    });
    if (!outcome.succeeded) throw sessionLost(message);
    if (message.unguarded) this.#log.warn('node is unguarded', { node: message.node });
    else this.#log.info('node is guarded again', { node: message.node });
  }

  async saveInventory(message: MessageOf<'inventory'>): Promise<void> {
    const value = JSON.stringify({
      schema: 1,
      node: message.node,
      at: this.#now(),
      truncated: message.truncated,
      volumes: message.volumes,
    });
    const outcome = await this.#commits.submit({
      compares: [{ type: 'lease', key: sessionKey(message.node), lease: message.session }],
      writes: [{ type: 'put', key: inventoryKey(message.node), value }],
    });
    if (!outcome.succeeded) throw sessionLost(message);
  }

  /** The session in memory, or as of now when that is not of the message's incarnation. @throws AppError STORE_UNAVAILABLE */
  async #knownSession({ node, incarnation }: Pick<SessionDocument, 'node' | 'incarnation'>): Promise<SessionRecord | undefined> {
    const known = this.#cache.sessions.get(node);
    return known?.document.incarnation === incarnation ? known : await this.#cache.readSession(node);
  }

  async #begin(message: MessageOf<'register'>, nodeWrite: Guarded): Promise<Registered | undefined> {
    const { lease, ttlMs } = await this.#kv.grantLease(this.#ttlMs);
    const session = lease as SessionId; // a lease id in decimal is what a session id is
    const transaction: KvTransaction = {
      compares: [{ type: 'revision', key: sessionKey(message.node), modRevision: 0 }, ...nodeWrite.compares],
      writes: [
        { type: 'put', key: sessionKey(message.node), value: encodeDocument(this.#sessionDocument(message, session, this.#now())), lease },
        ...nodeWrite.writes,
      ],
    };
    try {
      const outcome = await this.#commits.submit(transaction);
      if (outcome.succeeded) {
        this.#log.info('session began', { node: message.node, session, incarnation: message.incarnation });
        return { session, ttlMs: Math.min(ttlMs, this.#ttlMs) };
      }
    } catch (error) {
      // With an unknown outcome the key may be there, bound to this lease; the next registration goes on with it.
      if (!hasReason(error, 'UNKNOWN_OUTCOME')) await this.#revoke(lease);
      throw error;
    }
    await this.#revoke(lease);
    return undefined;
  }

  /** A lease that nothing is bound to ends by itself; revoking only saves etcd the wait. */
  async #revoke(lease: string): Promise<void> {
    try {
      await this.#kv.revokeLease(lease);
    } catch (error) {
      this.#log.debug('unused lease left to expire', { lease, error });
    }
  }

  #nodeWrite(
    message: MessageOf<'register'>,
    present: { readonly document: NodeDocument; readonly modRevision: number } | undefined,
  ): Guarded {
    const before = present?.document;
    if (before !== undefined && before.uid === message.nodeUid && before.lost !== undefined) {
      throw new AppError(
        'NODE_LOST',
        `node ${message.node} was declared lost by ${before.lost.by} and cannot come back with its old data`,
        { node: message.node, at: before.lost.at },
      );
    }
    if (before !== undefined && before.uid !== message.nodeUid && before.lost === undefined) {
      throw new AppError(
        'NODE_NAME_TAKEN',
        `node name ${message.node} belongs to node uid ${before.uid}; declare that node lost before another takes its name`,
        {
          node: message.node,
          uid: before.uid,
        },
      );
    }
    const same = before?.uid === message.nodeUid;
    const document: NodeDocument = {
      schema: 1,
      name: message.node,
      uid: message.nodeUid,
      drivers: message.drivers,
      labels: message.labels,
      version: message.version,
      registeredAt: same ? before.registeredAt : this.#now(),
      cordoned: same && before.cordoned,
    };
    const key = nodeKey(message.node);
    const compares = [{ type: 'revision', key, modRevision: present?.modRevision ?? 0 } as const];
    if (same && JSON.stringify(document) === JSON.stringify(before)) return { compares, writes: [] };
    return { compares, writes: [{ type: 'put', key, value: encodeDocument(document) }] };
  }

  #sessionDocument(message: MessageOf<'register'>, session: SessionId, since: string): SessionDocument {
    return {
      schema: 1,
      node: message.node,
      nodeUid: message.nodeUid,
      session,
      incarnation: message.incarnation,
      startNumber: message.startNumber,
      since,
    };
  }

  #now(): string {
    return new Date(this.#clock.wallMs()).toISOString();
  }
}

type Guarded = Pick<KvTransaction, 'compares' | 'writes'>;

function checkSuccession(message: MessageOf<'register'>, present: SessionDocument): void {
  if (present.nodeUid !== message.nodeUid) {
    throw new AppError('NODE_NAME_TAKEN', `node name ${message.node} is in use by node uid ${present.nodeUid} since ${present.since}`, {
      node: message.node,
      uid: present.nodeUid,
    });
  }
  const repeated = present.startNumber === message.startNumber && present.incarnation === message.incarnation;
  if (present.startNumber >= message.startNumber && !repeated) {
    throw new AppError(
      'STALE_CLAIM',
      `registration ${String(message.startNumber)} of node ${message.node} is older than its registration ${String(present.startNumber)}`,
      {
        node: message.node,
      },
    );
  }
}

function sessionLost(message: { readonly node: NodeName; readonly session: SessionId }): AppError {
  const text = `node ${message.node} has no session ${message.session} any more, or goes on in it in another incarnation`;
  return new AppError('SESSION_LOST', text, { node: message.node });
}

const ATTEMPTS_MAX = 5;
