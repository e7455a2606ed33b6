import { DEFAULT_BRAKE } from '@volplane/engine';
import { AIMED_MIXES } from './aimed-mixes.js';
import { ALL, LEASE, MANUAL, MANY_WRITERS, STORAGE, type Mix } from './mix.js';

/** Seeds go through the mixes in turn. */
export function mixOf(seed: number): Mix {
  return MIXES[seed % MIXES.length] ?? ALL;
}

/** The seeds of one mix: `from`, and every `step`-th one after it. @throws Error when there is none of the name */
export function seedsOf(name: string): { readonly from: number; readonly step: number } {
  const index = MIXES.findIndex((mix) => mix.name === name);
  if (index < 0) throw new Error(`there is no mix ${name}: ${MIXES.map((mix) => mix.name).join(', ')}`);
  return { from: index === 0 ? MIXES.length : index, step: MIXES.length };
}

const MIXES: readonly Mix[] = [
  ALL,
  {
    ...ALL,
    // Two nodes fight for two volumes while messages are lost, late and doubled.
    name: 'churn',
    nodes: 2,
    volumes: 2,
    kinds: [LEASE, MANUAL],
    callEveryMs: 50,
    calls: { create: 10, mount: 50, end: 40, remove: 1, transfer: 0 },
    faultEveryMs: 1_000,
    faults: { storm: 4, congest: 3, 'slow-mounts': 1, 'kill-agent': 2, 'late-watch': 1 },
  },
  {
    ...ALL,
    // Nodes come and go, and others take over.
    name: 'takeovers',
    managers: 3,
    volumes: 2,
    kinds: [LEASE, STORAGE],
    callEveryMs: 60,
    calls: { create: 15, mount: 65, end: 20, remove: 1, transfer: 1 },
    faultEveryMs: 900,
    faults: {
      'power-off': 2,
      isolate: 3,
      'stop-agent': 3,
      'kill-agent': 2,
      'stretch-leases': 1,
      'late-watch': 4,
      congest: 6,
      'slow-mounts': 3,
      storm: 2,
    },
  },
  {
    ...ALL,
    // Lease-bound mounts whose agents and guardians die.
    name: 'guardians',
    volumes: 3,
    kinds: [LEASE],
    callEveryMs: 60,
    calls: { create: 15, mount: 65, end: 20, remove: 1, transfer: 0 },
    faultEveryMs: 600,
    faults: { 'kill-guardian': 3, 'stop-agent': 3, 'kill-agent': 4, isolate: 2, congest: 2, 'slow-mounts': 3, storm: 3 },
  },
  {
    ...ALL,
    // Volumes are made and removed by slow drivers on nodes that vanish.
    name: 'lives',
    volumes: 4,
    kinds: [MANUAL, MANY_WRITERS],
    callEveryMs: 80,
    calls: { create: 45, mount: 10, end: 10, remove: 30, transfer: 5 },
    faultEveryMs: 800,
    faults: {
      'slow-creates': 6,
      'stop-agent': 5,
      isolate: 3,
      'power-off': 1,
      'kill-agent': 1,
      'kill-manager': 1,
      storm: 2,
      'late-watch': 1,
    },
  },
  {
    ...ALL,
    // Operators say that nodes are off, which come back at that moment.
    name: 'operators',
    managers: 3,
    volumes: 2,
    kinds: [MANUAL],
    callEveryMs: 60,
    calls: { create: 15, mount: 65, end: 20, remove: 2, transfer: 1 },
    faultEveryMs: 500,
    faults: { 'power-cycle': 4, operator: 4, 'force-release': 1, 'late-watch': 3, storm: 1 },
  },
  {
    ...ALL,
    // Many users of one mount.
    name: 'users',
    nodes: 2,
    volumes: 2,
    kinds: [MANUAL, MANY_WRITERS],
    callEveryMs: 25,
    calls: { create: 6, mount: 50, end: 44, remove: 0, transfer: 0 },
    faultEveryMs: 1_500,
    faults: { storm: 5, 'slow-mounts': 3, 'kill-agent': 2, 'break-mount': 2, 'late-mounts': 3 },
  },
  {
    ...ALL,
    // Callers that use a mount id again.
    name: 'returns',
    nodes: 2,
    volumes: 2,
    kinds: [MANUAL, MANY_WRITERS],
    callEveryMs: 60,
    calls: { create: 6, mount: 47, end: 47, remove: 0, transfer: 0 },
    faultEveryMs: 1_500,
    faults: { storm: 6, 'kill-agent': 1, 'late-watch': 1, 'late-unmounts': 4 },
    reusesIds: true,
  },
  {
    ...ALL,
    // Half of the nodes vanish at once: nothing may be taken over.
    name: 'disasters',
    nodes: 6,
    volumes: 8,
    kinds: [LEASE, STORAGE],
    callEveryMs: 40,
    calls: { create: 20, mount: 70, end: 10, remove: 0, transfer: 0 },
    faultEveryMs: 5_000,
    faults: { disaster: 1 },
    brake: DEFAULT_BRAKE,
  },
  ...AIMED_MIXES,
  {
    ...ALL,
    // Machines lose their power, and their disks what was not synced.
    name: 'machines',
    volumes: 2,
    kinds: [MANUAL, LEASE],
    callEveryMs: 50,
    calls: { create: 6, mount: 60, end: 30, remove: 1, transfer: 1 },
    faultEveryMs: 500,
    faults: { 'power-cycle': 8, 'kill-agent': 3, congest: 1, storm: 3, 'late-watch': 1, operator: 1 },
  },
];
