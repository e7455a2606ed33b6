import type { AccessMode, TakeoverPolicy } from '@volplane/domain';
import { DEFAULT_BRAKE, type BrakeLimits } from '@volplane/engine';
import type { FaultName } from './faults.js';

export interface VolumeKind {
  readonly accessMode: AccessMode;
  readonly takeover: TakeoverPolicy;
}

/** What a life is made of. Each seed lives through one mix; a few kinds of faults, often, find more than all kinds, seldom. */
export interface Mix {
  readonly name: string;
  readonly nodes: number;
  readonly managers: number;
  readonly volumes: number;
  readonly kinds: readonly VolumeKind[];
  readonly callEveryMs: number;
  /** How often each call is drawn, against the others. */
  readonly calls: {
    readonly create: number;
    readonly mount: number;
    readonly end: number;
    readonly remove: number;
    readonly transfer: number;
  };
  readonly faultEveryMs: number;
  /** How often each fault is drawn, against the others; absent = never. */
  readonly faults: Readonly<Partial<Record<FaultName, number>>>;
  /** One mount id for each volume and node, again and again; else each mount has a new one. */
  readonly reusesIds: boolean;
  /** Uses go on for so long in the peace after the faults, before they are ended. */
  readonly lingerMs: number;
  readonly brake: BrakeLimits;
}

export const LEASE: VolumeKind = { accessMode: 'single-node-writer', takeover: 'lease' };
export const MANUAL: VolumeKind = { accessMode: 'single-node-writer', takeover: 'manual' };
export const STORAGE: VolumeKind = { accessMode: 'single-node-writer', takeover: 'storage' };
const ONE_WRITER: VolumeKind = { accessMode: 'multi-node-single-writer', takeover: 'lease' };
export const MANY_WRITERS: VolumeKind = { accessMode: 'multi-node-multi-writer', takeover: 'manual' };

/** Every kind of volume and call, and every fault that aims at nothing. */
export const ALL: Mix = {
  name: 'all',
  nodes: 3,
  managers: 2,
  volumes: 5,
  kinds: [LEASE, MANUAL, STORAGE, ONE_WRITER, MANY_WRITERS],
  callEveryMs: 120,
  calls: { create: 20, mount: 42, end: 28, remove: 7, transfer: 3 },
  faultEveryMs: 700,
  faults: {
    'kill-manager': 1,
    'stop-manager': 1,
    'cut-manager': 1,
    'late-watch': 1,
    'kill-agent': 2,
    'stop-agent': 1,
    'power-off': 1,
    'kill-guardian': 1,
    isolate: 1,
    congest: 1,
    storm: 1,
    'slow-creates': 1,
    'slow-mounts': 1,
    'stretch-leases': 1,
    'break-mount': 1,
    operator: 1,
  },
  reusesIds: false,
  lingerMs: 0,
  brake: { ...DEFAULT_BRAKE, lostShareMax: 1 },
};
