import { REASONS } from '@volplane/base';
import { isReaderOnly, isSufficient, type MountMode } from './access.js';
import { decideClaim, holdersToFence, type Claim } from './claim.js';
import type { ClusterView } from './decision.js';
import { holdersOf, toAttachmentView, whatFrees, type Holder } from './holders.js';
import { lostWord, sessionOf, type NodeIdentity } from './liveness.js';
import type { MountId, NodeName } from './names.js';
import { ownEntry } from './own-entry.js';
import { pendingCommands } from './pending.js';
import { placementOf, placeVolume, type Candidate } from './placement.js';
import type { VolumeDocument } from './volume.js';
import type { HolderExplanation, NodeState, VolumeExplanation, VolumeView } from './views.js';

/** What an explanation is made from; everything of one moment. */
export interface ExplainInput {
  readonly document: VolumeDocument;
  readonly view: ClusterView;
  /** Every registered node as a possible owner. */
  readonly candidates: readonly Candidate[];
  readonly nodeState: (node: NodeIdentity) => NodeState;
  /** The mount ids that use the volume on the node now; undefined when its agent did not say. */
  readonly mountIds: (node: NodeName) => readonly MountId[] | undefined;
  /** The nodes whose agents were asked for that, while the record was the same; none as of an earlier revision. */
  readonly asked: ReadonlySet<NodeName>;
  /** When the node's session was seen to end, ISO 8601; undefined when that is not known. */
  readonly goneSince: (node: NodeIdentity) => string | undefined;
  readonly forNode?: NodeName;
}

type Explained = Omit<VolumeExplanation, 'volume' | 'history'>;

/** Who holds the volume and why, what it waits for, who could own it, and what a mount on `forNode` would be answered. Pure. */
export function explainVolume(input: ExplainInput): Explained {
  const { document, view, candidates, forNode } = input;
  const waitsFor = whatIsAwaited(input);
  const answer = forNode === undefined ? undefined : expectedAnswer(document, view, forNode);
  const summary = [
    stateText(input),
    ...holderTexts(input),
    ...otherTexts(input),
    ...unguardedTexts(input),
    ...(waitsFor === undefined ? [] : [`it waits: ${waitsFor}`]),
    ...debtTexts(input),
    ...lastEvidence(document),
    ...(answer === undefined ? [] : [answer.text]),
    ...(view.brake === undefined ? [] : [`automatic takeovers have stopped: ${view.brake}`]),
    ...(document.spec.takeover === 'lease' ? [LEASE_ASSUMES] : []),
  ];
  return {
    summary,
    holders: holdersOf(document).map((holder) => explainHolder(input, holder)),
    evidence: document.evidence,
    candidates: placeVolume(placementOf(document.spec), candidates).verdicts.map((verdict) => {
      const ids = input.mountIds(verdict.node);
      return ids === undefined ? verdict : { ...verdict, mountIds: ids };
    }),
    ...(waitsFor === undefined ? {} : { waitsFor }),
    ...(answer?.refusal === undefined ? {} : { refusal: answer.refusal }),
  };
}

/** A local volume is its node's own affair: nothing is decided about it elsewhere. */
export function explainLocalVolume(volume: VolumeView): VolumeExplanation {
  const { name, node, phase, mountIds = [] } = volume;
  const summary = [
    `volume ${name} is a local volume of node ${node}: it lives there only, and the node alone decides about it`,
    mountIds.length === 0 ? 'nobody uses it now' : `used now by ${mountIds.join(', ')}`,
    ...(phase === 'ready' ? [] : [`it is ${phase}: node ${node} goes on with that by itself, as soon as its driver can end it`]),
  ];
  return { volume, summary, holders: [], evidence: [], candidates: [], history: [] };
}

function explainHolder({ document, view, nodeState, mountIds }: ExplainInput, holder: Holder): HolderExplanation {
  const ids = mountIds(holder.node);
  return {
    attachment: toAttachmentView(holder),
    nodeState: nodeState({ node: holder.node, nodeUid: holder.attachment.nodeUid }),
    ...(ids === undefined ? {} : { mountIds: ids }),
    freedBy: whatFrees(document, holder, view),
  };
}

function stateText(input: ExplainInput): string {
  const { name, phase, owner, ownerUid, epoch, spec } = input.document;
  const state = nodeText(input, { node: owner, nodeUid: ownerUid });
  const ownerIs = state === 'connected' ? owner : `${owner} (${state})`;
  return `volume ${name} is ${phase}, owned by ${ownerIs}, at epoch ${String(epoch)}; ${spec.accessMode}, takeover ${spec.takeover}`;
}

/** `connected`, or `gone since 2026-…`. */
function nodeText({ nodeState, goneSince }: ExplainInput, machine: NodeIdentity): string {
  const state = nodeState(machine);
  const since = state === 'gone' ? goneSince(machine) : undefined;
  return since === undefined ? state : `${state} since ${since}`;
}

function holderTexts(input: ExplainInput): readonly string[] {
  const { asked, document, mountIds } = input;
  const unheard = asked.size === 0 ? 'who used it then is in no record' : 'its agent was not heard about who uses it now';
  const holders = holdersOf(document);
  if (holders.length === 0) return ['no node holds it'];
  const texts = holders.slice(0, HOLDERS_TOLD_MAX).map(({ node, attachment }) => {
    const { mode, since, epoch, claimedFor, seq, session, nodeUid } = attachment;
    const ids = mountIds(node);
    const users = ids === undefined ? unheard : `used now by ${ids.join(', ') || 'nobody'}`;
    return (
      `${node} (${nodeText(input, { node, nodeUid })}) holds it ${mode} at epoch ${String(epoch)} since ${since}, by its claim ${String(seq)} ` +
      `for ${claimedFor} in session ${session}; ${users}`
    );
  });
  return holders.length > HOLDERS_TOLD_MAX ? [...texts, `and ${String(holders.length - HOLDERS_TOLD_MAX)} more nodes`] : texts;
}

/** Whether a node has it that the record does not name: the record tells who may, the agents tell who does. */
function otherTexts(input: ExplainInput): readonly string[] {
  const { document, candidates, asked, mountIds, nodeState } = input;
  const others = candidates
    .map(({ node: { name, uid } }) => ({ node: name, nodeUid: uid }))
    .filter(({ node, nodeUid }) => asked.has(node) && ownEntry(document.attachments, node)?.nodeUid !== nodeUid);
  const using = others.flatMap((machine) => {
    const ids = mountIds(machine.node) ?? [];
    if (ids.length === 0) return [];
    const isInTouch = nodeState(machine) === 'connected' || nodeState(machine) === 'silent';
    const end = isInTouch ? 'and ends that mount as soon as it hears so' : 'and may write: stop the node, or cut its storage off';
    return [`${machine.node} (${nodeText(input, machine)}) has it in use for ${ids.join(', ')} without a right to it, ${end}`];
  });
  const clear = others.filter(({ node }) => mountIds(node)?.length === 0).map(({ node }) => node);
  const silent = others
    .filter(({ node }) => mountIds(node) === undefined)
    .map((machine) => `${machine.node} (${nodeText(input, machine)})`);
  return [
    ...using,
    ...(clear.length === 0 ? [] : [`asked now, ${namesText(clear)} ${clear.length === 1 ? 'does' : 'do'} not use it`]),
    ...(silent.length === 0 ? [] : [`asked now, ${namesText(silent)} did not answer; no right to it is recorded there`]),
  ];
}

function namesText(names: readonly string[]): string {
  const rest = names.length - NAMES_TOLD_MAX;
  const told = rest > 0 ? [...names.slice(0, NAMES_TOLD_MAX), `${String(rest)} more`] : names;
  const last = told.at(-1) ?? '';
  return told.length < 2 ? last : `${told.slice(0, -1).join(', ')} and ${last}`;
}

/** Holders under `lease` that nobody would cut off in time (rule 20). */
function unguardedTexts({ document, view }: ExplainInput): readonly string[] {
  if (document.spec.takeover !== 'lease') return [];
  return holdersOf(document)
    .filter(
      (holder) => sessionOf(view, { node: holder.node, nodeUid: holder.attachment.nodeUid }) !== undefined && view.unguarded(holder.node),
    )
    .slice(0, HOLDERS_TOLD_MAX)
    .map(({ node }) => `the guardian of ${node} does not run at the moment: should ${node} go now, the end of its session is no evidence`);
}

/** Former owners of a volume that stays: nothing waits for them yet, a removal will. */
function debtTexts(input: ExplainInput): readonly string[] {
  const { phase, formerOwners } = input.document;
  if (phase === 'removing' || formerOwners.length === 0) return [];
  const names = formerOwners.map((former) => `${former.node} (${nodeText(input, former)})`);
  return [`a removal will wait for ${names.join(', ')} as well: it owned the volume while an operation was in flight`];
}

/** The operation in flight and the nodes whose answers it needs. */
function whatIsAwaited({ document, view }: ExplainInput): string | undefined {
  const { operation } = document;
  if (operation === undefined) return undefined;
  const waits = pendingCommands(document).map((command) => {
    if (sessionOf(view, command) !== undefined) return `${command.node} (in touch)`;
    if (lostWord(view, command) !== undefined) return `${command.node} (lost, no longer waited for from the next sweep on)`;
    return command.nodeUid === document.ownerUid
      ? `${command.node} (gone, another node gets the work when one can take it)`
      : `${command.node} (gone, until it is back or declared lost)`;
  });
  const cause = operation.cause === undefined ? '' : `, because its creation failed: ${operation.cause}`;
  return `${operation.kind} since ${operation.since}${cause}; the answer of ${waits.join(', ')}`;
}

function lastEvidence({ evidence }: VolumeDocument): readonly string[] {
  const last = evidence.at(-1);
  if (last === undefined) return [];
  return [`the last attachment that ended was that of ${last.node}, on evidence ${last.kind} at ${last.at}: ${last.detail}`];
}

interface ExpectedAnswer {
  readonly text: string;
  readonly refusal?: NonNullable<VolumeExplanation['refusal']>;
}

/** What a mount on the node, writing where the access mode allows it, would be answered now: by the very decision that answers it. */
export function expectedAnswer(document: VolumeDocument, view: ClusterView, node: NodeName): ExpectedAnswer {
  const mode: MountMode = isReaderOnly(document.spec.accessMode) ? 'ro' : 'rw';
  const registered = view.node(node);
  if (registered === undefined) {
    return refusalText(node, mode, 'NODE_NOT_FOUND', `node ${node} has never registered`, REASONS.NODE_NOT_FOUND.whatToDo);
  }
  if (registered.lost !== undefined) {
    const text = `node ${node} was declared lost by ${registered.lost.by}`;
    return refusalText(node, mode, 'NODE_LOST', text, REASONS.NODE_LOST.whatToDo);
  }
  const session = view.session(node);
  if (session === undefined) {
    return refusalText(node, mode, 'NODE_UNAVAILABLE', `node ${node} is gone: it has no session`, `bring ${node} back`);
  }
  const mine = ownEntry(document.attachments, node);
  if (mine?.nodeUid === registered.uid && isSufficient(mine.mode, mode) && document.phase === 'ready') {
    return { text: `a mount ${mode} on ${node} would join the one that is there` };
  }
  const claim: Claim = {
    node,
    nodeUid: registered.uid,
    session: session.session,
    seq: Number.MAX_SAFE_INTEGER,
    mode,
    mountId: 'explain' as MountId, // letters only; it is never recorded
  };
  const decision = decideClaim(document, claim, document.name, view);
  if (decision.type !== 'refuse') {
    const taken = decision.answer.takeover.map((evidence) => `${evidence.node} on evidence ${evidence.kind}`);
    const from = taken.length === 0 ? '' : `, taken over from ${taken.join(' and ')}`;
    return { text: `a mount ${mode} on ${node} would be granted at epoch ${String(decision.answer.attachment.epoch)}${from}` };
  }
  const held = holdersToFence(document, claim, view).map((holder) => holder.node);
  if (held.length > 0) {
    return { text: `a mount ${mode} on ${node} would be granted once the storage has refused ${held.join(' and ')} (evidence B)` };
  }
  const { reason, message, fields } = decision.failure;
  return refusalText(node, mode, reason, message, fields['freedBy'] ?? REASONS[reason].whatToDo);
}

function refusalText(node: NodeName, mode: MountMode, reason: string, message: string, freedBy: string): ExpectedAnswer {
  return { text: `a mount ${mode} on ${node} would be refused with ${reason}: ${message}`, refusal: { reason, message, freedBy } };
}

const LEASE_ASSUMES =
  'evidence C rests on this: the guardian of the holder’s node runs, the clocks drift within their bound, and the node is not paused whole while its writers go on';

/** Keeps the summary readable; the list of holders has them all. */
const HOLDERS_TOLD_MAX = 16;

/** Keeps a sentence one; the list of nodes has them all. */
const NAMES_TOLD_MAX = 8;
