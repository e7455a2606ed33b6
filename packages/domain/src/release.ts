import { commit, refuse, unchanged, withEvidence, type ClusterView, type Decision, type Requirement } from './decision.js';
import { evidenceAgainst, holderFields, holdersOf, whatFrees, type Holder } from './holders.js';
import { goneRequirement } from './liveness.js';
import type { NodeName, NodeUid, VolumeUid } from './names.js';
import { ownEntry } from './own-entry.js';
import { couldBeFenced, findEvidence, type FenceReceipt } from './takeover.js';
import { LIMITS, type Evidence, type VolumeDocument } from './volume.js';

/** A node's word that it does not use the volume any more (evidence A). */
export interface Release {
  readonly node: NodeName;
  readonly nodeUid: NodeUid;
  readonly uid: VolumeUid;
  /** Ends every attachment of the node with this seq or an older one. */
  readonly seq: number;
  readonly detail: string;
}

/** Decides a release; there is never a refusal: what is not held, or held by a newer claim, needs no release (rules 2 and 13). */
export function decideRelease(
  document: VolumeDocument | undefined,
  release: Release,
  view: ClusterView,
): Decision<{ readonly released: boolean }> {
  const mine = ownEntry(document?.attachments, release.node);
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
  const attachment = ownEntry(document.attachments, request.node);
  if (attachment === undefined) return unchanged({ released: false });
  const gone = goneRequirement(view, { node: request.node, nodeUid: attachment.nodeUid });
  if (gone === undefined) {
    return refuse(
      'NODE_ALIVE',
      `node ${request.node} is in touch: it is asked to release volume ${document.name}, nobody else can say so`,
      { volume: document.name, node: request.node },
    );
  }
  const holder = { node: request.node, attachment };
  const next = withoutHolder(document, holder, evidenceAgainst(holder, 'D', view.now, request.note));
  return commit({ ...next, epoch: document.epoch + 1 }, { released: true }, [gone]);
}

/**
 * Ends the attachment of a node that is gone, on evidence that there is (B, C, or D of a lost node), never on the caller's word.
 * Not attached: fine. Refused with VOLUME_HELD saying what would free it, UNGUARDED, or TAKEOVER_BRAKE.
 */
export function decideReleaseGone(
  document: VolumeDocument | undefined,
  request: { readonly name: string; readonly node: NodeName; readonly fence?: FenceReceipt },
  view: ClusterView,
): Decision<VolumeDocument> {
  if (document === undefined) return refuse('VOLUME_NOT_FOUND', `volume ${request.name} does not exist`, { volume: request.name });
  const attachment = ownEntry(document.attachments, request.node);
  if (attachment === undefined) return unchanged(document);
  const holder = { node: request.node, attachment };
  const found = findEvidence(document, holder, view, request.fence);
  if (view.brake !== undefined && (found?.automatic ?? couldBeFenced(document, holder, view))) {
    return brakeRefusal(document, holder, view.brake);
  }
  if (found !== undefined) {
    const next = { ...withoutHolder(document, holder, found.evidence), epoch: document.epoch + 1 };
    return commit(next, next, found.requirements);
  }
  const isUnguarded =
    document.spec.takeover === 'lease' && goneRequirement(view, { node: request.node, nodeUid: attachment.nodeUid }) !== undefined;
  return refuse(
    isUnguarded ? 'UNGUARDED' : 'VOLUME_HELD',
    `volume ${document.name} stays attached on node ${request.node} since ${attachment.since} for ${attachment.claimedFor}: ${whatFrees(document, holder, view)}`,
    holderFields(document, holder, view),
  );
}

/** The refusal of a takeover that the brake has stopped. */
export function brakeRefusal(document: VolumeDocument, holder: Holder, brake: string): Decision<never> {
  return refuse('TAKEOVER_BRAKE', `volume ${document.name} is not taken over from node ${holder.node}: ${brake}`, {
    volume: document.name,
    uid: document.uid,
    holder: holder.node,
    freedBy: 'repair the lost nodes, or declare the dead ones lost by hand',
  });
}

/** A step towards a volume that nobody holds. */
export interface FreeingStep {
  readonly document: VolumeDocument;
  readonly requirements: readonly Requirement[];
  /** Holders against which there is no evidence: the volume does not become free. */
  readonly staying: readonly Holder[];
}

/**
 * Ends the attachments of holders against which there is evidence, at most {@link LIMITS}.releasedAtOnce at once, because each is
 * compared in the transaction. Nothing is ended while one of them stays.
 */
export function freeOnEvidence(document: VolumeDocument, view: ClusterView): FreeingStep {
  const staying: Holder[] = [];
  const requirements: Requirement[] = [];
  let next = document;
  for (const [index, holder] of holdersOf(document).entries()) {
    const found = findEvidence(document, holder, view, undefined);
    if (found === undefined || (found.automatic && view.brake !== undefined)) {
      staying.push(holder);
    } else if (index < LIMITS.releasedAtOnce) {
      next = { ...withoutHolder(next, holder, found.evidence), epoch: document.epoch + 1 };
      requirements.push(...found.requirements);
    }
  }
  return staying.length === 0 ? { document: next, requirements, staying } : { document, requirements: [], staying };
}

/** The document without the holder; its evidence takes the holder's place. */
export function withoutHolder(document: VolumeDocument, holder: Holder, evidence: Evidence): VolumeDocument {
  const attachments = { ...document.attachments };
  Reflect.deleteProperty(attachments, holder.node);
  return { ...document, attachments, evidence: withEvidence(document, [evidence]) };
}
