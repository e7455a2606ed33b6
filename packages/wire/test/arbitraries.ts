import {
  ACCESS_MODES,
  LIMITS,
  TAKEOVER_POLICIES,
  type AttachmentView,
  type CreateVolumeRequest,
  type DriverInfo,
  type DriverName,
  type Evidence,
  type MountId,
  type MountMode,
  type NodeName,
  type NodeState,
  type NodeUid,
  type NodeView,
  type Operation,
  type OperationId,
  type Scope,
  type Snapshot,
  type SnapshotView,
  type StringMap,
  type VolumeFilter,
  type VolumeName,
  type VolumePhase,
  type VolumeUid,
  type VolumeView,
} from '@volplane/domain';
import fc, { type Arbitrary } from 'fast-check';

/*
 * Any value that a message may carry, in its one form: what is absent has no key, and a map or filter that says nothing is absent.
 */

/** Text as people write it: any Unicode, no lone surrogates, which no valid message holds. */
export const text = fc.string({ unit: 'grapheme', maxLength: 40 });
export const count = fc.nat({ max: Number.MAX_SAFE_INTEGER });
export const timestamp = fc.date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) }).map((date) => date.toISOString());
export const scope = fc.constantFrom<Scope>('local', 'global');
export const mountMode = fc.constantFrom<MountMode>('rw', 'ro');
export const accessMode = fc.constantFrom(...ACCESS_MODES);
export const takeover = fc.constantFrom(...TAKEOVER_POLICIES);
export const nodeState = fc.constantFrom<NodeState>('connected', 'silent', 'gone', 'lost');

// The patterns are those of the domain, so the brands hold.
export const volumeName = fc.stringMatching(/^[a-zA-Z0-9][a-zA-Z0-9_.-]{1,30}$/).map((name) => name as VolumeName);
export const nodeName = fc.stringMatching(/^[a-z0-9]([a-z0-9.-]{0,20}[a-z0-9])?$/).map((name) => name as NodeName);
export const driverName = fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,20}$/).map((name) => name as DriverName);
export const mountId = fc.stringMatching(/^[!-~]{1,40}$/).map((id) => id as MountId);
const hex32 = fc.stringMatching(/^[0-9a-f]{32}$/);
export const volumeUid = hex32.map((uid) => uid as VolumeUid);
export const nodeUid = hex32.map((uid) => uid as NodeUid);

const mapKey = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
  .filter((key) => key !== '__proto__' && Buffer.byteLength(key) <= LIMITS.mapKeyBytes);
export const stringMap: Arbitrary<StringMap> = fc.dictionary(mapKey, text, { maxKeys: 5, noNullPrototype: true });
const filledMap: Arbitrary<StringMap> = fc.dictionary(mapKey, text, { minKeys: 1, maxKeys: 5, noNullPrototype: true });

/** A record in which the keys of `optional` may be missing, and are never undefined. */
export function shape<T extends object>(
  fields: { [Key in keyof T]-?: Arbitrary<Exclude<T[Key], undefined>> },
  optional: readonly (keyof T)[] = [],
): Arbitrary<T> {
  const required = Object.keys(fields).filter((key) => !optional.includes(key as keyof T));
  return fc.record(fields, { requiredKeys: required as (keyof T)[], noNullPrototype: true });
}

export const createVolumeRequest = shape<CreateVolumeRequest>(
  {
    name: text,
    driver: text,
    options: filledMap,
    labels: filledMap,
    accessMode,
    takeover,
    sizeBytes: count,
    node: text,
    topology: filledMap,
    source: shape({ volume: text, snapshot: text }, ['snapshot']),
  },
  ['driver', 'options', 'labels', 'accessMode', 'takeover', 'sizeBytes', 'node', 'topology', 'source'],
);

const textList = fc.array(text, { minLength: 1, maxLength: 4 });
export const volumeFilter = shape<VolumeFilter>(
  { names: textList, namePrefix: text, drivers: textList, scope, labels: filledMap, node: text, dangling: fc.boolean() },
  ['names', 'namePrefix', 'drivers', 'scope', 'labels', 'node', 'dangling'],
);

export const attachment = shape<AttachmentView>({
  node: nodeName,
  nodeUid,
  mode: mountMode,
  epoch: count,
  seq: count,
  since: timestamp,
  claimedFor: mountId,
});

export const operation = shape<Operation>(
  {
    id: hex32.map((id) => id as OperationId),
    kind: fc.constantFrom<Operation['kind']>('create', 'remove', 'expand', 'snapshot', 'remove-snapshot'),
    since: timestamp,
    parameters: stringMap,
    ownerDone: fc.boolean(),
    cause: text,
  },
  ['ownerDone', 'cause'],
);

export const snapshot = shape<Snapshot>({ createdAt: timestamp, sizeBytes: count, ready: fc.boolean() });

export const snapshotView = shape<SnapshotView>({
  name: text,
  volume: volumeName,
  volumeUid,
  driver: driverName,
  scope,
  node: nodeName,
  createdAt: timestamp,
  sizeBytes: count,
  ready: fc.boolean(),
});

export const volumeView = shape<VolumeView>(
  {
    name: volumeName,
    uid: volumeUid,
    driver: driverName,
    scope,
    options: stringMap,
    labels: stringMap,
    accessMode,
    takeover,
    sizeBytes: count,
    createdAt: timestamp,
    phase: fc.constantFrom<VolumePhase>('creating', 'ready', 'removing'),
    generation: count,
    node: nodeName,
    epoch: count,
    attachments: fc.array(attachment, { maxLength: 3 }),
    operation,
    snapshots: fc.dictionary(mapKey, snapshot, { minKeys: 1, maxKeys: 3, noNullPrototype: true }),
    path: text,
    mountIds: fc.array(mountId, { maxLength: 3 }),
    unavailable: fc.constant(true),
  },
  ['sizeBytes', 'operation', 'snapshots', 'path', 'mountIds', 'unavailable'],
);

export const evidence = shape<Evidence>({
  kind: fc.constantFrom<Evidence['kind']>('A', 'B', 'C', 'D'),
  node: nodeName,
  nodeUid,
  seq: count,
  epoch: count,
  at: timestamp,
  detail: text,
});

export const driverInfo = shape<DriverInfo>({
  name: driverName,
  capabilities: shape({
    scope,
    accessModes: fc.array(accessMode, { maxLength: 3 }),
    takeover: fc.array(takeover, { maxLength: 3 }),
    abort: fc.boolean(),
    fence: fc.boolean(),
    size: fc.boolean(),
    expand: fc.boolean(),
    snapshot: fc.boolean(),
    clone: fc.boolean(),
    block: fc.boolean(),
  }),
  options: stringMap,
});

export const nodeView = shape<NodeView>(
  {
    name: nodeName,
    uid: nodeUid,
    state: nodeState,
    drivers: fc.array(driverInfo, { maxLength: 2 }),
    labels: stringMap,
    version: text,
    registeredAt: timestamp,
    cordoned: fc.boolean(),
    sessionSince: timestamp,
    goneSince: timestamp,
    attachedVolumes: fc.nat(),
    ownedVolumes: fc.nat(),
  },
  ['sessionSince', 'goneSince'],
);
