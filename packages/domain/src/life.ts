import type { Failure } from '@volplane/base';
import { isSingleNode } from './access.js';
import { moveOwner, releaseByLease } from './claim.js';
import { commit, refuse, unchanged, type ClusterView, type Decision, type Requirement } from './decision.js';
import { attachedFailure, heldFailure, holdersOf } from './holders.js';
import type { NodeName, NodeUid, OperationId, SessionId, VolumeName, VolumeUid } from './names.js';
import { LIMITS, type Operation, type StringMap, type VolumeDocument, type VolumeSpec } from './volume.js';

/** A node that an operation can be given to: it has a session, and the commit compares it. */
export interface LiveNode {
  readonly node: NodeName;
  readonly nodeUid: NodeUid;
  readonly session: SessionId;
}

export interface Create {
  readonly name: VolumeName;
  readonly uid: VolumeUid;
  readonly operationId: OperationId;
  readonly spec: VolumeSpec;
  readonly owner: LiveNode;
  /** Of the operation: a source to clone from. */
  readonly parameters: StringMap;
}

/** Records the intent to create; the same identity again joins what is there (invariants 3 and 9). */
export function decideCreate(document: VolumeDocument | undefined, create: Create, view: ClusterView): Decision<VolumeDocument> {
  if (document === undefined) {
    const next: VolumeDocument = {
      schema: 1,
      name: create.name,
      uid: create.uid,
      spec: create.spec,
      createdAt: view.now,
      phase: 'creating',
      owner: create.owner.node,
      ownerUid: create.owner.nodeUid,
      epoch: 1,
      attachments: {},
      operation: { id: create.operationId, kind: 'create', since: view.now, parameters: create.parameters },
      formerOwners: [],
      evidence: [],
    };
    return commit(next, next, [present(create.owner)]);
  }
  const difference = identityDifference(document.spec, create.spec);
  if (difference.length > 0) return refuse('VOLUME_CONFLICT', `volume ${create.name} exists with another identity: ${difference.join('; ')}`, { volume: create.name, uid: document.uid, difference: difference.join('; ') });
  if (document.phase === 'removing') return refuse('VOLUME_REMOVING', removingText(document), { volume: create.name, uid: document.uid });
  return unchanged(document);
}

/** Identity is (driver, options, access mode, size): what differs, in words, the present value first; empty = the same. */
export function identityDifference(present: VolumeSpec, asked: VolumeSpec): readonly string[] {
  const differences: string[] = [];
  const compare = (what: string, one: string | undefined, other: string | undefined, show: (text: string) => string = (text) => text): void => {
    if (one === other) return;
    differences.push(`${what} is ${one === undefined ? 'not set' : show(one)}, asked for ${other === undefined ? 'none' : show(other)}`);
  };
  compare('driver', present.driver, asked.driver);
  for (const key of [...new Set([...Object.keys(present.options), ...Object.keys(asked.options)])].sort()) {
    compare(`option ${key}`, present.options[key], asked.options[key], (text) => maskedOption(key, text));
  }
  compare('access mode', present.accessMode, asked.accessMode);
  compare('size', present.sizeBytes?.toString(), asked.sizeBytes?.toString());
  return differences;
}

/** An option's value as it may be shown: secrets by their key, and passwords inside mount options, are hidden. */
export function maskedOption(key: string, value: string): string {
  if (/pass|secret|token|credential/i.test(key)) return '***';
  return JSON.stringify(value.replace(/(pass(?:word|wd)?=)[^,]*/gi, '$1***'));
}

/** An agent's word on the operation that it was given. */
export interface OperationAnswer {
  readonly uid: VolumeUid;
  readonly operationId: OperationId;
  readonly nodeUid: NodeUid;
  /** The epoch of the command that is answered. */
  readonly epoch: number;
  readonly result: { readonly type: 'done'; readonly facts: StringMap } | { readonly type: 'failed'; readonly failure: Failure };
}

/**
 * Records the answer to a command (rules 17 and 18): it counts only for the operation and the epoch that it was given for.
 * A late one changes nothing. The answer tells the document as it now is; undefined = gone.
 */
export function decideAnswer(document: VolumeDocument | undefined, answer: OperationAnswer, rollbackId: OperationId, view: ClusterView): Decision<VolumeDocument | undefined> {
  const operation = document?.operation;
  if (document === undefined || operation === undefined || document.uid !== answer.uid) return unchanged(document);
  if (operation.id !== answer.operationId || document.epoch !== answer.epoch) return unchanged(document);
  if (document.phase === 'removing') return recordRemoved(document, operation, answer);
  if (document.ownerUid !== answer.nodeUid) return unchanged(document);
  if (answer.result.type === 'failed') {
    if (document.phase === 'creating') return toRemoving(document, rollbackId, view, answer.result.failure.message);
    const { operation: _, ...rest } = document;
    return commit(rest, rest);
  }
  const { operation: _, ...rest } = document;
  const next: VolumeDocument = { ...withFacts(rest, operation, answer.result.facts, view), phase: 'ready' };
  return commit(next, next);
}

function recordRemoved(document: VolumeDocument, operation: Operation, answer: OperationAnswer): Decision<VolumeDocument | undefined> {
  // A remove only goes forward: a failure is tried again by the next sweep, never rolled back (rule 15).
  if (answer.result.type === 'failed') return unchanged(document);
  const byOwner = document.ownerUid === answer.nodeUid;
  const formerOwners = document.formerOwners.filter((former) => former.nodeUid !== answer.nodeUid);
  const ownerDone = byOwner || operation.ownerDone === true;
  if (ownerDone && formerOwners.length === 0) return commit(undefined, undefined);
  if (!byOwner && formerOwners.length === document.formerOwners.length) return unchanged(document);
  const next: VolumeDocument = { ...document, formerOwners, operation: { ...operation, ...(ownerDone ? { ownerDone } : {}) } };
  return commit(next, next);
}

/** What a finished operation leaves in the document. */
function withFacts(document: VolumeDocument, operation: Operation, facts: StringMap, view: ClusterView): VolumeDocument {
  const size = Number(facts['sizeBytes'] ?? Number.NaN);
  const snapshot = operation.parameters['snapshot'];
  switch (operation.kind) {
    case 'expand':
      return Number.isSafeInteger(size) ? { ...document, spec: { ...document.spec, sizeBytes: size } } : document;
    case 'snapshot':
      return snapshot === undefined
        ? document
        : { ...document, snapshots: { ...document.snapshots, [snapshot]: { createdAt: view.now, sizeBytes: Number.isSafeInteger(size) ? size : 0, ready: true } } };
    case 'remove-snapshot': {
      const snapshots = { ...document.snapshots };
      if (snapshot !== undefined) Reflect.deleteProperty(snapshots, snapshot);
      return { ...document, snapshots };
    }
    case 'create':
    case 'remove':
      return document;
  }
}

/** Begins work on a ready volume: expand, snapshot, remove-snapshot. One at a time. */
export function decideBegin(
  document: VolumeDocument | undefined,
  begin: { readonly name: string; readonly operationId: OperationId; readonly kind: Operation['kind']; readonly parameters: StringMap },
  view: ClusterView,
): Decision<VolumeDocument> {
  if (document === undefined) return refuse('VOLUME_NOT_FOUND', `volume ${begin.name} does not exist`, { volume: begin.name });
  const busy = refuseUnlessReady(document);
  if (busy !== undefined) return busy;
  const owner = view.session(document.owner);
  if (owner === undefined) {
    return refuse('NODE_UNAVAILABLE', `volume ${document.name} is owned by node ${document.owner}, which is gone`, { volume: document.name, node: document.owner });
  }
  const next: VolumeDocument = { ...document, operation: { id: begin.operationId, kind: begin.kind, since: view.now, parameters: begin.parameters } };
  return commit(next, next, [{ type: 'session-present', node: document.owner, session: owner.session }]);
}

/** Begins the removal: refused while attached, naming every holder; in removal already: joins it. */
export function decideRemove(
  document: VolumeDocument | undefined,
  remove: { readonly name: string; readonly operationId: OperationId; readonly uid?: string },
  view: ClusterView,
): Decision<VolumeDocument | undefined> {
  if (document === undefined || (remove.uid !== undefined && remove.uid !== document.uid)) {
    return refuse('VOLUME_NOT_FOUND', `volume ${remove.name} does not exist`, { volume: remove.name });
  }
  if (document.phase === 'removing') return unchanged(document);
  const free = releaseByLease(document, view);
  if (Object.keys(free.document.attachments).length > 0) return { type: 'refuse', failure: attachedFailure(free.document, view, 'removed') };
  return toRemoving(free.document, remove.operationId, view, undefined, free.requirements);
}

function toRemoving(document: VolumeDocument, id: OperationId, view: ClusterView, cause: string | undefined, requirements: readonly Requirement[] = []): Decision<VolumeDocument> {
  const operation: Operation = { id, kind: 'remove', since: view.now, parameters: {}, ...(cause === undefined ? {} : { cause: cause.slice(0, CAUSE_MAX) }) };
  const next: VolumeDocument = { ...document, phase: 'removing', epoch: document.epoch + 1, operation };
  return commit(next, next, requirements);
}

/** Deletes the record and leaves the data where it is. */
export function decideForget(document: VolumeDocument | undefined, name: string, view: ClusterView): Decision<undefined> {
  if (document === undefined) return refuse('VOLUME_NOT_FOUND', `volume ${name} does not exist`, { volume: name });
  if (holdersOf(document).length > 0) return { type: 'refuse', failure: attachedFailure(document, view, 'forgotten') };
  return commit(undefined, undefined);
}

/**
 * Gives the volume's operations to `to`. By request while the owner lives (`ready`, free of work), or because the owner's
 * session has ended; then the transaction compares that too. Raises the epoch.
 */
export function decideRehome(document: VolumeDocument, to: LiveNode, why: 'requested' | 'owner-gone', view: ClusterView): Decision<VolumeDocument> {
  if (document.ownerUid === to.nodeUid) return unchanged(document);
  if (why === 'requested') {
    const busy = refuseUnlessReady(document);
    if (busy !== undefined) return busy;
  }
  const holder = isSingleNode(document.spec.accessMode) ? holdersOf(document).find((other) => other.node !== to.node) : undefined;
  if (holder !== undefined) return { type: 'refuse', failure: heldFailure(document, holder, view, { node: to.node, mode: holder.attachment.mode }) };
  if (document.formerOwners.length >= LIMITS.formerOwners) {
    return refuse('CONTENTION', `volume ${document.name} has ${String(LIMITS.formerOwners)} former owners that still owe an answer: declare the dead ones lost`, { volume: document.name });
  }
  const requirements: Requirement[] = [present(to)];
  if (why === 'owner-gone') requirements.push({ type: 'session-absent', node: document.owner });
  const next = moveOwner({ ...document, epoch: document.epoch + 1 }, to);
  return commit(next, next, requirements);
}

/** Drops former owners that an operator declared lost; nothing is owed by them any more. */
export function decideDropLost(document: VolumeDocument, view: ClusterView): Decision<VolumeDocument | undefined> {
  const formerOwners = document.formerOwners.filter((former) => {
    const node = view.node(former.node);
    return !(node?.lost !== undefined && node.uid === former.nodeUid);
  });
  if (formerOwners.length === document.formerOwners.length) return unchanged(document);
  if (document.phase === 'removing' && document.operation?.ownerDone === true && formerOwners.length === 0) return commit(undefined, undefined);
  const next = { ...document, formerOwners };
  return commit(next, next);
}

export function decideLabels(
  document: VolumeDocument | undefined,
  change: { readonly name: string; readonly set: StringMap; readonly drop: readonly string[] },
): Decision<VolumeDocument> {
  if (document === undefined) return refuse('VOLUME_NOT_FOUND', `volume ${change.name} does not exist`, { volume: change.name });
  const labels: Record<string, string> = { ...document.spec.labels, ...change.set };
  for (const key of change.drop) Reflect.deleteProperty(labels, key);
  if (Object.keys(labels).length > LIMITS.mapEntries) {
    return refuse('TOO_LARGE', `volume ${document.name} would have ${String(Object.keys(labels).length)} labels, at most ${String(LIMITS.mapEntries)} are allowed`, { volume: document.name, field: 'labels' });
  }
  const next = { ...document, spec: { ...document.spec, labels } };
  return commit(next, next);
}

function refuseUnlessReady(document: VolumeDocument): Decision<never> | undefined {
  const about = { volume: document.name, uid: document.uid };
  if (document.phase === 'creating') return refuse('VOLUME_CREATING', `volume ${document.name} is still being created`, about);
  if (document.phase === 'removing') return refuse('VOLUME_REMOVING', removingText(document), about);
  if (document.operation !== undefined) return refuse('CONTENTION', `volume ${document.name} has the operation ${document.operation.kind} in flight since ${document.operation.since}`, about);
  return undefined;
}

function removingText(document: VolumeDocument): string {
  const cause = document.operation?.cause;
  return cause === undefined ? `volume ${document.name} is being removed` : `volume ${document.name} could not be created and is being rolled back: ${cause}`;
}

const present = (live: LiveNode): Requirement => ({ type: 'session-present', node: live.node, session: live.session });

/** A cause is for people; the log has it whole. */
const CAUSE_MAX = 500;
