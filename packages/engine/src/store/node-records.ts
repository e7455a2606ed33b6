import { AppError, hasReason, type Clock } from '@volplane/base';
import { decisionError, type ClusterView, type Decision, type NodeDocument, type NodeName } from '@volplane/domain';
import { encodeDocument } from '@volplane/wire';
import type { ClusterCache, NodeRecord } from './cluster-cache.js';
import { viewOf } from './cluster-view.js';
import type { GroupCommit } from './group-commit.js';
import { nodeKey } from './keys.js';
import { toCompare } from './requirements.js';
import { tellUnknown } from './unknown-commits.js';

/** Changes node documents for operators, one compare-and-swap on one key. Nodes themselves change theirs by registering. */
export class NodeRecords {
  readonly #cache: ClusterCache;
  readonly #commits: GroupCommit;
  readonly #clock: Clock;

  constructor(parts: { readonly cache: ClusterCache; readonly commits: GroupCommit; readonly clock: Clock }) {
    this.#cache = parts.cache;
    this.#commits = parts.commits;
    this.#clock = parts.clock;
  }

  /**
   * Decides from a read of the node's document and session in the store itself; such changes are rare. A lost compare, and a
   * commit without an answer, is decided again from what is there then.
   *
   * @throws AppError what the decision refuses, CONTENTION, STORE_UNAVAILABLE, UNKNOWN_OUTCOME
   */
  async change(
    name: NodeName,
    decide: (document: NodeDocument | undefined, view: ClusterView) => Decision<NodeDocument, NodeDocument>,
    signal?: AbortSignal,
  ): Promise<NodeDocument> {
    await this.#cache.filled;
    return await tellUnknown({ kind: 'node', name }, (unknown) => this.#tryOften(name, decide, unknown, signal));
  }

  /** @param unknown - gets every commit whose outcome is not known */
  async #tryOften(
    name: NodeName,
    decide: (document: NodeDocument | undefined, view: ClusterView) => Decision<NodeDocument, NodeDocument>,
    unknown: AppError[],
    signal: AbortSignal | undefined,
  ): Promise<NodeDocument> {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      // Each attempt begins with a read of its own.
      const record = await this.#cache.readNode(name, signal);
      await this.#cache.readSession(name, signal);
      const decision = decide(record?.document, viewOf(this.#cache, this.#clock));
      if (decision.type === 'unchanged') return decision.answer;
      if (decision.type === 'refuse') throw decisionError(decision);
      if (decision.document === undefined) throw new Error('the document of a node is never deleted');
      try {
        if (await this.#commit(name, record, decision.document, decision.requirements.map(toCompare))) return decision.answer;
      } catch (error) {
        if (!hasReason(error, 'UNKNOWN_OUTCOME')) throw error;
        unknown.push(error);
      }
    }
    throw new AppError('CONTENTION', `node ${name} keeps changing while it is being changed; repeat the call`, { node: name });
  }

  async #commit(
    name: NodeName,
    record: NodeRecord | undefined,
    document: NodeDocument,
    compares: readonly ReturnType<typeof toCompare>[],
  ): Promise<boolean> {
    const key = nodeKey(name);
    const outcome = await this.#commits.submit({
      compares: [{ type: 'revision', key, modRevision: record?.modRevision ?? 0 }, ...compares],
      writes: [{ type: 'put', key, value: encodeDocument(document) }],
    });
    if (outcome.succeeded) this.#cache.applyCommittedNode(name, { document, modRevision: outcome.revision });
    return outcome.succeeded;
  }
}

const ATTEMPTS_MAX = 8;
