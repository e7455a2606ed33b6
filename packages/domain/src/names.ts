import { AppError } from '@volplane/base';

declare const brand: unique symbol;

/** A volume's name: 2 to 128 of [a-zA-Z0-9_.-], the first a letter or digit. Compared by bytes. Made by {@link parseVolumeName}. */
export type VolumeName = string & { readonly [brand]: 'VolumeName' };
/** A node's name: 1 to 63 of [a-z0-9.-], the first and last a letter or digit; usable as a NATS subject token once dots are mapped. */
export type NodeName = string & { readonly [brand]: 'NodeName' };
/** A driver's name: 1 to 63 of [a-z0-9._-], the first a letter or digit. */
export type DriverName = string & { readonly [brand]: 'DriverName' };
/** A volume's identity for its whole life: 32 hexadecimal characters. Never used again, unlike its name. */
export type VolumeUid = string & { readonly [brand]: 'VolumeUid' };
/** A node's identity, kept on its own disk: 32 hexadecimal characters. */
export type NodeUid = string & { readonly [brand]: 'NodeUid' };
/** One life of one agent process: 16 hexadecimal characters. */
export type Incarnation = string & { readonly [brand]: 'Incarnation' };
/** A node's time of being in touch: the decimal id of its etcd lease. */
export type SessionId = string & { readonly [brand]: 'SessionId' };
/** One recorded operation on one volume: 32 hexadecimal characters; repeated on every retry of it. */
export type OperationId = string & { readonly [brand]: 'OperationId' };
/** The caller's name for one use of a mount, such as a container id: 1 to 256 printable ASCII characters without spaces. */
export type MountId = string & { readonly [brand]: 'MountId' };

// moby's local driver demands the same pattern without an upper bound; 128 keeps a name a file name with room for suffixes.
const VOLUME_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{1,127}$/;
const NODE_NAME = /^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/;
const DRIVER_NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/;
const MOUNT_ID = /^[!-~]{1,256}$/;
const HEX_32 = /^[0-9a-f]{32}$/;
const HEX_16 = /^[0-9a-f]{16}$/;
const DECIMAL = /^[0-9]{1,20}$/;

/** @throws AppError INVALID_NAME */
export function parseVolumeName(text: string): VolumeName {
  if (VOLUME_NAME.test(text)) return text as VolumeName;
  throw new AppError('INVALID_NAME', `volume name ${quote(text)} is not allowed: ${volumeNameFault(text)}`, {
    field: 'name',
    name: clip(text),
  });
}

/** A snapshot's name follows the rule of volume names. @throws AppError INVALID_NAME that calls it what it is */
export function parseSnapshotName(text: string): VolumeName {
  if (VOLUME_NAME.test(text)) return text as VolumeName;
  throw new AppError(
    'INVALID_NAME',
    `snapshot name ${quote(text)} is not allowed: use 2 to 128 of [a-zA-Z0-9_.-], a letter or digit first`,
    {
      field: 'snapshot',
      name: clip(text),
    },
  );
}

/** @throws AppError INVALID_NAME */
export function parseNodeName(text: string): NodeName {
  if (NODE_NAME.test(text)) return text as NodeName;
  throw new AppError('INVALID_NAME', `node name ${quote(text)} is not allowed: use 1 to 63 of [a-z0-9.-], letters or digits at both ends`, {
    field: 'node',
    name: clip(text),
  });
}

/** @throws AppError INVALID_NAME */
export function parseDriverName(text: string): DriverName {
  if (DRIVER_NAME.test(text)) return text as DriverName;
  throw new AppError('INVALID_NAME', `driver name ${quote(text)} is not allowed: use 1 to 63 of [a-z0-9._-], a letter or digit first`, {
    field: 'driver',
    name: clip(text),
  });
}

/** @throws AppError INVALID_ARGUMENT */
export function parseMountId(text: string): MountId {
  if (MOUNT_ID.test(text)) return text as MountId;
  throw new AppError('INVALID_ARGUMENT', `mount id ${quote(text)} is not allowed: use 1 to 256 printable ASCII characters without spaces`, {
    field: 'mount_id',
  });
}

export const isVolumeName = (text: string): text is VolumeName => VOLUME_NAME.test(text);
export const isNodeName = (text: string): text is NodeName => NODE_NAME.test(text);
export const isDriverName = (text: string): text is DriverName => DRIVER_NAME.test(text);
export const isMountId = (text: string): text is MountId => MOUNT_ID.test(text);
export const isVolumeUid = (text: string): text is VolumeUid => HEX_32.test(text);
export const isNodeUid = (text: string): text is NodeUid => HEX_32.test(text);
export const isOperationId = (text: string): text is OperationId => HEX_32.test(text);
export const isIncarnation = (text: string): text is Incarnation => HEX_16.test(text);
export const isSessionId = (text: string): text is SessionId => DECIMAL.test(text);

function volumeNameFault(text: string): string {
  if (text.length === 0) return 'it is empty';
  if (text.length === 1) return 'it is too short, use at least 2 characters';
  if (text.length > 128) return `it has ${String(text.length)} characters, at most 128 are allowed`;
  if (text.startsWith('/')) return 'it is a path; to use a folder of the host, create a volume with the option device';
  return 'use letters, digits, "_", "." and "-", a letter or digit first';
}

/** Text of a stranger in a message: control and look-alike characters are shown as escapes. */
export function quote(text: string): string {
  return JSON.stringify(clip(text)).replace(/[^ -~]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Long enough to recognise a wrong name by. */
function clip(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
