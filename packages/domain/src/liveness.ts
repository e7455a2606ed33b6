import type { ClusterView, Requirement } from './decision.js';
import type { NodeName, NodeUid } from './names.js';
import type { SessionDocument } from './node.js';

/** A node as documents name it: the name alone is not enough, another machine may have taken it since. */
export interface NodeIdentity {
  readonly node: NodeName;
  readonly nodeUid: NodeUid;
}

/** The session of this very machine; one of another machine under its name is none of its. */
export function sessionOf(view: ClusterView, { node, nodeUid }: NodeIdentity): SessionDocument | undefined {
  const session = view.session(node);
  return session?.nodeUid === nodeUid ? session : undefined;
}

/**
 * What an operator said about this machine, if he declared it lost; undefined = nothing. That another machine has its name is
 * the same word: a name is free for another uid only after its holder was declared lost.
 */
export function lostWord(view: ClusterView, { node, nodeUid }: NodeIdentity): string | undefined {
  const document = view.node(node);
  if (document === undefined) return undefined;
  if (document.uid !== nodeUid) return `node uid ${nodeUid} was declared lost before uid ${document.uid} took its name`;
  return document.lost === undefined ? undefined : `declared lost: ${document.lost.by}`;
}

/**
 * Compares in the transaction that this very machine has no session: its key is absent, or bound to the lease of the machine that
 * has its name now. Undefined when it has a session as far as is known.
 */
export function goneRequirement(view: ClusterView, { node, nodeUid }: NodeIdentity): Requirement | undefined {
  const session = view.session(node);
  if (session === undefined) return { type: 'session-absent', node };
  return session.nodeUid === nodeUid ? undefined : { type: 'session-present', node, session: session.session };
}
