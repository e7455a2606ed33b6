import { AppError } from '@volplane/base';
import {
  lostWord,
  sessionOf,
  type Candidate,
  type ClusterView,
  type MountId,
  type NodeDocument,
  type NodeIdentity,
  type NodeName,
  type NodeState,
  type SessionDocument,
} from '@volplane/domain';
import { KV_LIMITS, type KvEntry, type KvStore } from '@volplane/ports';
import { parseNodeDocument, parseSessionDocument } from '@volplane/wire';
import { parseKey, PREFIXES } from '../store/keys.js';

/** The nodes of the cluster as of an earlier revision. */
export interface PastCluster {
  readonly view: ClusterView;
  readonly candidates: readonly Candidate[];
  readonly nodeState: (machine: NodeIdentity) => NodeState;
  /** What agents observe is in no revision, and times of sessions' ends are not. */
  readonly mountIds: (node: NodeName) => readonly MountId[] | undefined;
  readonly asked: ReadonlySet<NodeName>;
  readonly goneSince: (machine: NodeIdentity) => string | undefined;
}

/** Reads nodes, sessions and unguarded marks as of a revision. @throws KvCompacted; AppError STORE_UNAVAILABLE */
export async function readPast(kv: KvStore, atRevision: number, now: string, signal?: AbortSignal): Promise<PastCluster> {
  const nodes = new Map<NodeName, NodeDocument>();
  const sessions = new Map<NodeName, SessionDocument>();
  const unguarded = new Set<NodeName>();
  for (const prefix of [PREFIXES.node, PREFIXES.session, PREFIXES.unguarded]) {
    for await (const entry of entriesAt(kv, prefix, atRevision, signal)) {
      const parsed = parseKey(entry.key);
      if (parsed === undefined || !('node' in parsed)) continue;
      try {
        if (parsed.type === 'node') nodes.set(parsed.node, parseNodeDocument(entry.key, entry.value));
        else if (parsed.type === 'session') sessions.set(parsed.node, parseSessionDocument(entry.key, entry.value));
        else unguarded.add(parsed.node);
      } catch (error) {
        // One that cannot be read is told as not there.
        if (!(error instanceof AppError)) throw error;
      }
    }
  }
  const view: ClusterView = {
    now,
    node: (name) => nodes.get(name),
    session: (name) => sessions.get(name),
    unguarded: (name) => unguarded.has(name),
  };
  return {
    view,
    candidates: [...nodes.values()].map((document) => toCandidate(document, view)),
    nodeState: (machine) => {
      if (lostWord(view, machine) !== undefined) return 'lost';
      return sessionOf(view, machine) === undefined ? 'gone' : 'connected';
    },
    mountIds: () => undefined,
    asked: new Set(),
    goneSince: () => undefined,
  };
}

/** How many volumes it owned then would need every document of then. */
function toCandidate(node: NodeDocument, view: ClusterView): Candidate {
  const session = sessionOf(view, { node: node.name, nodeUid: node.uid })?.session;
  return session === undefined ? { node, owned: 0 } : { node, owned: 0, session };
}

async function* entriesAt(kv: KvStore, prefix: string, atRevision: number, signal?: AbortSignal): AsyncIterable<KvEntry> {
  let after: string | undefined;
  for (;;) {
    // Pages follow each other, all of one revision.
    const page = await kv.range({ prefix, limit: KV_LIMITS.pageKeys, atRevision, ...(after === undefined ? {} : { after }) }, signal);
    yield* page.entries;
    after = page.entries.at(-1)?.key;
    if (!page.more || after === undefined) return;
  }
}
