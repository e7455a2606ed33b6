import { ALL, LEASE, MANUAL, MANY_WRITERS, STORAGE, type Mix } from './mix.js';

/** Two nodes and next to nothing to fight for: the ways to one guard are narrow, and most of such a life goes that way. */
const SMALL: Mix = { ...ALL, name: '', nodes: 2, managers: 2, volumes: 1, callEveryMs: 50 };

/** Lives whose faults aim: at one kind of message, or at one moment of a mount. */
export const AIMED_MIXES: readonly Mix[] = [
  {
    ...SMALL,
    // Sessions end in the middle of claims and mounts.
    name: 'gaps',
    kinds: [LEASE],
    calls: { create: 5, mount: 45, end: 55, remove: 0, transfer: 0 },
    faultEveryMs: 900,
    faults: { mute: 2, 'hold-grant': 3, 'hold-claim': 3, 'late-mount': 4, 'slow-mounts': 1 },
  },
  {
    ...SMALL,
    // Agents die in the middle of mounts, and behind their guardians.
    name: 'deaths',
    kinds: [LEASE],
    calls: { create: 5, mount: 70, end: 30, remove: 0, transfer: 0 },
    faultEveryMs: 1_200,
    faults: { 'kill-at-mount': 3, 'kill-both': 3, 'lone-agent': 3, storm: 1 },
  },
  {
    ...SMALL,
    // Managers, and operators, believe of a node what was true a moment ago.
    name: 'beliefs',
    managers: 3,
    volumes: 2,
    kinds: [LEASE, MANUAL],
    calls: { create: 5, mount: 45, end: 55, remove: 0, transfer: 0 },
    faultEveryMs: 1_200,
    faults: { blind: 5, 'late-watch': 2, 'late-register': 4, 'kill-agent': 1 },
  },
  {
    ...SMALL,
    // Nodes lose what they have mounted, and are told so when it is not true any more.
    name: 'words',
    volumes: 3,
    kinds: [STORAGE],
    callEveryMs: 40,
    calls: { create: 4, mount: 80, end: 7, remove: 0, transfer: 0 },
    faultEveryMs: 1_800,
    faults: { mute: 3, 'late-not-yours': 3 },
    reusesIds: true,
    lingerMs: 12_000,
  },
  {
    ...SMALL,
    // Owners whose sessions end go on with what they were asked for, and answer.
    name: 'answers',
    nodes: 3,
    volumes: 6,
    kinds: [MANUAL, MANY_WRITERS],
    callEveryMs: 100,
    calls: { create: 60, mount: 5, end: 5, remove: 8, transfer: 0 },
    faultEveryMs: 2_500,
    faults: { 'orphan-create': 4, storm: 1 },
  },
];
