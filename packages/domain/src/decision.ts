import { AppError, type Failure, type Reason } from '@volplane/base';
import type { NodeName, NodeUid, SessionId } from './names.js';
import type { NodeDocument, SessionDocument } from './node.js';
import { LIMITS, type Evidence, type VolumeDocument } from './volume.js';

/**
 * What a decision may look at besides the document: plain facts, read before it. Whatever of it must still hold at the
 * commit is repeated in the decision's requirements and compared by the store in the same transaction.
 */
export interface ClusterView {
  /** Wall clock of the manager, ISO 8601; for display only, never compared. */
  readonly now: string;
  readonly node: (name: NodeName) => NodeDocument | undefined;
  readonly session: (name: NodeName) => SessionDocument | undefined;
  /** Nodes whose guardian is down; their sessions' ends are no evidence. */
  readonly unguarded: (name: NodeName) => boolean;
  /** Why automatic takeovers have stopped; absent = they have not. */
  readonly brake?: string;
}

/** Compared in the transaction of the commit. */
export type Requirement =
  /** The node's session key is present and bound to this session's lease. */
  | { readonly type: 'session-present'; readonly node: NodeName; readonly session: SessionId }
  /** The node has no session key. */
  | { readonly type: 'session-absent'; readonly node: NodeName }
  /** The node is not recorded as unguarded. */
  | { readonly type: 'guarded'; readonly node: NodeName };

/** A node that an operation can be given to: it has a session, and the commit compares it. */
export interface LiveNode {
  readonly node: NodeName;
  readonly nodeUid: NodeUid;
  readonly session: SessionId;
}

export function present(live: LiveNode): Requirement {
  return { type: 'session-present', node: live.node, session: live.session };
}

/**
 * What a pure decision about one document, of a volume unless said otherwise, comes to. `commit` with `document` absent deletes the key.
 * The commit compares the document's own revision as well, always.
 */
export type Decision<Answer, Document = VolumeDocument> =
  | {
      readonly type: 'commit';
      readonly document: Document | undefined;
      readonly requirements: readonly Requirement[];
      readonly answer: Answer;
    }
  | { readonly type: 'unchanged'; readonly answer: Answer }
  | { readonly type: 'refuse'; readonly failure: Failure };

export function commit<A, D = VolumeDocument>(
  document: D | undefined,
  answer: A,
  requirements: readonly Requirement[] = [],
): Decision<A, D> {
  return { type: 'commit', document, requirements, answer };
}

export function unchanged<A>(answer: A): Decision<A, never> {
  return { type: 'unchanged', answer };
}

export function refuse(reason: Reason, message: string, fields: Readonly<Record<string, string>> = {}): Decision<never, never> {
  return { type: 'refuse', failure: { reason, message, fields } };
}

/** The refusal as an error, for callers that throw. */
export function decisionError(decision: { readonly type: 'refuse'; readonly failure: Failure }): AppError {
  return AppError.fromFailure(decision.failure);
}

/** The evidence list with `added` at its end, cut to its bound. */
export function withEvidence(document: VolumeDocument, added: readonly Evidence[]): readonly Evidence[] {
  return added.length === 0 ? document.evidence : [...document.evidence, ...added].slice(-LIMITS.evidence);
}
