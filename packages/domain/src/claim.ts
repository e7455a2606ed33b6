import { isReaderOnly, isSingleNode, type MountMode } from './access.js';
import { commit, refuse, unchanged, withEvidence, type ClusterView, type Decision, type Requirement } from './decision.js';
import { evidenceAgainst, excludingHolders, heldFailure, holdersOf, leaseEvidence, type Holder } from './holders.js';
import type { MountId, NodeName, NodeUid, SessionId, VolumeUid } from './names.js';
import { LIMITS, type Attachment, type Evidence, type FormerOwner, type VolumeDocument } from './volume.js';

/** A node's claim: sent by its agent only, after it journalled the intent. */
export interface Claim {
  readonly node: NodeName;
  readonly nodeUid: NodeUid;
  /** The session in which the claim is sent; compared as present in the transaction. */
  readonly session: SessionId;
  readonly seq: number;
  readonly mode: MountMode;
  readonly mountId: MountId;
  /** Set when the agent knows which volume it means; a volume made anew under the name is then not found. */
  readonly uid?: VolumeUid;
  /** Evidence B: the storage refuses every epoch up to `epoch` - 1, which covers the holder's. */
  readonly fence?: FenceReceipt;
}

export interface FenceReceipt {
  readonly uid: VolumeUid;
  readonly epoch: number;
  readonly receipt: string;
}

export interface Grant {
  readonly document: VolumeDocument;
  readonly attachment: Attachment;
  /** Evidence used up by this grant; empty for an ordinary one. */
  readonly takeover: readonly Evidence[];
}

/**
 * Decides a claim (rules 2, 4 and 16). Granting raises the epoch whenever the node may write, and moves the ownership of
 * single-node volumes. Repeated with the same seq it answers the grant again.
 */
export function decideClaim(document: VolumeDocument | undefined, claim: Claim, name: string, view: ClusterView): Decision<Grant> {
  if (document === undefined || (claim.uid !== undefined && claim.uid !== document.uid)) {
    return refuse('VOLUME_NOT_FOUND', `volume ${name} does not exist${document === undefined ? '' : ' any more: another was made under its name'}`, { volume: name });
  }
  const unfit = refuseUnfit(document, claim, view);
  if (unfit !== undefined) return unfit;

  const mine = document.attachments[claim.node];
  if (mine !== undefined && mine.nodeUid === claim.nodeUid) {
    if (mine.seq > claim.seq) {
      return refuse('STALE_CLAIM', `claim ${String(claim.seq)} of node ${claim.node} for volume ${name} is older than its claim ${String(mine.seq)}`, {
        volume: name,
        node: claim.node,
      });
    }
    if (mine.seq === claim.seq) return unchanged({ document, attachment: mine, takeover: [] });
  }
  return grant(document, claim, view);
}

function refuseUnfit(document: VolumeDocument, claim: Claim, view: ClusterView): Decision<never> | undefined {
  const { name, spec } = document;
  const about = { volume: name, uid: document.uid, node: claim.node };
  if (document.phase === 'creating') return refuse('VOLUME_CREATING', `volume ${name} is still being created`, about);
  if (document.phase === 'removing') return refuse('VOLUME_REMOVING', `volume ${name} is being removed`, about);
  if (view.session(claim.node)?.session !== claim.session) {
    return refuse('SESSION_LOST', `node ${claim.node} has no session ${claim.session} any more`, about);
  }
  const node = view.node(claim.node);
  if (node === undefined || node.uid !== claim.nodeUid) return refuse('NODE_NOT_FOUND', `node ${claim.node} is not registered with uid ${claim.nodeUid}`, about);
  if (node.lost !== undefined) return refuse('NODE_LOST', `node ${claim.node} was declared lost by ${node.lost.by}`, about);
  if (!node.drivers.some((driver) => driver.name === spec.driver && driver.capabilities.scope === 'global')) {
    return refuse('NODE_LACKS_DRIVER', `node ${claim.node} does not run the global driver ${spec.driver} of volume ${name}`, { ...about, driver: spec.driver });
  }
  if (node.cordoned && document.attachments[claim.node] === undefined) {
    return refuse('NODE_CORDONED', `node ${claim.node} is cordoned and takes no new mount of volume ${name}`, about);
  }
  if (claim.mode === 'rw' && isReaderOnly(spec.accessMode)) {
    return refuse('ACCESS_MODE_REFUSED', `volume ${name} is ${spec.accessMode}: it can be mounted ro only`, { ...about, accessMode: spec.accessMode });
  }
  if (Object.keys(document.attachments).length >= LIMITS.attachments && document.attachments[claim.node] === undefined) {
    return refuse('NO_CAPACITY', `volume ${name} is attached on ${String(LIMITS.attachments)} nodes, the most that are allowed`, about);
  }
  return undefined;
}

function grant(document: VolumeDocument, claim: Claim, view: ClusterView): Decision<Grant> {
  const excluding = excludingHolders(document, claim.node, claim.mode);
  const taken: Evidence[] = [];
  const requirements: Requirement[] = [{ type: 'session-present', node: claim.node, session: claim.session }];
  for (const holder of excluding) {
    const found = leaseEvidence(document, holder, view) ?? fenceEvidence(document, holder, claim.fence, view);
    if (found === undefined) return { type: 'refuse', failure: heldFailure(document, holder, view, claim) };
    if (view.brake !== undefined) {
      return refuse('TAKEOVER_BRAKE', `volume ${document.name} is not taken over from node ${holder.node}: ${view.brake}`, {
        volume: document.name,
        holder: holder.node,
        node: claim.node,
        freedBy: 'repair the lost nodes, or declare the dead ones lost by hand',
      });
    }
    taken.push(found.evidence);
    requirements.push(...found.requirements);
  }

  const attachments: Record<NodeName, Attachment> = { ...document.attachments };
  for (const evidence of taken) Reflect.deleteProperty(attachments, evidence.node);
  const epoch = claim.mode === 'rw' || taken.length > 0 ? document.epoch + 1 : document.epoch;
  const attachment: Attachment = {
    nodeUid: claim.nodeUid,
    session: claim.session,
    seq: claim.seq,
    epoch,
    mode: claim.mode,
    since: view.now,
    claimedFor: claim.mountId,
  };
  attachments[claim.node] = attachment;
  const moved = isSingleNode(document.spec.accessMode) ? moveOwner({ ...document, epoch }, claim) : { ...document, epoch };
  const next: VolumeDocument = { ...moved, attachments, evidence: withEvidence(document, taken, LIMITS.evidence) };
  return commit(next, { document: next, attachment, takeover: taken }, requirements);
}

/** Evidence B: the storage has said that it refuses the holder's epoch; only used once the holder's session has ended. */
function fenceEvidence(
  document: VolumeDocument,
  holder: Holder,
  fence: FenceReceipt | undefined,
  view: ClusterView,
): { readonly evidence: Evidence; readonly requirements: readonly Requirement[] } | undefined {
  if (document.spec.takeover !== 'storage' || fence === undefined || fence.uid !== document.uid) return undefined;
  if (fence.epoch <= holder.attachment.epoch || fence.epoch > document.epoch) return undefined;
  if (view.session(holder.node) !== undefined) return undefined;
  return {
    evidence: evidenceAgainst(holder, 'B', view.now, fence.receipt),
    requirements: [{ type: 'session-absent', node: holder.node }],
  };
}

/**
 * True when a claim was refused only for want of a fence: the excluding holders' sessions have ended, and the policy is
 * `storage`. The manager then raises the epoch, has the storage fenced at it, and decides again with the receipt.
 */
export function wantsFence(document: VolumeDocument, claim: Claim, view: ClusterView): boolean {
  const excluding = excludingHolders(document, claim.node, claim.mode);
  return (
    document.phase === 'ready' &&
    document.spec.takeover === 'storage' &&
    view.brake === undefined &&
    excluding.length > 0 &&
    excluding.every((holder) => view.session(holder.node) === undefined)
  );
}

/** Raises the epoch before the storage is fenced at it: the number is recorded before it is used. */
export function decideRaiseEpoch(document: VolumeDocument): Decision<number> {
  const epoch = document.epoch + 1;
  return commit({ ...document, epoch }, epoch);
}

/** The same document owned by another node. Who was the owner of an operation in flight stays listed (rule 18). */
export function moveOwner(document: VolumeDocument, to: { readonly node: NodeName; readonly nodeUid: NodeUid }): VolumeDocument {
  if (document.owner === to.node && document.ownerUid === to.nodeUid) return document;
  const leaving: FormerOwner = { node: document.owner, nodeUid: document.ownerUid };
  const stays = document.formerOwners.filter((former) => former.nodeUid !== to.nodeUid && former.nodeUid !== leaving.nodeUid);
  const formerOwners = document.operation === undefined ? document.formerOwners.filter((former) => former.nodeUid !== to.nodeUid) : [...stays, leaving];
  const { operation, ...rest } = document;
  const moved = { ...rest, owner: to.node, ownerUid: to.nodeUid, formerOwners };
  if (operation === undefined) return moved;
  // Work on a volume that stays is dropped with its owner, its caller asks again; create and remove go on at the next owner.
  if (document.phase === 'ready') return moved;
  const { ownerDone: _, ...open } = operation;
  return { ...moved, operation: open };
}

/** A node's word that it does not use the volume any more (evidence A). */
export interface Release {
  readonly node: NodeName;
  readonly nodeUid: NodeUid;
  readonly uid: VolumeUid;
  /** Ends every attachment of the node with this seq or an older one. */
  readonly seq: number;
  readonly detail: string;
}

/** Decides a release; there is never a refusal: what is not held, or held by a newer claim, needs no release. */
export function decideRelease(document: VolumeDocument | undefined, release: Release, view: ClusterView): Decision<{ readonly released: boolean }> {
  const mine = document?.attachments[release.node];
  if (document === undefined || document.uid !== release.uid || mine === undefined) return unchanged({ released: false });
  if (mine.nodeUid !== release.nodeUid || mine.seq > release.seq) return unchanged({ released: false });
  const holder = { node: release.node, attachment: mine };
  return commit(withoutHolder(document, holder, evidenceAgainst(holder, 'A', view.now, release.detail)), { released: true });
}

/** An operator's word about a node that is gone (evidence D, rule 16). While its session lives the agent is asked instead. */
export function decideForceRelease(
  document: VolumeDocument | undefined,
  request: { readonly name: string; readonly node: NodeName; readonly note: string },
  view: ClusterView,
): Decision<{ readonly released: boolean }> {
  if (document === undefined) return refuse('VOLUME_NOT_FOUND', `volume ${request.name} does not exist`, { volume: request.name });
  const attachment = document.attachments[request.node];
  if (attachment === undefined) return unchanged({ released: false });
  if (view.session(request.node) !== undefined) {
    return refuse('NODE_ALIVE', `node ${request.node} is in touch: it is asked to release volume ${document.name}, nobody else can say so`, {
      volume: document.name,
      node: request.node,
    });
  }
  const holder = { node: request.node, attachment };
  const next = { ...withoutHolder(document, holder, evidenceAgainst(holder, 'D', view.now, request.note)), epoch: document.epoch + 1 };
  return commit(next, { released: true }, [{ type: 'session-absent', node: request.node }]);
}

/** Evidence C for holders that stand in the way of a change that needs the volume free. */
export function releaseByLease(document: VolumeDocument, view: ClusterView): { readonly document: VolumeDocument; readonly requirements: readonly Requirement[] } {
  let next = document;
  const requirements: Requirement[] = [];
  if (view.brake !== undefined) return { document, requirements };
  for (const holder of holdersOf(document)) {
    const found = leaseEvidence(document, holder, view);
    if (found === undefined) continue;
    next = { ...withoutHolder(next, holder, found.evidence), epoch: document.epoch + 1 };
    requirements.push(...found.requirements);
  }
  return { document: next, requirements };
}

function withoutHolder(document: VolumeDocument, holder: Holder, evidence: Evidence): VolumeDocument {
  const attachments = { ...document.attachments };
  Reflect.deleteProperty(attachments, holder.node);
  return { ...document, attachments, evidence: withEvidence(document, [evidence], LIMITS.evidence) };
}
