import { commit, refuse, type ClusterView, type Decision, type Requirement } from './decision.js';
import { evidenceAgainst, type Holder } from './holders.js';
import { goneRequirement, lostWord } from './liveness.js';
import type { VolumeUid } from './names.js';
import type { Evidence, VolumeDocument } from './volume.js';

/** The storage's word (evidence B): it refuses every epoch below `epoch`, which covers the holder's. */
export interface FenceReceipt {
  readonly uid: VolumeUid;
  readonly epoch: number;
  readonly receipt: string;
}

/** Why a holder's right may be ended without its node, and what the transaction has to compare for that. */
export interface FoundEvidence {
  readonly evidence: Evidence;
  readonly requirements: readonly Requirement[];
  /** No operator said so: the brake stops it. */
  readonly automatic: boolean;
}

/**
 * The evidence against a holder that does not release by itself, by rules 4, 16 and 20; undefined = there is none.
 *
 * D when an operator declared the node lost, C when the policy is `lease` and the session of a guarded node has ended, B when the
 * policy is `storage` and the storage has said that it refuses the holder's epoch. While the node has a session there is none.
 */
export function findEvidence(
  document: VolumeDocument,
  holder: Holder,
  view: ClusterView,
  fence: FenceReceipt | undefined,
): FoundEvidence | undefined {
  const { node, attachment } = holder;
  const gone = goneRequirement(view, { node, nodeUid: attachment.nodeUid });
  if (gone === undefined) return undefined;
  const word = lostWord(view, { node, nodeUid: attachment.nodeUid });
  if (word !== undefined) return { evidence: evidenceAgainst(holder, 'D', view.now, word), requirements: [gone], automatic: false };
  switch (document.spec.takeover) {
    case 'lease': {
      if (view.unguarded(node)) return undefined;
      const evidence = evidenceAgainst(holder, 'C', view.now, `session ${attachment.session} ended`);
      return { evidence, requirements: [gone, { type: 'guarded', node }], automatic: true };
    }
    case 'storage': {
      if (fence === undefined || fence.uid !== document.uid) return undefined;
      if (fence.epoch <= attachment.epoch || fence.epoch > document.epoch) return undefined;
      return { evidence: evidenceAgainst(holder, 'B', view.now, fence.receipt), requirements: [gone], automatic: true };
    }
    case 'manual':
      return undefined;
  }
}

/**
 * True when nothing but the storage's word is missing against the holder: it is gone, not declared lost, and the policy is `storage`.
 * Never with many writers: a fence ends every lower epoch, and with the holder's those of nodes that are in touch.
 */
export function couldBeFenced(document: VolumeDocument, holder: Holder, view: ClusterView): boolean {
  const { takeover, accessMode } = document.spec;
  if (takeover !== 'storage' || accessMode === 'multi-node-multi-writer') return false;
  const identity = { node: holder.node, nodeUid: holder.attachment.nodeUid };
  return goneRequirement(view, identity) !== undefined && lostWord(view, identity) === undefined;
}

/**
 * Raises the epoch before the storage is fenced at it: the number is recorded before it is used. Only while each of `holders` is one
 * that the storage may refuse: whoever was granted the volume since then has a lower epoch, and would be cut off with them.
 */
export function decideRaiseEpoch(document: VolumeDocument, holders: readonly Holder[], view: ClusterView): Decision<number> {
  const gone = holders
    .filter((holder) => couldBeFenced(document, holder, view))
    .map(({ node, attachment }) => goneRequirement(view, { node, nodeUid: attachment.nodeUid }))
    .filter((requirement) => requirement !== undefined);
  if (holders.length === 0 || gone.length < holders.length) {
    return refuse('CONTENTION', `volume ${document.name} changed while its storage was about to be fenced; repeat the call`, {
      volume: document.name,
      uid: document.uid,
    });
  }
  const epoch = document.epoch + 1;
  return commit({ ...document, epoch }, epoch, gone);
}
