import { isReaderOnly, isSingleNode, mayCoexist } from './access.js';
import { holdersOf, type Holder } from './holders.js';
import { identityDifference } from './identity.js';
import type { NodeName } from './names.js';
import type { NodeDocument, SessionDocument } from './node.js';
import { ownEntry } from './own-entry.js';
import { LIMITS, type VolumeDocument, type VolumePhase } from './volume.js';

/** The promises about documents that can be checked by looking at them. */
export type InvariantName =
  | 'one-writer'
  | 'epochs-grow'
  | 'record-before-effect'
  | 'evidence-before-forgetting'
  | 'identity'
  | 'phase'
  | 'seq'
  | 'ownership'
  | 'policy'
  | 'bounds'
  | 'nodes';

/** A promise that is broken: always a fault of Volplane, or of a hand that wrote into its store. */
export interface Violation {
  readonly invariant: InvariantName;
  /** The volume's or the node's name. */
  readonly about: string;
  readonly message: string;
}

/**
 * Checks one change of one volume: `before` undefined = it was made, `after` undefined = its record was deleted. What the new
 * document says by itself is checked too. Empty = nothing is wrong.
 */
export function checkDocument(before: VolumeDocument | undefined, after: VolumeDocument | undefined): readonly Violation[] {
  if (after === undefined) return before === undefined ? [] : checkDeletion(before);
  const faults = new Faults(after.name);
  if (before === undefined || before.uid !== after.uid) {
    faults.expect(before === undefined, 'identity', `uid ${before?.uid ?? ''} became ${after.uid} in one step`);
    faults.expect(after.phase === 'creating' && after.operation?.kind === 'create', 'record-before-effect', `it begins as ${after.phase}`);
  } else {
    checkIdentity(before, after, faults);
    checkPhase(before, after, faults);
    checkEpoch(before, after, faults);
    for (const holder of holdersOf(before)) checkHolder(before, after, holder, faults);
    checkEvidenceKept(before, after, faults);
  }
  return [...faults.found, ...checkState(after)];
}

/** Checks what one document says by itself. */
export function checkState(document: VolumeDocument): readonly Violation[] {
  const faults = new Faults(document.name);
  const { spec, phase, operation, epoch } = document;
  const holders = holdersOf(document);
  for (const [index, { node, attachment }] of holders.entries()) {
    for (const other of holders.slice(index + 1)) {
      const isAllowed = mayCoexist(spec.accessMode, attachment.mode, other.attachment.mode);
      faults.expect(isAllowed, 'one-writer', `${node} ${attachment.mode} and ${other.node} ${other.attachment.mode} in ${spec.accessMode}`);
    }
    faults.expect(!(attachment.mode === 'rw' && isReaderOnly(spec.accessMode)), 'one-writer', `${node} writes in ${spec.accessMode}`);
    faults.expect(attachment.epoch <= epoch, 'epochs-grow', `${node} has epoch ${String(attachment.epoch)} above ${String(epoch)}`);
    const isOwner = attachment.nodeUid === document.ownerUid && node === document.owner;
    faults.expect(isOwner || !isSingleNode(spec.accessMode), 'ownership', `${node} holds it and ${document.owner} owns it`);
  }
  faults.expect(phase === 'ready' || holders.length === 0, 'phase', `it is ${phase} and attached`);
  faults.expect(phase !== 'creating' || operation?.kind === 'create', 'phase', `it is creating without that operation`);
  faults.expect(phase !== 'removing' || operation?.kind === 'remove', 'phase', `it is removing without that operation`);
  const isWork = operation?.kind !== 'create' && operation?.kind !== 'remove';
  faults.expect(phase !== 'ready' || isWork, 'phase', `it is ready with the operation ${operation?.kind ?? ''}`);
  faults.expect(document.evidence.length <= LIMITS.evidence, 'bounds', `${String(document.evidence.length)} pieces of evidence`);
  faults.expect(document.formerOwners.length <= LIMITS.formerOwners + 1, 'bounds', `${String(document.formerOwners.length)} former owners`);
  faults.expect(holders.length <= LIMITS.attachments, 'bounds', `${String(holders.length)} attachments`);
  const formers = new Set(document.formerOwners.map((former) => former.nodeUid));
  faults.expect(formers.size === document.formerOwners.length, 'ownership', 'a former owner is listed twice');
  return faults.found;
}

/** Everything that is stored, as of one revision. */
export interface ClusterSnapshot {
  readonly volumes: Iterable<VolumeDocument>;
  readonly nodes: Iterable<NodeDocument>;
  readonly sessions: Iterable<SessionDocument>;
}

/** Checks what the stored documents say together. */
export function checkCluster(snapshot: ClusterSnapshot): readonly Violation[] {
  const violations: Violation[] = [];
  const nodes = new Map<NodeName, NodeDocument>();
  for (const node of snapshot.nodes) nodes.set(node.name, node);
  const volumesByUid = new Map<string, string>();
  const claims = new Map<string, string>();
  for (const document of snapshot.volumes) {
    violations.push(...checkState(document));
    const faults = new Faults(document.name);
    const twin = volumesByUid.get(document.uid);
    faults.expect(twin === undefined, 'identity', `it has the uid of volume ${twin ?? ''}`);
    volumesByUid.set(document.uid, document.name);
    for (const { node, attachment } of holdersOf(document)) {
      const claim = `${attachment.nodeUid} ${String(attachment.seq)}`;
      const other = claims.get(claim);
      faults.expect(other === undefined, 'seq', `claim ${String(attachment.seq)} of ${node} holds volume ${other ?? ''} too`);
      claims.set(claim, document.name);
      faults.expect(nodes.has(node), 'nodes', `${node} holds it and has never registered`);
    }
    violations.push(...faults.found);
  }
  for (const session of snapshot.sessions) {
    const faults = new Faults(session.node);
    const node = nodes.get(session.node);
    faults.expect(
      node?.uid === session.nodeUid,
      'nodes',
      `it has a session of uid ${session.nodeUid}, registered is ${node?.uid ?? 'nobody'}`,
    );
    faults.expect(node?.lost === undefined, 'nodes', 'it was declared lost and has a session');
    violations.push(...faults.found);
  }
  return violations;
}

class Faults {
  readonly found: Violation[] = [];
  readonly #about: string;

  constructor(about: string) {
    this.#about = about;
  }

  expect(holds: boolean, invariant: InvariantName, message: string): void {
    if (!holds) this.found.push({ invariant, about: this.#about, message: `${this.#about}: ${message}` });
  }
}

function checkDeletion(before: VolumeDocument): readonly Violation[] {
  const faults = new Faults(before.name);
  for (const { node } of holdersOf(before)) faults.expect(false, 'evidence-before-forgetting', `deleted while ${node} holds it`);
  return faults.found;
}

function checkIdentity(before: VolumeDocument, after: VolumeDocument, faults: Faults): void {
  faults.expect(before.name === after.name && before.createdAt === after.createdAt, 'identity', 'its name or time of creation changed');
  const spec = before.spec.sizeBytes === after.spec.sizeBytes ? before.spec : { ...before.spec, sizeBytes: after.spec.sizeBytes ?? 0 };
  const difference = identityDifference(spec, after.spec).join('; ');
  faults.expect(difference === '', 'identity', difference);
  const hasShrunk = before.spec.sizeBytes !== undefined && (after.spec.sizeBytes ?? 0) < before.spec.sizeBytes;
  faults.expect(!hasShrunk, 'identity', `its size shrank to ${String(after.spec.sizeBytes ?? 0)}`);
}

function checkPhase(before: VolumeDocument, after: VolumeDocument, faults: Faults): void {
  faults.expect(PHASE_ORDER[after.phase] >= PHASE_ORDER[before.phase], 'phase', `${before.phase} became ${after.phase}`);
  const changesLease = before.spec.takeover !== after.spec.takeover && [before.spec.takeover, after.spec.takeover].includes('lease');
  const stays = holdersOf(before).some(({ node, attachment }) => ownEntry(after.attachments, node)?.seq === attachment.seq);
  faults.expect(!(changesLease && stays), 'policy', `its takeover policy became ${after.spec.takeover} under a mount`);
}

function checkEpoch(before: VolumeDocument, after: VolumeDocument, faults: Faults): void {
  const epochs = `epoch ${String(before.epoch)} became ${String(after.epoch)}`;
  faults.expect(after.epoch >= before.epoch, 'epochs-grow', epochs);
  const hasGrown = after.epoch > before.epoch;
  faults.expect(hasGrown || before.ownerUid === after.ownerUid, 'epochs-grow', `the owner changed and ${epochs}`);
  faults.expect(hasGrown || before.phase === after.phase || after.phase !== 'removing', 'epochs-grow', `it became removing and ${epochs}`);
  for (const { node, attachment } of holdersOf(after)) {
    const was = ownEntry(before.attachments, node);
    const isNew = was?.nodeUid !== attachment.nodeUid || was.seq !== attachment.seq;
    if (!isNew || attachment.mode !== 'rw') continue;
    faults.expect(hasGrown && attachment.epoch === after.epoch, 'epochs-grow', `${node} may write since now and ${epochs}`);
  }
}

/** What held the volume before holds it unchanged, was replaced by a newer claim of the same machine, or left with stored evidence. */
function checkHolder(before: VolumeDocument, after: VolumeDocument, { node, attachment }: Holder, faults: Faults): void {
  const now = ownEntry(after.attachments, node);
  if (now?.nodeUid === attachment.nodeUid) {
    const isSame = now.seq === attachment.seq && JSON.stringify(now) === JSON.stringify(attachment);
    faults.expect(
      isSame || now.seq > attachment.seq,
      'seq',
      `claim ${String(attachment.seq)} of ${node} became ${String(now.seq)}, or changed`,
    );
    return;
  }
  const { nodeUid, seq, epoch } = attachment;
  const isStored = after.evidence.some(
    (one) => one.node === node && one.nodeUid === nodeUid && one.seq === seq && one.epoch === epoch && !before.evidence.includes(one),
  );
  faults.expect(isStored, 'evidence-before-forgetting', `claim ${String(seq)} of ${node} left without stored evidence`);
}

/** Evidence is added at the end and leaves at the beginning, when there is too much of it. */
function checkEvidenceKept(before: VolumeDocument, after: VolumeDocument, faults: Faults): void {
  const texts = after.evidence.map((one) => JSON.stringify(one));
  const kept = before.evidence.map((one) => JSON.stringify(one)).filter((text) => texts.includes(text));
  const isFull = after.evidence.length === LIMITS.evidence;
  faults.expect(isFull || kept.length === before.evidence.length, 'evidence-before-forgetting', 'stored evidence was lost');
  const isInOrder = kept.every((text, index) => texts[index] === text);
  faults.expect(isInOrder, 'evidence-before-forgetting', 'stored evidence changed its order');
}

const PHASE_ORDER: Readonly<Record<VolumePhase, number>> = { creating: 0, ready: 1, removing: 2 };
