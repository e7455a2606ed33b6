import { commit, refuse, unchanged, type ClusterView, type Decision } from './decision.js';
import { goneRequirement, type NodeIdentity } from './liveness.js';
import type { NodeDocument } from './node.js';

/** Says whether the node takes new volumes and mounts. */
export function decideCordon(document: NodeDocument | undefined, name: string, cordoned: boolean): Decision<NodeDocument, NodeDocument> {
  if (document === undefined) return refuse('NODE_NOT_FOUND', `node ${name} has never registered`, { node: name });
  if (document.cordoned === cordoned) return unchanged(document);
  const next = { ...document, cordoned };
  return commit(next, next);
}

/**
 * Records an operator's word that this machine is off and stays off. The transaction compares that it has no session; from then on
 * it can not begin one, so that its volumes can be taken from it one after the other.
 */
export function decideDeclareLost(
  document: NodeDocument | undefined,
  request: NodeIdentity & { readonly note: string },
  view: ClusterView,
): Decision<NodeDocument, NodeDocument> {
  if (document === undefined || document.uid !== request.nodeUid) {
    return refuse('PLAN_STALE', `node ${request.node} is another machine than the one of the plan; look at the new plan`, {
      node: request.node,
    });
  }
  if (document.lost !== undefined) return unchanged(document);
  const gone = goneRequirement(view, request);
  if (gone === undefined) {
    return refuse('NODE_ALIVE', `node ${request.node} is in touch, so it cannot be declared lost: stop it first`, { node: request.node });
  }
  const next: NodeDocument = { ...document, lost: { at: view.now, by: request.note } };
  return commit(next, next, [gone]);
}
