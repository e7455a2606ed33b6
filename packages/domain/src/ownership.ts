import { isSingleNode } from './access.js';
import { commit, present, refuse, unchanged, type ClusterView, type Decision, type LiveNode, type Requirement } from './decision.js';
import { heldFailure, holdersOf } from './holders.js';
import { refuseUnlessReady, withoutOperation } from './phase.js';
import { goneRequirement, lostWord, type NodeIdentity } from './liveness.js';
import { LIMITS, type FormerOwner, type VolumeDocument } from './volume.js';

/**
 * Gives the volume's operations to `to`. By request while the owner lives (`ready`, free of work), or because the owner's
 * session has ended; then the transaction compares that too. Raises the epoch (rule 17).
 */
export function decideRehome(
  document: VolumeDocument,
  to: LiveNode,
  why: 'requested' | 'owner-gone',
  view: ClusterView,
): Decision<VolumeDocument> {
  if (document.ownerUid === to.nodeUid) return unchanged(document);
  const requirements: Requirement[] = [present(to)];
  if (why === 'requested') {
    const busy = refuseUnlessReady(document);
    if (busy !== undefined) return busy;
  } else {
    const gone = goneRequirement(view, ownerOf(document));
    if (gone === undefined) return unchanged(document);
    requirements.push(gone);
  }
  const holder = isSingleNode(document.spec.accessMode) ? holdersOf(document).find((other) => other.node !== to.node) : undefined;
  if (holder !== undefined) {
    return { type: 'refuse', failure: heldFailure(document, holder, view, { owner: to.node }) };
  }
  const full = refuseFull(document);
  if (full !== undefined) return full;
  const next = moveOwner({ ...document, epoch: document.epoch + 1 }, to);
  return commit(next, next, requirements);
}

/**
 * The same document owned by another node; the caller raises the epoch. Whoever owned it while an operation was in flight stays
 * listed (rule 18), also when it becomes the owner again: what it began in its first time may still be running.
 */
export function moveOwner(document: VolumeDocument, to: NodeIdentity): VolumeDocument {
  if (document.owner === to.node && document.ownerUid === to.nodeUid) return document;
  const moved = { ...document, owner: to.node, ownerUid: to.nodeUid };
  if (document.operation === undefined) return moved;
  const leaving: FormerOwner = ownerOf(document);
  const formerOwners = [...document.formerOwners.filter((former) => former.nodeUid !== leaving.nodeUid), leaving];
  // Work on a volume that stays is dropped with its owner, its caller asks again; create and remove go on at the next owner.
  if (document.phase === 'ready') return { ...withoutOperation(moved), formerOwners };
  const operation = { ...document.operation };
  Reflect.deleteProperty(operation, 'ownerDone');
  return { ...moved, formerOwners, operation };
}

/** The refusal of a move that would list one former owner too many; undefined = there is room. */
export function refuseFull(document: VolumeDocument): Decision<never> | undefined {
  if (document.operation === undefined || document.formerOwners.length < LIMITS.formerOwners) return undefined;
  const text = `volume ${document.name} has ${String(LIMITS.formerOwners)} former owners that still owe an answer: declare the dead ones lost`;
  return refuse('CONTENTION', text, { volume: document.name });
}

export function ownerOf(document: VolumeDocument): FormerOwner {
  return { node: document.owner, nodeUid: document.ownerUid };
}

/** Drops former owners that an operator declared lost; nothing is owed by them any more. In removal the last debt deletes the key. */
export function decideDropLost(document: VolumeDocument, view: ClusterView): Decision<VolumeDocument | undefined> {
  const next = withoutLostDebts(document, view);
  return next === document ? unchanged(document) : commit(next, next);
}

/** The document without the debts of lost nodes: itself when there are none, undefined when nothing is left to wait for. */
export function withoutLostDebts(document: VolumeDocument, view: ClusterView): VolumeDocument | undefined {
  const formerOwners = document.formerOwners.filter((former) => lostWord(view, former) === undefined);
  if (formerOwners.length === document.formerOwners.length) return document;
  if (document.phase === 'removing' && document.operation?.ownerDone === true && formerOwners.length === 0) return undefined;
  return { ...document, formerOwners };
}
