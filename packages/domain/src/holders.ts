import type { Failure } from '@volplane/base';
import { mayCoexist, type MountMode } from './access.js';
import type { ClusterView } from './decision.js';
import { lostWord, sessionOf } from './liveness.js';
import type { NodeName } from './names.js';
import type { AttachmentView } from './views.js';
import type { Attachment, Evidence, VolumeDocument } from './volume.js';

/** One node's recorded right, with the node's name beside it. */
export interface Holder {
  readonly node: NodeName;
  readonly attachment: Attachment;
}

/** Every attachment with its node, by node name. */
export function holdersOf(document: VolumeDocument): readonly Holder[] {
  return Object.entries(document.attachments)
    .map(([node, attachment]) => ({ node: node as NodeName, attachment }))
    .sort((one, other) => (one.node < other.node ? -1 : 1));
}

/** One attachment as every door shows it. */
export function toAttachmentView({ node, attachment }: Holder): AttachmentView {
  const { nodeUid, mode, epoch, seq, since, claimedFor } = attachment;
  return { node, nodeUid, mode, epoch, seq, since, claimedFor };
}

/** The holders that exclude a mount of `node` in `mode`. The node itself never excludes itself. */
export function excludingHolders(document: VolumeDocument, node: NodeName, mode: MountMode): readonly Holder[] {
  return holdersOf(document).filter(
    (holder) => holder.node !== node && !mayCoexist(document.spec.accessMode, holder.attachment.mode, mode),
  );
}

export function evidenceAgainst(holder: Holder, kind: Evidence['kind'], at: string, detail: string): Evidence {
  const { nodeUid, seq, epoch } = holder.attachment;
  return { kind, node: holder.node, nodeUid, seq, epoch, at, detail };
}

/** The refusal that names the first excluding holder, what state its node is in, and what would free the volume. */
export function heldFailure(
  document: VolumeDocument,
  holder: Holder,
  view: ClusterView,
  wanted: { readonly node: NodeName; readonly mode: MountMode } | { readonly owner: NodeName },
): Failure {
  const { attachment } = holder;
  const refused = 'owner' in wanted ? `owned by node ${wanted.owner}` : `mounted ${wanted.mode} on node ${wanted.node}`;
  return {
    reason: 'VOLUME_HELD',
    message:
      `volume ${document.name} cannot be ${refused}: node ${holder.node} holds it ${attachment.mode} ` +
      `since ${attachment.since} for ${attachment.claimedFor} and its access mode is ${document.spec.accessMode}; ${whatFrees(document, holder, view)}`,
    fields: holderFields(document, holder, view),
  };
}

/** The machine-readable facts about a holder that stands in the way. */
export function holderFields(document: VolumeDocument, holder: Holder, view: ClusterView): Readonly<Record<string, string>> {
  const { attachment } = holder;
  return {
    volume: document.name,
    uid: document.uid,
    holder: holder.node,
    holderMode: attachment.mode,
    since: attachment.since,
    mountIds: attachment.claimedFor,
    epoch: String(attachment.epoch),
    accessMode: document.spec.accessMode,
    holderState: holderState(holder, view),
    freedBy: whatFrees(document, holder, view),
  };
}

export function holderState({ node, attachment }: Holder, view: ClusterView): 'in touch' | 'gone' | 'lost' {
  const identity = { node, nodeUid: attachment.nodeUid };
  if (sessionOf(view, identity) !== undefined) return 'in touch';
  return lostWord(view, identity) === undefined ? 'gone' : 'lost';
}

/** What would end this holder's right, in one phrase. */
export function whatFrees(document: VolumeDocument, holder: Holder, view: ClusterView): string {
  const { node } = holder;
  const state = holderState(holder, view);
  if (state === 'in touch') return `unmount it on ${node}`;
  if (state === 'lost') return `${node} was declared lost: it is taken over at the next claim`;
  const braked = view.brake === undefined ? '' : `, once the brake is off (${view.brake})`;
  switch (document.spec.takeover) {
    case 'lease':
      return view.unguarded(node)
        ? `${node} is gone and its guardian was not running, so the end of its session is no evidence: declare the node lost once it is surely off`
        : `${node} is gone and its session has ended: it is taken over at the next claim${braked}`;
    case 'storage':
      if (document.spec.accessMode === 'multi-node-multi-writer') {
        return `${node} is gone, and the storage cannot refuse it without the other writers: declare it lost once it is surely off`;
      }
      return `${node} is gone: the storage is asked to refuse it at the next claim${braked}`;
    case 'manual':
      return `${node} is gone and the policy is manual: bring it back, or declare it lost once it is surely off`;
  }
}

/** VOLUME_ATTACHED for a change that needs the volume free, naming every holder, or only `holders`. */
export function attachedFailure(
  document: VolumeDocument,
  view: ClusterView,
  what: string,
  holders: readonly Holder[] = holdersOf(document),
): Failure {
  const names = holders.map(
    (holder) => `${holder.node} (${holder.attachment.mode} for ${holder.attachment.claimedFor} since ${holder.attachment.since})`,
  );
  const first = holders[0];
  const freedBy = first === undefined ? '' : whatFrees(document, first, view);
  return {
    reason: 'VOLUME_ATTACHED',
    message: `volume ${document.name} cannot be ${what}: attached on ${names.slice(0, HOLDERS_NAMED_MAX).join(', ')}; ${freedBy}`,
    fields: {
      volume: document.name,
      uid: document.uid,
      holder: first?.node ?? '',
      holders: holders
        .slice(0, HOLDERS_NAMED_MAX)
        .map((holder) => holder.node)
        .join(','),
      holderCount: String(holders.length),
      mountIds: holders
        .slice(0, HOLDERS_NAMED_MAX)
        .map((holder) => holder.attachment.claimedFor)
        .join(','),
      since: first?.attachment.since ?? '',
      freedBy,
    },
  };
}

/** Keeps a refusal short; the count says that there are more. */
const HOLDERS_NAMED_MAX = 16;
