import { isExclusiveWriter } from './access.js';
import { commit, present, refuse, unchanged, type ClusterView, type Decision, type LiveNode, type Requirement } from './decision.js';
import { evidenceAgainst } from './holders.js';
import { goneRequirement, type NodeIdentity } from './liveness.js';
import { ownEntry } from './own-entry.js';
import { moveOwner } from './ownership.js';
import { withoutHolder } from './release.js';
import type { VolumeDocument } from './volume.js';

/** A node about which an operator has said that it is off and stays off. */
export interface LostNode extends NodeIdentity {
  /** The operator's word, stored as evidence D. */
  readonly word: string;
}

/** True when the document still names this very node: as owner, holder or former owner. */
export function namesNode(document: VolumeDocument, { node, nodeUid }: NodeIdentity): boolean {
  return (
    document.ownerUid === nodeUid ||
    ownEntry(document.attachments, node)?.nodeUid === nodeUid ||
    document.formerOwners.some((former) => former.nodeUid === nodeUid)
  );
}

/**
 * Takes a lost node out of one volume (evidence D, rules 16 and 18), in one step: its attachment, its debt as a former owner, and its
 * ownership when `to` can take that. The transaction compares that the node has no session.
 *
 * The answer tells the document as it then is; undefined = a removal had waited for this node alone, and is done. Again: unchanged.
 */
export function decideNodeLost(
  document: VolumeDocument | undefined,
  lost: LostNode,
  to: LiveNode | undefined,
  view: ClusterView,
): Decision<VolumeDocument | undefined> {
  if (document === undefined) return unchanged(undefined);
  const gone = goneRequirement(view, lost);
  if (gone === undefined) {
    return refuse('NODE_ALIVE', `node ${lost.node} is in touch again, so nothing of volume ${document.name} is taken from it`, {
      volume: document.name,
      node: lost.node,
    });
  }
  const requirements: Requirement[] = [gone];
  let next = document;
  const attachment = ownEntry(document.attachments, lost.node);
  if (attachment?.nodeUid === lost.nodeUid) {
    const holder = { node: lost.node, attachment };
    next = { ...withoutHolder(next, holder, evidenceAgainst(holder, 'D', view.now, lost.word)), epoch: document.epoch + 1 };
  }
  if (next.ownerUid === lost.nodeUid && to !== undefined) {
    next = moveOwner({ ...next, epoch: document.epoch + 1 }, to);
    requirements.push(present(to));
  }
  const formerOwners = next.formerOwners.filter((former) => former.nodeUid !== lost.nodeUid);
  if (formerOwners.length < next.formerOwners.length) {
    if (next.phase === 'removing' && next.operation?.ownerDone === true && formerOwners.length === 0) {
      return commit(undefined, undefined, requirements);
    }
    next = { ...next, formerOwners };
  }
  return next === document ? unchanged(document) : commit(next, next, requirements);
}

/** What declaring a node lost means for one volume. */
export interface LossRisk {
  readonly name: string;
  readonly attached: boolean;
  readonly owned: boolean;
  /** One sentence for the operator. */
  readonly risk: string;
}

/** Says what the operator risks with this volume if he is wrong and the node still runs. */
export function lossRisk(document: VolumeDocument, lost: NodeIdentity): LossRisk {
  const attachment = ownEntry(document.attachments, lost.node);
  const attached = attachment?.nodeUid === lost.nodeUid;
  const owned = document.ownerUid === lost.nodeUid;
  const { name } = document;
  if (attached) return { name, attached, owned, risk: attachedRisk(document, attachment.mode === 'rw') };
  if (!owned)
    return { name, attached, owned, risk: 'no mount: a removal stops waiting for this node, data that it still makes stays behind' };
  if (document.operation !== undefined) {
    return { name, attached, owned, risk: `no mount: its ${document.operation.kind} goes on at another node` };
  }
  return { name, attached, owned, risk: 'no mount: another node becomes its owner' };
}

function attachedRisk({ spec }: VolumeDocument, writes: boolean): string {
  if (!writes) return 'mounted ro: if the node still runs, it goes on reading what others change';
  if (isExclusiveWriter(spec.accessMode)) {
    return spec.takeover === 'lease'
      ? 'mounted rw, one writer allowed: the node aborts the mount when its session ends, if its guardian runs'
      : 'mounted rw, one writer allowed: if the node still runs, two nodes write and the data is damaged';
  }
  return 'mounted rw, many writers allowed: if the node still runs, it goes on writing';
}
