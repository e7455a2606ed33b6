import {
  ACCESS_MODES,
  isDriverName,
  isMountId,
  isNodeName,
  isNodeUid,
  isOperationId,
  isSessionId,
  isVolumeName,
  isVolumeUid,
  LIMITS,
  TAKEOVER_POLICIES,
  type VolumeDocument,
} from '@volplane/domain';
import { DOCUMENT_LIMITS, EVIDENCE_KINDS, MOUNT_MODES, OPERATION_KINDS, VOLUME_PHASES } from './document-limits.js';

/**
 * True for most of what the schema `volumeDocument` accepts, and for nothing that it refuses; the schema decides about the rest.
 *
 * A manager reads every volume when it starts, and the schema takes ten times as long for each. A test holds the two against each other.
 * @param value - as `JSON.parse` makes it
 */
export function isSurelyVolume(value: unknown): value is VolumeDocument {
  return volume(value);
}

type Check = (value: unknown) => boolean;

const counter: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0; // a safe integer is a number
const flag: Check = (value) => typeof value === 'boolean';
const timestamp = text((value) => value.length >= 1 && value.length <= DOCUMENT_LIMITS.timestampLength);
const note = text((value) => value.length <= DOCUMENT_LIMITS.textLength);
const stringMap = map(
  (key) => key.length >= 1 && key.length <= LIMITS.mapKeyBytes,
  text((value) => value.length <= LIMITS.mapValueBytes),
  LIMITS.mapEntries,
);

const attachment = fields({
  nodeUid: text(isNodeUid),
  session: text(isSessionId),
  seq: counter,
  epoch: counter,
  mode: oneOf(MOUNT_MODES),
  since: timestamp,
  claimedFor: text(isMountId),
});

const evidence = fields({
  kind: oneOf(EVIDENCE_KINDS),
  node: text(isNodeName),
  nodeUid: text(isNodeUid),
  seq: counter,
  epoch: counter,
  at: timestamp,
  detail: note,
});

const spec = fields(
  {
    driver: text(isDriverName),
    options: stringMap,
    labels: stringMap,
    accessMode: oneOf(ACCESS_MODES),
    takeover: oneOf(TAKEOVER_POLICIES),
  },
  { sizeBytes: counter },
);

const operation = fields(
  { id: text(isOperationId), kind: oneOf(OPERATION_KINDS), since: timestamp, parameters: stringMap },
  { ownerDone: flag, cause: note },
);

const snapshot = fields({ createdAt: timestamp, sizeBytes: counter, ready: flag });

const volume = fields(
  {
    schema: (value) => value === 1,
    name: text(isVolumeName),
    uid: text(isVolumeUid),
    spec,
    createdAt: timestamp,
    phase: oneOf(VOLUME_PHASES),
    owner: text(isNodeName),
    ownerUid: text(isNodeUid),
    epoch: counter,
    attachments: map(isNodeName, attachment),
    formerOwners: list(fields({ node: text(isNodeName), nodeUid: text(isNodeUid) }), LIMITS.formerOwners + 1),
    evidence: list(evidence, LIMITS.evidence),
  },
  { operation, snapshots: map((key) => key.length <= DOCUMENT_LIMITS.snapshotNameLength, snapshot) },
);

function text(passes: (value: string) => boolean): Check {
  return (value) => typeof value === 'string' && passes(value);
}

function oneOf(words: readonly string[]): Check {
  const known: ReadonlySet<unknown> = new Set(words);
  return (value) => known.has(value);
}

function list(element: Check, lengthMax: number): Check {
  return (value) => Array.isArray(value) && value.length <= lengthMax && value.every(element);
}

function map(passesKey: (key: string) => boolean, entry: Check, entriesMax = Infinity): Check {
  return (value) => {
    if (!isObject(value)) return false;
    let entries = 0;
    for (const key in value) {
      // The schema drops a key of this name without a word, so it must make the copy.
      if (key === '__proto__' || !passesKey(key) || !entry(value[key])) return false;
      entries += 1;
    }
    return entries <= entriesMax;
  };
}

/** All of `required`, any of `optional`, and nothing else. */
function fields(required: Readonly<Record<string, Check>>, optional: Readonly<Record<string, Check>> = {}): Check {
  const checks = new Map(Object.entries({ ...required, ...optional }));
  const requiredNames = new Set(Object.keys(required));
  return (value) => {
    if (!isObject(value)) return false;
    let found = 0;
    for (const name in value) {
      if (checks.get(name)?.(value[name]) !== true) return false;
      if (requiredNames.has(name)) found += 1;
    }
    return found === requiredNames.size;
  };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
