import {
  isDriverName,
  isMountId,
  isNodeName,
  isNodeUid,
  isOperationId,
  isVolumeName,
  isVolumeUid,
  maskedOptions,
  type AttachmentView,
  type MountId,
  type Operation,
  type Snapshot,
  type VolumeView,
} from '@volplane/domain';
import type { Attachment, AttachmentInput } from '../generated/volplane/v1/Attachment.js';
import type { MountIds } from '../generated/volplane/v1/MountIds.js';
import type { Operation as WireOperation, OperationInput } from '../generated/volplane/v1/Operation.js';
import type { Snapshot as WireSnapshot, SnapshotInput } from '../generated/volplane/v1/Snapshot.js';
import type { Volume, VolumeInput } from '../generated/volplane/v1/Volume.js';
import { accessModes, mountModes, operationKinds, scopes, takeoverPolicies, volumePhases } from './enums.js';
import { hasEntries, mapFromWire, required, textFromWire, uint64FromWire, uint64ToWire, type Writable } from './scalars.js';

export function volumeToWire(volume: VolumeView): VolumeInput {
  const message: VolumeInput = {
    name: volume.name,
    uid: volume.uid,
    driver: volume.driver,
    scope: scopes.toWire(volume.scope),
    // A secret belongs in a file; one that was given as an option all the same is not shown to everybody who may look.
    options: maskedOptions(volume.options),
    labels: volume.labels,
    accessMode: accessModes.toWire(volume.accessMode),
    takeover: takeoverPolicies.toWire(volume.takeover),
    createdAt: volume.createdAt,
    phase: volumePhases.toWire(volume.phase),
    generation: uint64ToWire(volume.generation, 'volume.generation'),
    node: volume.node,
    epoch: uint64ToWire(volume.epoch, 'volume.epoch'),
    attachments: volume.attachments.map(attachmentToWire),
  };
  if (volume.sizeBytes !== undefined) message.sizeBytes = uint64ToWire(volume.sizeBytes, 'volume.size_bytes');
  if (volume.operation !== undefined) message.operation = operationToWire(volume.operation);
  if (volume.snapshots !== undefined) message.snapshots = mapValues(volume.snapshots, snapshotToWire);
  if (volume.path !== undefined) message.path = volume.path;
  if (volume.mountIds !== undefined) message.mountIds = { ids: [...volume.mountIds] };
  if (volume.unavailable === true) message.unavailable = true;
  return message;
}

/** @throws AppError INVALID_ARGUMENT or TOO_LARGE naming the field */
export function volumeFromWire(message: Volume): VolumeView {
  const volume: Writable<VolumeView> = {
    name: textFromWire(message.name, isVolumeName, 'volume.name'),
    uid: textFromWire(message.uid, isVolumeUid, 'volume.uid'),
    driver: textFromWire(message.driver, isDriverName, 'volume.driver'),
    scope: scopes.requiredFromWire(message.scope, 'volume.scope'),
    options: mapFromWire(message.options, 'volume.options'),
    labels: mapFromWire(message.labels, 'volume.labels'),
    accessMode: accessModes.requiredFromWire(message.accessMode, 'volume.access_mode'),
    takeover: takeoverPolicies.requiredFromWire(message.takeover, 'volume.takeover'),
    createdAt: message.createdAt,
    phase: volumePhases.requiredFromWire(message.phase, 'volume.phase'),
    generation: uint64FromWire(message.generation, 'volume.generation'),
    node: textFromWire(message.node, isNodeName, 'volume.node'),
    epoch: uint64FromWire(message.epoch, 'volume.epoch'),
    attachments: message.attachments.map(attachmentFromWire),
  };
  if (message.sizeBytes !== undefined) volume.sizeBytes = uint64FromWire(message.sizeBytes, 'volume.size_bytes');
  if (message.operation !== null) volume.operation = operationFromWire(message.operation);
  if (hasEntries(message.snapshots)) volume.snapshots = mapValues(message.snapshots, snapshotFromWire);
  if (message.path !== undefined) volume.path = message.path;
  if (message.mountIds !== null) volume.mountIds = mountIdsFromWire(message.mountIds, 'volume.mount_ids');
  if (message.unavailable) volume.unavailable = true;
  return volume;
}

export function attachmentToWire(attachment: AttachmentView): AttachmentInput {
  return {
    node: attachment.node,
    nodeUid: attachment.nodeUid,
    mode: mountModes.toWire(attachment.mode),
    epoch: uint64ToWire(attachment.epoch, 'attachment.epoch'),
    seq: uint64ToWire(attachment.seq, 'attachment.seq'),
    since: attachment.since,
    claimedFor: attachment.claimedFor,
  };
}

export function attachmentFromWire(message: Attachment): AttachmentView {
  return {
    node: textFromWire(message.node, isNodeName, 'attachment.node'),
    nodeUid: textFromWire(message.nodeUid, isNodeUid, 'attachment.node_uid'),
    mode: mountModes.requiredFromWire(message.mode, 'attachment.mode'),
    epoch: uint64FromWire(message.epoch, 'attachment.epoch'),
    seq: uint64FromWire(message.seq, 'attachment.seq'),
    since: message.since,
    claimedFor: textFromWire(message.claimedFor, isMountId, 'attachment.claimed_for'),
  };
}

export function mountIdsFromWire(message: MountIds, field: string): readonly MountId[] {
  return message.ids.map((id) => textFromWire(id, isMountId, field));
}

function operationToWire(operation: Operation): OperationInput {
  const message: OperationInput = {
    id: operation.id,
    kind: operationKinds.toWire(operation.kind),
    since: operation.since,
    parameters: operation.parameters,
  };
  if (operation.ownerDone !== undefined) message.ownerDone = operation.ownerDone;
  if (operation.cause !== undefined) message.cause = operation.cause;
  return message;
}

function operationFromWire(message: WireOperation): Operation {
  const operation: Writable<Operation> = {
    id: textFromWire(message.id, isOperationId, 'operation.id'),
    kind: operationKinds.requiredFromWire(message.kind, 'operation.kind'),
    since: message.since,
    parameters: mapFromWire(message.parameters, 'operation.parameters'),
  };
  if (message.ownerDone !== undefined) operation.ownerDone = message.ownerDone;
  if (message.cause !== undefined) operation.cause = message.cause;
  return operation;
}

function snapshotToWire(snapshot: Snapshot): SnapshotInput {
  return { createdAt: snapshot.createdAt, sizeBytes: uint64ToWire(snapshot.sizeBytes, 'snapshot.size_bytes'), ready: snapshot.ready };
}

function snapshotFromWire(message: WireSnapshot | null): Snapshot {
  const snapshot = required(message, 'volume.snapshots');
  return { createdAt: snapshot.createdAt, sizeBytes: uint64FromWire(snapshot.sizeBytes, 'snapshot.size_bytes'), ready: snapshot.ready };
}

function mapValues<From, To>(map: Readonly<Record<string, From>>, convert: (value: From) => To): Record<string, To> {
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key, convert(value)]));
}
