import { AppError, parseFailure, toFailure, type Failure } from '@volplane/base';
import type { NodeName } from '@volplane/domain';
import { z } from 'zod';
import {
  counter,
  driverInfo,
  incarnation,
  issueText,
  mountId,
  mountMode,
  nodeName,
  nodeUid,
  operationId,
  operationKind,
  sessionId,
  stringMap,
  volumeName,
  volumeSpec,
  volumeUid,
} from './document.js';

/** Where managers listen, as one group: any of them answers. */
export const MANAGERS_SUBJECT = 'volplane.v1.managers';
export const MANAGERS_GROUP = 'managers';

/** Where one node's agent listens. Node names have dots, subject tokens must not; names never have an underscore. */
export function nodeSubject(node: NodeName): string {
  return `volplane.v1.node.${node.replaceAll('.', '_')}`;
}

/** Bounds of list messages, so that one message stays below a bus's 1 MiB: about 200 bytes an entry. */
export const HELD_ENTRIES_MAX = 2_000;

/** Who speaks: every message of an agent about its session names all four. */
const speaker = { node: nodeName, nodeUid, session: sessionId, incarnation };

const register = z.strictObject({
  type: z.literal('register'),
  node: nodeName,
  nodeUid,
  incarnation,
  startNumber: counter,
  drivers: z.array(driverInfo).max(64),
  labels: stringMap,
  version: z.string().max(64),
});

const heartbeat = z.strictObject({
  type: z.literal('heartbeat'),
  ...speaker,
  /** The agent's count of heartbeats in this incarnation; routed mounts are bounded by it. */
  beat: counter,
  /** {@link heldDigest} of what the agent holds; on a difference the manager asks for the list. */
  digest: z.string().max(64),
});

const claim = z.strictObject({
  type: z.literal('claim'),
  ...speaker,
  name: volumeName,
  uid: volumeUid.exactOptional(),
  seq: counter,
  mode: mountMode,
  mountId,
});

const release = z.strictObject({
  type: z.literal('release'),
  ...speaker,
  name: volumeName,
  uid: volumeUid,
  seq: counter,
  detail: z.string().max(200),
});

const heldEntry = z.strictObject({
  name: volumeName,
  /** Absent while claiming a name whose uid the agent does not know yet. */
  uid: volumeUid.exactOptional(),
  seq: counter,
  state: z.enum(['held', 'claiming']),
});

/** One part of the agent's list: everything that it holds or claims with `from` <= name < `to`, read as one snapshot. */
const heldList = z.strictObject({
  type: z.literal('held-list'),
  ...speaker,
  /** The agent's seq at the snapshot: what is absent was given up by then. */
  seq: counter,
  from: z.string().max(128),
  /** Absent = to the end. */
  to: z.string().max(128).exactOptional(),
  entries: z.array(heldEntry).max(HELD_ENTRIES_MAX),
});

/** `turn` grows from each of these messages of one incarnation to the next. */
const unguarded = z.strictObject({ type: z.literal('unguarded'), ...speaker, unguarded: z.boolean(), turn: counter });

/** The mirror of a node's local volumes, for listing while it is away. */
const inventory = z.strictObject({
  type: z.literal('inventory'),
  ...speaker,
  volumes: z
    .array(z.strictObject({ name: volumeName, uid: volumeUid, driver: z.string().max(63), createdAt: z.string().max(40) }))
    .max(HELD_ENTRIES_MAX),
  truncated: z.boolean(),
});

/** How long a question for changes may wait for the first one. */
const CHANGES_WAIT_MS_MAX = 30_000;

/** What changed in the cluster after a revision, and its prefix; no revision: which is the present one. */
const changes = z.strictObject({
  type: z.literal('changes'),
  of: z.enum(['volumes', 'nodes']),
  afterRevision: counter.exactOptional(),
  namePrefix: z.string().max(128),
  waitMs: z.number().int().min(0).max(CHANGES_WAIT_MS_MAX),
});

/** A call of the API, passed on as it is. The receiver checks the request like one of any door. */
const call = z.strictObject({
  type: z.literal('call'),
  method: z.string().max(64),
  request: z.record(z.string(), z.unknown()),
  timeoutMs: z.number().int().positive(),
});

export const managerMessage = z.discriminatedUnion('type', [
  register,
  heartbeat,
  claim,
  release,
  heldList,
  unguarded,
  inventory,
  changes,
  call,
]);
export type ManagerMessage = z.infer<typeof managerMessage>;
export type MessageOf<T extends ManagerMessage['type']> = Extract<ManagerMessage, { readonly type: T }>;

/** Which life of the agent a message is meant for; any other refuses it (rules 3 and 15). */
const addressee = { session: sessionId, incarnation };

const command = z.strictObject({
  type: z.literal('command'),
  ...addressee,
  name: volumeName,
  uid: volumeUid,
  spec: volumeSpec,
  kind: operationKind,
  operationId,
  epoch: counter,
  parameters: stringMap,
});

const fence = z.strictObject({
  type: z.literal('fence'),
  ...addressee,
  name: volumeName,
  uid: volumeUid,
  spec: volumeSpec,
  epoch: counter,
});

/**
 * A mount for a caller elsewhere; refused when the agent has counted more than `untilBeat` heartbeats (rule 8).
 * `requestId` is new for each call: a doubled message joins the first one's answer.
 */
const routedMount = z.strictObject({
  type: z.literal('mount'),
  ...addressee,
  name: volumeName,
  mountId,
  mode: mountMode.exactOptional(),
  untilBeat: counter,
  requestId: z.string().min(1).max(64),
});

/** Ends every use of the volume on the node under this claim, because an operator said so; the release that follows is evidence A. */
const forceRelease = z.strictObject({
  type: z.literal('force-release'),
  ...addressee,
  name: volumeName,
  uid: volumeUid,
  /** Of the claim that the operator saw: a late word ends no newer mount. */
  seq: counter,
  note: z.string().max(200),
});

/** Which mount ids use these volumes now, and how many heartbeats the agent has counted. */
const users = z.strictObject({ type: z.literal('users'), uids: z.array(volumeUid).max(64) });

export const agentMessage = z.discriminatedUnion('type', [command, fence, routedMount, forceRelease, users, call]);
export type AgentMessage = z.infer<typeof agentMessage>;
export type AgentMessageOf<T extends AgentMessage['type']> = Extract<AgentMessage, { readonly type: T }>;

export const registered = z.object({ session: sessionId, ttlMs: z.number().positive() });
/** `unguarded`: whether the node is recorded as such, as this manager knows it. */
export const heartbeatAnswer = z.object({
  alive: z.boolean(),
  wantsList: z.boolean(),
  wantsInventory: z.boolean(),
  unguarded: z.boolean(),
});
export const grantAnswer = z.object({ name: volumeName, uid: volumeUid, spec: volumeSpec, epoch: counter, seq: counter, mode: mountMode });
/** `events` are those of the API's watches, made by software of ours on the other side, not parsed again. */
export const changesAnswer = z.object({ revision: counter, events: z.array(z.unknown()) });
export const heldListAnswer = z.object({ notYours: z.array(z.object({ name: volumeName, uid: volumeUid, seq: counter })) });
export const commandAnswer = z.discriminatedUnion('type', [
  z.object({ type: z.literal('done'), facts: stringMap }),
  z.object({
    type: z.literal('failed'),
    failure: z.object({ reason: z.string(), message: z.string(), fields: z.record(z.string(), z.string()) }),
  }),
]);
export const fenceAnswer = z.object({ receipt: z.string().max(200) });
export const usersAnswer = z.object({ beat: counter, users: z.record(volumeUid, z.array(mountId)) });
export const acknowledged = z.object({});

export type Registered = z.infer<typeof registered>;
export type HeartbeatAnswer = z.infer<typeof heartbeatAnswer>;
export type GrantAnswer = z.infer<typeof grantAnswer>;
export type ChangesAnswer = z.infer<typeof changesAnswer>;
export type HeldListAnswer = z.infer<typeof heldListAnswer>;
export type CommandAnswer =
  { readonly type: 'done'; readonly facts: Readonly<Record<string, string>> } | { readonly type: 'failed'; readonly failure: Failure };
export type UsersAnswer = z.infer<typeof usersAnswer>;

const envelope = z.union([
  z.object({ ok: z.unknown() }),
  z.object({ failure: z.object({ reason: z.string(), message: z.string(), fields: z.record(z.string(), z.string()) }) }),
]);

/** An answer as it travels: the result, or the failure. */
export function answerOk(result: unknown): unknown {
  return { ok: result ?? {} };
}

export function answerFailure(error: unknown): unknown {
  return { failure: toFailure(error) };
}

/** Opens an answer. @throws the AppError that it carries; INTERNAL when it is none of ours */
export function openAnswer<T>(payload: unknown, schema: z.ZodType<T>): T {
  return parseMessage(schema, openEnvelope(payload), 'answer');
}

/** The result of a passed-on API call: typed by the method, made by software of ours on the other side, not parsed again. */
export function openCallAnswer(payload: unknown): unknown {
  return openEnvelope(payload);
}

function openEnvelope(payload: unknown): unknown {
  const opened = parseMessage(envelope, payload, 'answer');
  if ('failure' in opened) throw AppError.fromFailure(parseFailure(opened.failure.reason, opened.failure.message, opened.failure.fields));
  return opened.ok;
}

/** @throws AppError INVALID_ARGUMENT naming the field */
export function parseMessage<T>(schema: z.ZodType<T>, payload: unknown, what: string): T {
  const result = schema.safeParse(payload);
  if (result.success) return result.data;
  throw new AppError('INVALID_ARGUMENT', `${what} does not validate: ${issueText(result.error)}`, {
    field: result.error.issues[0]?.path.join('.') ?? '',
  });
}

/** The failure of a command's answer, with reasons of a newer peer kept as text. */
export function toCommandAnswer(parsed: z.infer<typeof commandAnswer>): CommandAnswer {
  if (parsed.type === 'done') return parsed;
  const { reason, message, fields } = parsed.failure;
  return { type: 'failed', failure: parseFailure(reason, message, fields) };
}
