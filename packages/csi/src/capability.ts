import { isReaderOnly, type AccessMode, type MountMode } from '@volplane/domain';
import type { WireCapability } from './messages.js';
import { CsiError } from './status.js';

/** CSI's access modes by number. */
export const CSI_MODES = {
  SINGLE_NODE_WRITER: 1,
  SINGLE_NODE_READER_ONLY: 2,
  MULTI_NODE_READER_ONLY: 3,
  MULTI_NODE_SINGLE_WRITER: 4,
  MULTI_NODE_MULTI_WRITER: 5,
  SINGLE_NODE_SINGLE_WRITER: 6,
  SINGLE_NODE_MULTI_WRITER: 7,
} as const;
export type CsiMode = keyof typeof CSI_MODES;

/** One way in which the caller wants to use a volume. */
export interface Capability {
  readonly access: 'block' | 'mount';
  readonly mode: CsiMode;
  /** Empty = whatever the volume has. */
  readonly fsType: string;
  readonly mountFlags: readonly string[];
  /** Empty = none. */
  readonly mountGroup: string;
}

/** @throws CsiError INVALID_ARGUMENT */
export function parseCapability(wire: WireCapability | null, field = 'volume_capability'): Capability {
  if (wire === null) throw new CsiError('INVALID_ARGUMENT', `${field} is missing`);
  const number = wire.access_mode?.mode ?? 0;
  const mode = MODE_OF_NUMBER.get(number);
  if (mode === undefined) throw new CsiError('INVALID_ARGUMENT', `${field}.access_mode ${number} is not known`);
  if (wire.access_type === undefined) throw new CsiError('INVALID_ARGUMENT', `${field} says neither block nor mount`);
  const { fs_type = '', mount_flags = [], volume_mount_group = '' } = wire.mount ?? {};
  return { access: wire.access_type, mode, fsType: fs_type, mountFlags: mount_flags, mountGroup: volume_mount_group };
}

/** Every one of a required list. @throws CsiError INVALID_ARGUMENT also when the list is empty */
export function parseCapabilities(wires: readonly WireCapability[]): readonly Capability[] {
  if (wires.length === 0) throw new CsiError('INVALID_ARGUMENT', 'volume_capabilities is empty');
  return wires.map((wire, index) => parseCapability(wire, `volume_capabilities[${index}]`));
}

/** The narrowest of the modes that the driver keeps in which each wanted use is allowed; undefined = none. */
export function chooseAccessMode(wanted: readonly CsiMode[], kept: readonly AccessMode[]): AccessMode | undefined {
  return NARROWEST_FIRST.find((mode) => kept.includes(mode) && wanted.every((csiMode) => allowsMode(mode, csiMode)));
}

/** Whether a volume of this access mode can be used as `wanted`. */
export function allowsMode(mode: AccessMode, wanted: CsiMode): boolean {
  return ALLOWED[mode].includes(wanted);
}

/** How the node mounts for this use: modes that only read are mounted read-only. */
export function mountModeOf(capability: Capability, access: AccessMode, readonly: boolean): MountMode {
  const onlyReads = capability.mode === 'SINGLE_NODE_READER_ONLY' || capability.mode === 'MULTI_NODE_READER_ONLY';
  return readonly || onlyReads || isReaderOnly(access) || capability.mountFlags.includes('ro') ? 'ro' : 'rw';
}

const MODE_OF_NUMBER: ReadonlyMap<number, CsiMode> = new Map(
  // Object.entries widens the keys of this table of ours to string.
  (Object.entries(CSI_MODES) as [CsiMode, number][]).map(([mode, number]) => [number, mode]),
);

const NARROWEST_FIRST: readonly AccessMode[] = [
  'single-node-reader-only',
  'single-node-writer',
  'multi-node-reader-only',
  'multi-node-single-writer',
  'multi-node-multi-writer',
];

const ON_ONE_NODE: readonly CsiMode[] = [
  'SINGLE_NODE_WRITER',
  'SINGLE_NODE_READER_ONLY',
  'SINGLE_NODE_SINGLE_WRITER',
  'SINGLE_NODE_MULTI_WRITER',
];

const ALLOWED: Readonly<Record<AccessMode, readonly CsiMode[]>> = {
  'single-node-reader-only': ['SINGLE_NODE_READER_ONLY'],
  'single-node-writer': ON_ONE_NODE,
  'multi-node-reader-only': ['SINGLE_NODE_READER_ONLY', 'MULTI_NODE_READER_ONLY'],
  'multi-node-single-writer': [...ON_ONE_NODE, 'MULTI_NODE_READER_ONLY', 'MULTI_NODE_SINGLE_WRITER'],
  'multi-node-multi-writer': [...ON_ONE_NODE, 'MULTI_NODE_READER_ONLY', 'MULTI_NODE_SINGLE_WRITER', 'MULTI_NODE_MULTI_WRITER'],
};
