import type { Reason } from '@volplane/base';

/** What is out of order: all of etcd, all of NATS, every manager, one of several, the agent of this node. */
export type Outage = 'etcd' | 'NATS' | 'all managers' | 'one manager' | "this node's agent";

type Door = 'manager' | 'agent';

export type CallId =
  | `local ${'create' | 'mount' | 'unmount' | 'remove' | 'get' | 'list'}`
  | `${'global create' | 'global mount' | 'further mount' | 'global unmount' | 'global remove' | 'global get' | 'global list' | 'explain' | 'watch'} at the ${Door}`
  | 'get of a mounted one at the agent';

/** What becomes of a call while something is out of order. */
export type Cell =
  | { readonly does: 'work' }
  /** At the latest once the session of the node that is gone has ended; until then it may fail so, and is to be repeated. */
  | { readonly does: 'work later'; readonly until: Reason }
  /** Fails with one of the reasons; with those of `later` once the node's session has ended. None of a moment: works then. */
  | { readonly does: 'fail'; readonly atOnce: readonly Reason[]; readonly later: readonly Reason[] }
  /** The answer comes and says itself that it is not whole. */
  | { readonly does: 'warn' };

/** Every call of the table is made with this deadline, and none reaches it. */
export const CALL_DEADLINE_MS = 10_000;

const works: Cell = { does: 'work' };
const warns: Cell = { does: 'warn' };

function fails(...reasons: readonly Reason[]): Cell {
  return { does: 'fail', atOnce: reasons, later: reasons };
}

function failsThen(atOnce: Reason, ...later: readonly Reason[]): Cell {
  return { does: 'fail', atOnce: [atOnce], later };
}

function later(until: Reason): Cell {
  return { does: 'work later', until };
}

function row(etcd: Cell, nats: Cell, managers: Cell, manager: Cell, agent: Cell): Readonly<Record<Outage, Cell>> {
  return { etcd, NATS: nats, 'all managers': managers, 'one manager': manager, "this node's agent": agent };
}

const gone = fails('UNREACHABLE');
const noManager = fails('NO_MANAGER');
const noStore = fails('STORE_UNAVAILABLE');
const noNode = fails('NODE_UNAVAILABLE');
const atNode = row(works, works, works, works, gone);
const passedOn = row(noStore, noManager, noManager, works, gone);

/**
 * The run-flat table: docs/operations.md shows it, run-flat.etcd.test.ts enforces every cell on real processes. A call "at the
 * manager" has the addresses of all of them and concerns this node; one "at the agent" is made at the agent of this node.
 */
export const RUN_FLAT: Readonly<Record<CallId, Readonly<Record<Outage, Cell>>>> = {
  'local create': atNode,
  'local mount': atNode,
  'local unmount': atNode,
  'local remove': atNode,
  'local get': atNode,
  'local list': atNode,
  'global create at the manager': row(noStore, failsThen('VOLUME_CREATING', 'NODE_UNAVAILABLE'), gone, works, later('VOLUME_CREATING')),
  'global create at the agent': passedOn,
  'global mount at the manager': row(failsThen('STORE_UNAVAILABLE', 'SESSION_LOST'), noNode, gone, works, noNode),
  'global mount at the agent': row(
    failsThen('STORE_UNAVAILABLE', 'SESSION_LOST'),
    failsThen('NO_MANAGER', 'SESSION_LOST'),
    failsThen('NO_MANAGER', 'SESSION_LOST'),
    works,
    gone,
  ),
  'further mount at the manager': row({ does: 'fail', atOnce: [], later: ['SESSION_LOST'] }, noNode, gone, works, noNode),
  'further mount at the agent': atNode,
  'global unmount at the manager': row(works, noNode, gone, works, noNode),
  'global unmount at the agent': atNode,
  'global remove at the manager': row(noStore, fails('VOLUME_REMOVING'), gone, works, failsThen('VOLUME_REMOVING')),
  'global remove at the agent': passedOn,
  'global get at the manager': row(noStore, works, gone, works, works),
  'global get at the agent': passedOn,
  'get of a mounted one at the agent': atNode,
  'global list at the manager': row(noStore, works, gone, works, works),
  'global list at the agent': row(warns, warns, warns, works, gone),
  'explain at the manager': row(noStore, works, gone, works, works),
  'explain at the agent': passedOn,
  'watch at the manager': row(noStore, works, gone, works, works),
  'watch at the agent': passedOn,
};

export const OUTAGES = ['etcd', 'NATS', 'all managers', 'one manager', "this node's agent"] as const satisfies readonly Outage[];

/** `cut off`: at the deadline of the node's session, by the one that is named; of two the first. */
export type Fate = 'stays' | 'cut off by guardian or agent' | 'cut off by the guardian';

/** What becomes of mounts under the policy `lease` that are in use when the outage begins; lease-mounts.root.test.ts enforces it. */
export const LEASE_MOUNTS: Readonly<Record<Outage, Fate>> = {
  etcd: 'cut off by guardian or agent',
  NATS: 'cut off by guardian or agent',
  'all managers': 'cut off by guardian or agent',
  'one manager': 'stays',
  "this node's agent": 'cut off by the guardian',
};

/** What becomes of mounts that are in use when the outage begins. */
export const KEPT_MOUNTED: Readonly<Record<string, Readonly<Record<Outage, Fate>>>> = {
  'a mounted local volume': everywhere('stays'),
  'a mounted global volume, policy manual or storage': everywhere('stays'),
  'a mounted global volume, policy lease': LEASE_MOUNTS,
};

function everywhere<T>(cell: T): Readonly<Record<Outage, T>> {
  return { etcd: cell, NATS: cell, 'all managers': cell, 'one manager': cell, "this node's agent": cell };
}
