import { unreachable } from '@volplane/base';
import type { AccessMode, EvidenceKind, MountMode, NodeState, Operation, Scope, TakeoverPolicy, VolumePhase } from '@volplane/domain';
import type { AccessMode as WireAccessMode } from '../generated/volplane/v1/AccessMode.js';
import type { EvidenceKind as WireEvidenceKind } from '../generated/volplane/v1/EvidenceKind.js';
import type { MountMode as WireMountMode } from '../generated/volplane/v1/MountMode.js';
import type { NodeState as WireNodeState } from '../generated/volplane/v1/NodeState.js';
import type { OperationKind as WireOperationKind } from '../generated/volplane/v1/OperationKind.js';
import type { Scope as WireScope } from '../generated/volplane/v1/Scope.js';
import type { TakeoverPolicy as WireTakeoverPolicy } from '../generated/volplane/v1/TakeoverPolicy.js';
import type { VolumePhase as WireVolumePhase } from '../generated/volplane/v1/VolumePhase.js';
import { refuseField } from './scalars.js';

/** One enum in both directions. Each table names every word of the domain, or it does not compile. */
class EnumCodec<Word extends string, Wire extends string> {
  readonly #wires: Readonly<Record<Word, Wire>>;
  readonly #words: ReadonlyMap<string, Word>;
  readonly #unspecified: string;

  constructor(unspecified: Wire & `${string}_UNSPECIFIED`, wires: Readonly<Record<Word, Exclude<Wire, `${string}_UNSPECIFIED`>>>) {
    this.#unspecified = unspecified;
    this.#wires = wires;
    // Object.entries forgets that the keys are words.
    this.#words = new Map((Object.entries(wires) as [Word, Wire][]).map(([word, wire]) => [wire, word]));
  }

  /** @throws Error for a word that is not of this enum, which the encoder would take for the default */
  toWire(word: Word): Wire {
    if (!Object.hasOwn(this.#wires, word)) unreachable(word as never, `word for ${this.#unspecified}`);
    return this.#wires[word];
  }

  /**
   * The word, or undefined when none was given.
   *
   * @throws AppError INVALID_ARGUMENT for a value of a newer peer, which arrives as a number
   */
  fromWire(wire: Wire, field: string): Word | undefined {
    const word = this.#words.get(wire);
    if (word === undefined && wire !== this.#unspecified) refuseField(field, `has the value ${wire}, which this version does not know`);
    return word;
  }

  /** As {@link fromWire}, for what the sender always writes. */
  requiredFromWire(wire: Wire, field: string): Word {
    return this.fromWire(wire, field) ?? refuseField(field, 'is missing');
  }
}

export const scopes = new EnumCodec<Scope, WireScope>('SCOPE_UNSPECIFIED', { local: 'SCOPE_LOCAL', global: 'SCOPE_GLOBAL' });

export const accessModes = new EnumCodec<AccessMode, WireAccessMode>('ACCESS_MODE_UNSPECIFIED', {
  'single-node-writer': 'ACCESS_MODE_SINGLE_NODE_WRITER',
  'single-node-reader-only': 'ACCESS_MODE_SINGLE_NODE_READER_ONLY',
  'multi-node-reader-only': 'ACCESS_MODE_MULTI_NODE_READER_ONLY',
  'multi-node-single-writer': 'ACCESS_MODE_MULTI_NODE_SINGLE_WRITER',
  'multi-node-multi-writer': 'ACCESS_MODE_MULTI_NODE_MULTI_WRITER',
});

export const mountModes = new EnumCodec<MountMode, WireMountMode>('MOUNT_MODE_UNSPECIFIED', {
  rw: 'MOUNT_MODE_READ_WRITE',
  ro: 'MOUNT_MODE_READ_ONLY',
});

export const takeoverPolicies = new EnumCodec<TakeoverPolicy, WireTakeoverPolicy>('TAKEOVER_POLICY_UNSPECIFIED', {
  manual: 'TAKEOVER_POLICY_MANUAL',
  lease: 'TAKEOVER_POLICY_LEASE',
  storage: 'TAKEOVER_POLICY_STORAGE',
});

export const volumePhases = new EnumCodec<VolumePhase, WireVolumePhase>('VOLUME_PHASE_UNSPECIFIED', {
  creating: 'VOLUME_PHASE_CREATING',
  ready: 'VOLUME_PHASE_READY',
  removing: 'VOLUME_PHASE_REMOVING',
});

export const operationKinds = new EnumCodec<Operation['kind'], WireOperationKind>('OPERATION_KIND_UNSPECIFIED', {
  create: 'OPERATION_KIND_CREATE',
  remove: 'OPERATION_KIND_REMOVE',
  expand: 'OPERATION_KIND_EXPAND',
  snapshot: 'OPERATION_KIND_SNAPSHOT',
  'remove-snapshot': 'OPERATION_KIND_REMOVE_SNAPSHOT',
});

export const evidenceKinds = new EnumCodec<EvidenceKind, WireEvidenceKind>('EVIDENCE_KIND_UNSPECIFIED', {
  A: 'EVIDENCE_KIND_RELEASED',
  B: 'EVIDENCE_KIND_FENCED',
  C: 'EVIDENCE_KIND_SESSION_ENDED',
  D: 'EVIDENCE_KIND_OPERATOR',
});

export const nodeStates = new EnumCodec<NodeState, WireNodeState>('NODE_STATE_UNSPECIFIED', {
  connected: 'NODE_STATE_CONNECTED',
  silent: 'NODE_STATE_SILENT',
  gone: 'NODE_STATE_GONE',
  lost: 'NODE_STATE_LOST',
});
