import { AppError } from '@volplane/base';
import {
  ACCESS_MODES,
  isDriverName,
  isIncarnation,
  isMountId,
  isNodeName,
  isNodeUid,
  isOperationId,
  isSessionId,
  isVolumeName,
  isVolumeUid,
  LIMITS,
  TAKEOVER_POLICIES,
  type NodeDocument,
  type SessionDocument,
  type VolumeDocument,
} from '@volplane/domain';
import { z } from 'zod';
import { DOCUMENT_LIMITS, EVIDENCE_KINDS, MOUNT_MODES, OPERATION_KINDS, VOLUME_PHASES } from './document-limits.js';
import { isSurelyVolume } from './volume-check.js';

/** The schemas of every name and id, shared by documents and messages. */
export const volumeName = z.string().refine(isVolumeName, 'not a volume name');
export const nodeName = z.string().refine(isNodeName, 'not a node name');
export const driverName = z.string().refine(isDriverName, 'not a driver name');
export const volumeUid = z.string().refine(isVolumeUid, 'not a volume uid');
export const nodeUid = z.string().refine(isNodeUid, 'not a node uid');
export const operationId = z.string().refine(isOperationId, 'not an operation id');
export const sessionId = z.string().refine(isSessionId, 'not a session id');
export const incarnation = z.string().refine(isIncarnation, 'not an incarnation');
export const mountId = z.string().refine(isMountId, 'not a mount id');
/** Epochs, seqs, start numbers: whole, not negative, exact as a JSON number. */
export const counter = z.number().int().nonnegative();
export const stringMap = z
  .record(z.string().min(1).max(LIMITS.mapKeyBytes), z.string().max(LIMITS.mapValueBytes))
  .refine((map) => Object.keys(map).length <= LIMITS.mapEntries, `more than ${String(LIMITS.mapEntries)} entries`);
const timestamp = z.string().min(1).max(DOCUMENT_LIMITS.timestampLength);
const text = z.string().max(DOCUMENT_LIMITS.textLength);

export const accessMode = z.enum(ACCESS_MODES);
export const takeoverPolicy = z.enum(TAKEOVER_POLICIES);
export const mountMode = z.enum(MOUNT_MODES);
export const scope = z.enum(['local', 'global']);
export const operationKind = z.enum(OPERATION_KINDS);

const attachment = z.strictObject({
  nodeUid,
  session: sessionId,
  seq: counter,
  epoch: counter,
  mode: mountMode,
  since: timestamp,
  claimedFor: mountId,
});

const evidence = z.strictObject({
  kind: z.enum(EVIDENCE_KINDS),
  node: nodeName,
  nodeUid,
  seq: counter,
  epoch: counter,
  at: timestamp,
  detail: text,
});

export const volumeSpec = z.strictObject({
  driver: driverName,
  options: stringMap,
  labels: stringMap,
  accessMode,
  takeover: takeoverPolicy,
  sizeBytes: counter.exactOptional(),
});

export const volumeDocument = z.strictObject({
  schema: z.literal(1),
  name: volumeName,
  uid: volumeUid,
  spec: volumeSpec,
  createdAt: timestamp,
  phase: z.enum(VOLUME_PHASES),
  owner: nodeName,
  ownerUid: nodeUid,
  epoch: counter,
  attachments: z.record(nodeName, attachment),
  operation: z
    .strictObject({
      id: operationId,
      kind: operationKind,
      since: timestamp,
      parameters: stringMap,
      ownerDone: z.boolean().exactOptional(),
      cause: text.exactOptional(),
    })
    .exactOptional(),
  formerOwners: z.array(z.strictObject({ node: nodeName, nodeUid })).max(LIMITS.formerOwners + 1),
  evidence: z.array(evidence).max(LIMITS.evidence),
  snapshots: z
    .record(
      z.string().max(DOCUMENT_LIMITS.snapshotNameLength),
      z.strictObject({ createdAt: timestamp, sizeBytes: counter, ready: z.boolean() }),
    )
    .exactOptional(),
});

export const driverInfo = z.strictObject({
  name: driverName,
  capabilities: z.strictObject({
    scope,
    accessModes: z.array(accessMode).min(1).max(8).readonly(),
    takeover: z.array(takeoverPolicy).min(1).max(4).readonly(),
    abort: z.boolean(),
    fence: z.boolean(),
    size: z.boolean(),
    expand: z.boolean(),
    snapshot: z.boolean(),
    clone: z.boolean(),
    block: z.boolean(),
  }),
  options: stringMap,
});

export const nodeDocument = z.strictObject({
  schema: z.literal(1),
  name: nodeName,
  uid: nodeUid,
  drivers: z.array(driverInfo).max(64),
  labels: stringMap,
  version: z.string().max(64),
  registeredAt: timestamp,
  cordoned: z.boolean(),
  lost: z.strictObject({ at: timestamp, by: text }).exactOptional(),
});

export const sessionDocument = z.strictObject({
  schema: z.literal(1),
  node: nodeName,
  nodeUid,
  session: sessionId,
  incarnation,
  startNumber: counter,
  since: timestamp,
});

/** @throws AppError DOCUMENT_INVALID naming the key and the first fault; the document stays as it is */
export function parseVolumeDocument(key: string, json: string): VolumeDocument {
  const value = parseJson(key, json);
  return isSurelyVolume(value) ? value : checked(volumeDocument, key, value);
}
/** @throws AppError DOCUMENT_INVALID */
export const parseNodeDocument = (key: string, json: string): NodeDocument => checked(nodeDocument, key, parseJson(key, json));
/** @throws AppError DOCUMENT_INVALID */
export const parseSessionDocument = (key: string, json: string): SessionDocument => checked(sessionDocument, key, parseJson(key, json));

/** Documents are stored as one line of JSON in the order of their type's fields, so that etcdctl shows them readably. */
export function encodeDocument(document: VolumeDocument | NodeDocument | SessionDocument): string {
  return JSON.stringify(document);
}

function parseJson(key: string, json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    throw new AppError('DOCUMENT_INVALID', `the document at ${key} is not JSON; it was left alone`, { key }, error);
  }
}

function checked<T>(schema: z.ZodType<T>, key: string, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new AppError('DOCUMENT_INVALID', `the document at ${key} does not validate (${issueText(result.error)}); it was left alone`, {
    key,
  });
}

/** The first fault of a failed parse: where and what, without the value. */
export function issueText(error: z.ZodError): string {
  const issue = error.issues[0];
  return issue === undefined ? 'unknown fault' : `${issue.path.join('.') || 'the whole'}: ${issue.message}`;
}
