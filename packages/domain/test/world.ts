import type {
  Attachment,
  Claim,
  ClusterView,
  Decision,
  DriverCapabilities,
  DriverInfo,
  LiveNode,
  MountId,
  NodeDocument,
  NodeName,
  NodeUid,
  OperationId,
  Requirement,
  SessionDocument,
  SessionId,
  VolumeDocument,
  VolumeName,
  VolumeSpec,
  VolumeUid,
} from '../src/index.js';
import { parseDriverName, parseMountId, parseNodeName, parseVolumeName } from '../src/index.js';

/** Facts for decisions, as a test writes them down. Names are short; ids are made from them so that a failure reads well. */

export const NOW = '2026-01-02T03:04:05.000Z';

export const node = (name: string): NodeName => parseNodeName(name);
export const mountId = (text: string): MountId => parseMountId(text);
export const volumeName = (text: string): VolumeName => parseVolumeName(text);
// The id types have no parser, because only their makers and the codecs of stored documents write them.
export const nodeUid = (text: string): NodeUid => hex(text, 32) as NodeUid;
export const volumeUid = (text: string): VolumeUid => hex(text, 32) as VolumeUid;
export const operationId = (text: string): OperationId => hex(text, 32) as OperationId;
export const sessionId = (number: number): SessionId => String(number) as SessionId;

function hex(text: string, length: number): string {
  return Buffer.from(text).toString('hex').padEnd(length, '0').slice(0, length);
}

export const CAPABLE: DriverCapabilities = {
  scope: 'global',
  accessModes: [
    'single-node-writer',
    'single-node-reader-only',
    'multi-node-reader-only',
    'multi-node-single-writer',
    'multi-node-multi-writer',
  ],
  takeover: ['manual', 'lease', 'storage'],
  abort: true,
  fence: true,
  size: true,
  expand: true,
  snapshot: true,
  clone: true,
  block: false,
};

export function driver(name = 'fake', capabilities: Partial<DriverCapabilities> = {}): DriverInfo {
  return { name: parseDriverName(name), capabilities: { ...CAPABLE, ...capabilities }, options: {} };
}

export function nodeDocument(name: string, changes: Partial<NodeDocument> = {}): NodeDocument {
  return {
    schema: 1,
    name: node(name),
    uid: nodeUid(name),
    drivers: [driver()],
    labels: {},
    version: '0.1.0',
    registeredAt: NOW,
    cordoned: false,
    ...changes,
  };
}

export function sessionDocument(name: string, number: number, uid: NodeUid = nodeUid(name)): SessionDocument {
  const incarnation = hex(name, 16) as SessionDocument['incarnation']; // 16 hexadecimal characters
  return { schema: 1, node: node(name), nodeUid: uid, session: sessionId(number), incarnation, startNumber: 1, since: NOW };
}

/** Who is registered, who is in touch (by session number), whose guardian is down. */
export interface Facts {
  readonly nodes?: readonly NodeDocument[];
  readonly sessions?: readonly SessionDocument[];
  readonly unguarded?: readonly string[];
  readonly brake?: string;
}

export function viewOf(facts: Facts): ClusterView {
  return {
    now: NOW,
    node: (name) => facts.nodes?.find((document) => document.name === name),
    session: (name) => facts.sessions?.find((document) => document.node === name),
    unguarded: (name) => facts.unguarded?.includes(name) ?? false,
    ...(facts.brake === undefined ? {} : { brake: facts.brake }),
  };
}

/** Nodes n1, n2 and n3 with sessions 1, 2 and 3, less those named as gone. */
export function threeNodes(options: { readonly gone?: readonly string[] } & Omit<Facts, 'nodes' | 'sessions'> = {}): ClusterView {
  const names = ['n1', 'n2', 'n3'];
  const { gone = [], ...facts } = options;
  return viewOf({
    ...facts,
    nodes: names.map((name) => nodeDocument(name)),
    sessions: names.flatMap((name, index) => (gone.includes(name) ? [] : [sessionDocument(name, index + 1)])),
  });
}

export function spec(changes: Partial<VolumeSpec> = {}): VolumeSpec {
  return { driver: parseDriverName('fake'), options: {}, labels: {}, accessMode: 'single-node-writer', takeover: 'manual', ...changes };
}

/** A ready volume owned by n1 at epoch 5, attached nowhere. */
export function volume(changes: Partial<VolumeDocument> & { readonly spec?: VolumeSpec } = {}): VolumeDocument {
  return {
    schema: 1,
    name: volumeName('data'),
    uid: volumeUid('data'),
    spec: spec(),
    createdAt: NOW,
    phase: 'ready',
    owner: node('n1'),
    ownerUid: nodeUid('n1'),
    epoch: 5,
    attachments: {},
    formerOwners: [],
    evidence: [],
    ...changes,
  };
}

/** Attached rw on n1 in session 1 with seq 10 at epoch 5, for container c1. */
export function attachment(name = 'n1', changes: Partial<Attachment> = {}): Attachment {
  const session = sessionId(Number(name.slice(1)));
  return { nodeUid: nodeUid(name), session, seq: 10, epoch: 5, mode: 'rw', since: NOW, claimedFor: mountId('c1'), ...changes };
}

export function attachedOn(name: string, changes: Partial<Attachment> = {}): Readonly<Record<NodeName, Attachment>> {
  return { [node(name)]: attachment(name, changes) };
}

/** A claim of the node in its session, rw with seq 20 for container c2. */
export function claim(name: string, changes: Partial<Claim> = {}): Claim {
  const session = sessionId(Number(name.slice(1)));
  return { node: node(name), nodeUid: nodeUid(name), session, seq: 20, mode: 'rw', mountId: mountId('c2'), ...changes };
}

export function live(name: string): LiveNode {
  return { node: node(name), nodeUid: nodeUid(name), session: sessionId(Number(name.slice(1))) };
}

/** The commit that a decision comes to. @throws Error when it comes to something else */
export function committed<A>(decision: Decision<A>): {
  readonly document: VolumeDocument;
  readonly requirements: readonly Requirement[];
  readonly answer: A;
} {
  if (decision.type === 'commit' && decision.document !== undefined) return { ...decision, document: decision.document };
  throw new Error(`expected a document, the decision is ${JSON.stringify(decision)}`);
}

/** The failure of a refusal. @throws Error when it is none */
export function refused(decision: Decision<unknown>): {
  readonly reason: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, string>>;
} {
  if (decision.type === 'refuse') return decision.failure;
  throw new Error(`expected a refusal, the decision is ${JSON.stringify(decision)}`);
}

export const sessionPresent = (name: string, number: number): Requirement => ({
  type: 'session-present',
  node: node(name),
  session: sessionId(number),
});
export const sessionAbsent = (name: string): Requirement => ({ type: 'session-absent', node: node(name) });
export const guarded = (name: string): Requirement => ({ type: 'guarded', node: node(name) });
