import type { Failure } from '@volplane/base';
import { commit, present, refuse, unchanged, type ClusterView, type Decision, type LiveNode, type Requirement } from './decision.js';
import { attachedFailure, holdersOf } from './holders.js';
import { identityDifference } from './identity.js';
import { sessionOf } from './liveness.js';
import { quote, type NodeUid, type OperationId, type VolumeName, type VolumeUid } from './names.js';
import { ownerOf } from './ownership.js';
import { refuseUnlessReady, removingText, withoutOperation } from './phase.js';
import { freeOnEvidence } from './release.js';
import type { Operation, StringMap, VolumeDocument, VolumeSpec } from './volume.js';

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
  // First: what is being removed is no conflict, the name is free in a moment.
  if (document.phase === 'removing') return refuse('VOLUME_REMOVING', removingText(document), { volume: create.name, uid: document.uid });
  const difference = identityDifference(document.spec, create.spec);
  if (difference.length > 0)
    return refuse('VOLUME_CONFLICT', `volume ${create.name} exists with another identity: ${difference.join('; ')}`, {
      volume: create.name,
      uid: document.uid,
      difference: difference.join('; '),
    });
  return unchanged(document);
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
export function decideAnswer(
  document: VolumeDocument | undefined,
  answer: OperationAnswer,
  rollbackId: OperationId,
  view: ClusterView,
): Decision<VolumeDocument | undefined> {
  const operation = document?.operation;
  if (document === undefined || operation === undefined || document.uid !== answer.uid) return unchanged(document);
  if (operation.id !== answer.operationId || document.epoch !== answer.epoch) return unchanged(document);
  if (document.phase === 'removing') return recordRemoved(document, operation, answer);
  if (document.ownerUid !== answer.nodeUid) return unchanged(document);
  if (answer.result.type === 'failed') {
    if (document.phase === 'creating') return toRemoving(document, rollbackId, view, answer.result.failure.message);
    const rest = withoutOperation(document);
    return commit(rest, rest);
  }
  const next: VolumeDocument = { ...withFacts(withoutOperation(document), operation, answer.result.facts, view), phase: 'ready' };
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
        : {
            ...document,
            snapshots: {
              ...document.snapshots,
              [snapshot]: { createdAt: view.now, sizeBytes: Number.isSafeInteger(size) ? size : 0, ready: true },
            },
          };
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
  const owner = sessionOf(view, ownerOf(document));
  if (owner === undefined) {
    return refuse('NODE_UNAVAILABLE', `volume ${document.name} is owned by node ${document.owner}, which is gone`, {
      volume: document.name,
      node: document.owner,
    });
  }
  const next: VolumeDocument = {
    ...document,
    operation: { id: begin.operationId, kind: begin.kind, since: view.now, parameters: begin.parameters },
  };
  return commit(next, next, [{ type: 'session-present', node: document.owner, session: owner.session }]);
}

/**
 * Begins the removal: refused while attached, naming every holder; in removal already: joins it. The answer is `ready` still when
 * more dead holders had to be ended than one transaction can compare; the next decision goes on.
 */
export function decideRemove(
  document: VolumeDocument | undefined,
  remove: { readonly name: string; readonly operationId: OperationId; readonly uid?: string },
  view: ClusterView,
): Decision<VolumeDocument | undefined> {
  if (document === undefined) return refuse('VOLUME_NOT_FOUND', `volume ${remove.name} does not exist`, { volume: remove.name });
  if (remove.uid !== undefined && remove.uid !== document.uid) return { type: 'refuse', failure: otherUidFailure(document, remove.uid) };
  if (document.phase === 'removing') return unchanged(document);
  const free = freeOnEvidence(document, view);
  if (free.staying.length > 0) return { type: 'refuse', failure: attachedFailure(document, view, 'removed', free.staying) };
  if (Object.keys(free.document.attachments).length > 0) return commit(free.document, free.document, free.requirements);
  return toRemoving(free.document, remove.operationId, view, undefined, free.requirements);
}

/** What is to be removed is gone: the name belongs to another volume by now, or the uid was mistyped. */
export function otherUidFailure({ name, uid }: { readonly name: string; readonly uid: string }, asked: string): Failure {
  const message = `volume ${name} of uid ${quote(asked)} does not exist: the one of this name has uid ${uid}`;
  return { reason: 'VOLUME_NOT_FOUND', message, fields: { volume: name, uid: asked.slice(0, 80), otherUid: uid } };
}

function toRemoving(
  document: VolumeDocument,
  id: OperationId,
  view: ClusterView,
  cause: string | undefined,
  requirements: readonly Requirement[] = [],
): Decision<VolumeDocument> {
  const operation: Operation = {
    id,
    kind: 'remove',
    since: view.now,
    parameters: {},
    ...(cause === undefined ? {} : { cause: cause.slice(0, CAUSE_MAX) }),
  };
  const next: VolumeDocument = { ...document, phase: 'removing', epoch: document.epoch + 1, operation };
  return commit(next, next, requirements);
}

/** Deletes the record and leaves the data where it is. */
export function decideForget(document: VolumeDocument | undefined, name: string, view: ClusterView): Decision<undefined> {
  if (document === undefined) return refuse('VOLUME_NOT_FOUND', `volume ${name} does not exist`, { volume: name });
  if (holdersOf(document).length > 0) return { type: 'refuse', failure: attachedFailure(document, view, 'forgotten') };
  return commit(undefined, undefined);
}

/** A cause is for people; the log has it whole. */
const CAUSE_MAX = 500;
