import { isReaderOnly, isSingleNode, type MountMode } from './access.js';
import { commit, refuse, unchanged, withEvidence, type ClusterView, type Decision, type Requirement } from './decision.js';
import { excludingHolders, heldFailure, type Holder } from './holders.js';
import type { MountId, NodeName, NodeUid, SessionId, VolumeUid } from './names.js';
import { ownEntry } from './own-entry.js';
import { moveOwner, refuseFull } from './ownership.js';
import { removingText } from './phase.js';
import { driverFault } from './placement.js';
import { brakeRefusal } from './release.js';
import { couldBeFenced, findEvidence, type FenceReceipt } from './takeover.js';
import { LIMITS, type Attachment, type Evidence, type VolumeDocument } from './volume.js';

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

export interface Grant {
  readonly document: VolumeDocument;
  readonly attachment: Attachment;
  /** Evidence used up by this grant; empty for an ordinary one. */
  readonly takeover: readonly Evidence[];
}

/**
 * Decides a claim (rules 2, 4, 16 and 17). Granting raises the epoch whenever the node may write, somebody is taken over from or
 * the owner changes, and moves the ownership of single-node volumes. Repeated with the same seq it answers the grant again.
 */
export function decideClaim(document: VolumeDocument | undefined, claim: Claim, name: string, view: ClusterView): Decision<Grant> {
  if (document === undefined || (claim.uid !== undefined && claim.uid !== document.uid)) {
    const since = document === undefined ? '' : ' any more: another was made under its name';
    return refuse('VOLUME_NOT_FOUND', `volume ${name} does not exist${since}`, { volume: name });
  }
  const unfit = refusePhase(document, claim) ?? refuseNode(document, claim, view);
  if (unfit !== undefined) return unfit;
  const mine = attachmentOf(document, claim);
  if (mine !== undefined && mine.seq > claim.seq) {
    const text = `claim ${String(claim.seq)} of node ${claim.node} for volume ${name} is older than its claim ${String(mine.seq)}`;
    return refuse('STALE_CLAIM', text, { volume: name, node: claim.node });
  }
  if (mine?.seq === claim.seq) return unchanged({ document, attachment: mine, takeover: [] });
  return refuseUnguarded(document, claim, view) ?? grant(document, claim, view);
}

function refusePhase(document: VolumeDocument, claim: Claim): Decision<never> | undefined {
  const { name, spec } = document;
  const about = { volume: name, uid: document.uid, node: claim.node };
  if (document.phase === 'creating') return refuse('VOLUME_CREATING', `volume ${name} is still being created`, about);
  if (document.phase === 'removing') return refuse('VOLUME_REMOVING', removingText(document), about);
  if (claim.mode === 'rw' && isReaderOnly(spec.accessMode)) {
    const text = `volume ${name} is ${spec.accessMode}: it can be mounted ro only`;
    return refuse('ACCESS_MODE_REFUSED', text, { ...about, accessMode: spec.accessMode });
  }
  if (Object.keys(document.attachments).length >= LIMITS.attachments && ownEntry(document.attachments, claim.node) === undefined) {
    return refuse('NO_CAPACITY', `volume ${name} is attached on ${String(LIMITS.attachments)} nodes, the most that are allowed`, about);
  }
  return undefined;
}

function refuseNode(document: VolumeDocument, claim: Claim, view: ClusterView): Decision<never> | undefined {
  const { name, spec } = document;
  const about = { volume: name, uid: document.uid, node: claim.node };
  if (view.session(claim.node)?.session !== claim.session) {
    return refuse('SESSION_LOST', `node ${claim.node} has no session ${claim.session} any more`, about);
  }
  const node = view.node(claim.node);
  if (node === undefined || node.uid !== claim.nodeUid) {
    return refuse('NODE_NOT_FOUND', `node ${claim.node} is not registered with uid ${claim.nodeUid}`, about);
  }
  if (node.lost !== undefined) return refuse('NODE_LOST', `node ${claim.node} was declared lost by ${node.lost.by}`, about);
  const driver = node.drivers.find((offered) => offered.name === spec.driver);
  const fault = driverFault(spec, driver);
  if (fault !== undefined) {
    const text = `node ${claim.node} cannot mount volume ${name}: ${fault}`;
    return refuse('NODE_LACKS_DRIVER', text, { ...about, driver: spec.driver });
  }
  if (node.cordoned && attachmentOf(document, claim) === undefined) {
    return refuse('NODE_CORDONED', `node ${claim.node} is cordoned and takes no new mount of volume ${name}`, about);
  }
  return undefined;
}

/** The end of an unguarded node's session would be no evidence against it (rule 20), so it gets nothing that counts on that. */
function refuseUnguarded(document: VolumeDocument, claim: Claim, view: ClusterView): Decision<never> | undefined {
  if (document.spec.takeover !== 'lease' || !view.unguarded(claim.node)) return undefined;
  const text = `volume ${document.name} has the takeover policy lease, and the guardian of node ${claim.node} does not run at the moment`;
  return refuse('GUARDIAN_DOWN', text, { volume: document.name, uid: document.uid, node: claim.node });
}

function grant(document: VolumeDocument, claim: Claim, view: ClusterView): Decision<Grant> {
  const taken: Evidence[] = [];
  const requirements: Requirement[] = [{ type: 'session-present', node: claim.node, session: claim.session }];
  for (const holder of holdersInTheWay(document, claim)) {
    const found = findEvidence(document, holder, view, claim.fence);
    if (view.brake !== undefined && (found?.automatic ?? couldBeFenced(document, holder, view))) {
      return brakeRefusal(document, holder, view.brake);
    }
    if (found === undefined) return { type: 'refuse', failure: heldFailure(document, holder, view, claim) };
    taken.push(found.evidence);
    requirements.push(...found.requirements);
  }

  const moves = isSingleNode(document.spec.accessMode) && document.ownerUid !== claim.nodeUid;
  const full = moves ? refuseFull(document) : undefined;
  if (full !== undefined) return full;
  const epoch = claim.mode === 'rw' || taken.length > 0 || moves ? document.epoch + 1 : document.epoch;
  const { nodeUid, session, seq, mode, mountId } = claim;
  const attachment: Attachment = { nodeUid, session, seq, epoch, mode, since: view.now, claimedFor: mountId };
  const attachments: Record<NodeName, Attachment> = { ...document.attachments };
  for (const evidence of taken) Reflect.deleteProperty(attachments, evidence.node);
  attachments[claim.node] = attachment;
  const raised = { ...document, epoch };
  const moved = moves ? moveOwner(raised, claim) : raised;
  const next: VolumeDocument = { ...moved, attachments, evidence: withEvidence(document, taken) };
  return commit(next, { document: next, attachment, takeover: taken }, requirements);
}

/** Those whose right would exclude this one, and a lost machine that had the claimant's name: it keeps no place beside it. */
function holdersInTheWay(document: VolumeDocument, claim: Claim): readonly Holder[] {
  const excluding = excludingHolders(document, claim.node, claim.mode);
  const named = ownEntry(document.attachments, claim.node);
  return named === undefined || named.nodeUid === claim.nodeUid ? excluding : [...excluding, { node: claim.node, attachment: named }];
}

/** The attachment of the very machine that claims. */
function attachmentOf(document: VolumeDocument, claim: Claim): Attachment | undefined {
  const mine = ownEntry(document.attachments, claim.node);
  return mine?.nodeUid === claim.nodeUid ? mine : undefined;
}

/**
 * The holders that the storage has to refuse before the claim can be granted; none when more than a fence is missing. The manager
 * then raises the epoch, has the storage fenced at it, and decides again with the receipt.
 */
export function holdersToFence(document: VolumeDocument, claim: Claim, view: ClusterView): readonly Holder[] {
  if (document.phase !== 'ready' || view.brake !== undefined) return [];
  const missing = holdersInTheWay(document, claim).filter((holder) => findEvidence(document, holder, view, claim.fence) === undefined);
  return missing.every((holder) => couldBeFenced(document, holder, view)) ? missing : [];
}
