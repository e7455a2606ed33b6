import { holdersOf } from './holders.js';
import { ownEntry } from './own-entry.js';
import type { Attachment, VolumeDocument } from './volume.js';

/**
 * What happened to a volume between two of its documents that follow each other, in one sentence. `before` undefined: it was made
 * by this change, or its past is not known; `after` undefined: its record is gone.
 */
export function describeChange(before: VolumeDocument | undefined, after: VolumeDocument | undefined): string {
  if (after === undefined) return before === undefined ? 'nothing' : 'the record was deleted';
  if (before === undefined || before.uid !== after.uid)
    return `recorded as ${after.phase}, owned by ${after.owner}, at epoch ${String(after.epoch)}`;
  const parts = [
    ...phaseParts(before, after),
    ...attachmentParts(before, after),
    ...operationParts(before, after),
    ...settingsParts(before, after),
  ];
  if (before.owner !== after.owner || before.ownerUid !== after.ownerUid) parts.push(`owner ${before.owner} became ${after.owner}`);
  for (const former of before.formerOwners) {
    if (!after.formerOwners.some((other) => other.nodeUid === former.nodeUid))
      parts.push(`former owner ${former.node} owes nothing any more`);
  }
  if (before.epoch !== after.epoch) parts.push(`epoch ${String(before.epoch)} became ${String(after.epoch)}`);
  return parts.length === 0 ? 'written again without a change' : parts.join('; ');
}

function phaseParts(before: VolumeDocument, after: VolumeDocument): readonly string[] {
  if (before.phase === after.phase) return [];
  const cause = after.operation?.cause;
  return [`${before.phase} became ${after.phase}${cause === undefined ? '' : ` because ${cause}`}`];
}

function attachmentParts(before: VolumeDocument, after: VolumeDocument): readonly string[] {
  const parts: string[] = [];
  for (const { node, attachment } of holdersOf(before)) {
    const now = ownEntry(after.attachments, node);
    if (now !== undefined && isSame(now, attachment)) continue;
    const evidence = after.evidence.findLast((one) => one.nodeUid === attachment.nodeUid && one.seq === attachment.seq);
    if (evidence !== undefined) parts.push(`attachment of ${node} ended on evidence ${evidence.kind}: ${evidence.detail}`);
    else if (now === undefined) parts.push(`attachment of ${node} ended without stored evidence`);
  }
  for (const { node, attachment } of holdersOf(after)) {
    const was = ownEntry(before.attachments, node);
    if (was !== undefined && isSame(was, attachment)) continue;
    const again = was?.nodeUid === attachment.nodeUid ? 'anew ' : '';
    parts.push(`granted ${again}${attachment.mode} to ${node} for ${attachment.claimedFor} at epoch ${String(attachment.epoch)}`);
  }
  return parts;
}

function operationParts(before: VolumeDocument, after: VolumeDocument): readonly string[] {
  if (before.operation?.id === after.operation?.id) {
    return before.operation?.ownerDone !== true && after.operation?.ownerDone === true ? [`${after.owner} has removed its part`] : [];
  }
  if (after.operation !== undefined) return [`${after.operation.kind} began`];
  return before.operation === undefined ? [] : [`${before.operation.kind} ended`];
}

function settingsParts(before: VolumeDocument, after: VolumeDocument): readonly string[] {
  const parts: string[] = [];
  if (before.spec.takeover !== after.spec.takeover) parts.push(`takeover policy ${before.spec.takeover} became ${after.spec.takeover}`);
  if (before.spec.sizeBytes !== after.spec.sizeBytes) parts.push(`size became ${String(after.spec.sizeBytes ?? 'unlimited')}`);
  const labels = new Set([...Object.keys(before.spec.labels), ...Object.keys(after.spec.labels)]);
  const changed = [...labels].filter((key) => ownEntry(before.spec.labels, key) !== ownEntry(after.spec.labels, key)).sort();
  if (changed.length > 0) parts.push(`labels changed: ${changed.slice(0, LABELS_TOLD_MAX).join(', ')}`);
  for (const name of Object.keys(after.snapshots ?? {}))
    if (ownEntry(before.snapshots, name) === undefined) parts.push(`snapshot ${name} was made`);
  for (const name of Object.keys(before.snapshots ?? {}))
    if (ownEntry(after.snapshots, name) === undefined) parts.push(`snapshot ${name} was removed`);
  return parts;
}

function isSame(one: Attachment, other: Attachment): boolean {
  return one.nodeUid === other.nodeUid && one.seq === other.seq;
}

/** Keeps a line a line. */
const LABELS_TOLD_MAX = 8;
