import type { ClusterView, MountMode, NodeDocument, Requirement, SessionDocument, TakeoverPolicy, VolumeUid } from '../src/index.js';
import { nodeDocument, nodeUid, sessionDocument, sessionId, viewOf } from './world.js';

/** A machine under a node's name, and what it does with the one volume. */
export interface Machine {
  readonly name: string;
  uid: string;
  session: number | undefined;
  isLost: boolean;
  /** Without power: whatever it had mounted is gone, for good. An operator says "lost" only of such a machine. */
  isOff: boolean;
  isUnguarded: boolean;
  seq: number;
  /** What the machine has mounted. */
  mount:
    | {
        readonly uid: VolumeUid;
        readonly seq: number;
        readonly epoch: number;
        readonly mode: MountMode;
        readonly session: number;
        readonly takeover: TakeoverPolicy;
      }
    | undefined;
  /** The highest epoch that it has stored for a volume, durably (rule 17). */
  readonly highest: Map<VolumeUid, number>;
  /** Which operations it has run, durably, and whether they failed. */
  readonly outcomes: Map<string, boolean>;
}

export function newMachine(name: string, uid: string, session: number): Machine {
  return {
    name,
    uid,
    session,
    isLost: false,
    isOff: false,
    isUnguarded: false,
    seq: 0,
    mount: undefined,
    highest: new Map(),
    outcomes: new Map(),
  };
}

/** The machines as the store's keys show them now. */
export function seenOf(machines: readonly Machine[]): ClusterView {
  const nodes = machines.map(({ name, uid, isLost }): NodeDocument =>
    nodeDocument(name, { uid: nodeUid(uid), ...(isLost ? { lost: { at: '', by: 'ann' } } : {}) }),
  );
  const sessions = machines.flatMap(({ name, uid, session }): SessionDocument[] =>
    session === undefined ? [] : [sessionDocument(name, session, nodeUid(uid))],
  );
  return viewOf({ nodes, sessions, unguarded: machines.filter(({ isUnguarded }) => isUnguarded).map(({ name }) => name) });
}

/** Whether the store would let a commit with this requirement pass now. */
export function holds(machines: readonly Machine[], requirement: Requirement): boolean {
  const machine = machines.find(({ name }) => name === requirement.node);
  switch (requirement.type) {
    case 'session-present':
      return machine?.session !== undefined && sessionId(machine.session) === requirement.session;
    case 'session-absent':
      return machine?.session === undefined;
    case 'guarded':
      return machine?.isUnguarded !== true;
  }
}
