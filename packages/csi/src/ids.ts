import { isNodeName, isVolumeName, type SnapshotView, type VolumeName, type VolumeView } from '@volplane/domain';
import { digest, TEXT_BYTES_MAX } from './field-codec.js';

/** What a CSI volume id says. */
export interface VolumeId {
  readonly name: VolumeName;
  /** The beginning of the uid; absent for a bare name. */
  readonly uidStart?: string;
  /** Where a local volume lives; absent for global ones. */
  readonly node?: string;
}

/**
 * The CSI id of a volume: `name:uid` for global ones, `name:uid:node` for local ones, with the first {@link UID_CHARACTERS}
 * characters of the uid. Stable for the volume's life, at most 128 bytes; a volume made anew under the same name has another.
 *
 * @returns undefined for names too long for it; a global volume then goes by its bare name
 */
export function volumeIdOf(view: Pick<VolumeView, 'name' | 'uid' | 'scope' | 'node'>): string | undefined {
  const id = [view.name, view.uid.slice(0, UID_CHARACTERS), ...(view.scope === 'local' ? [view.node] : [])].join(':');
  if (Buffer.byteLength(id) <= TEXT_BYTES_MAX) return id;
  return view.scope === 'global' ? view.name : undefined;
}

/**
 * The parts of an id that a caller sends. A bare volume name is an id as well: whoever writes a volume down by hand
 * (a static PersistentVolume, `nomad volume register`) need not know its uid.
 *
 * @returns undefined when no volume can have this id
 */
export function parseVolumeId(id: string): VolumeId | undefined {
  const [name = '', uidStart, node, ...rest] = id.split(':');
  if (!isVolumeName(name) || rest.length > 0) return undefined;
  if (uidStart === undefined) return { name };
  if (!UID_START.test(uidStart) || (node !== undefined && !isNodeName(node))) return undefined;
  return { name, uidStart, ...(node === undefined ? {} : { node }) };
}

/** What a CSI snapshot id says. */
export interface SnapshotId {
  readonly name: string;
  /** The beginning of the uid of its volume. */
  readonly uidStart: string;
  /** Where its volume lives, when that is a local one. */
  readonly node?: string;
}

/** The CSI id of a snapshot: `name@uid` of a global volume, `name@uid@node` of a local one; undefined when it would be too long. */
export function snapshotIdOf(view: Pick<SnapshotView, 'name' | 'volumeUid' | 'scope' | 'node'>): string | undefined {
  const id = [view.name, view.volumeUid.slice(0, UID_CHARACTERS), ...(view.scope === 'local' ? [view.node] : [])].join('@');
  return Buffer.byteLength(id) <= TEXT_BYTES_MAX ? id : undefined;
}

export function parseSnapshotId(id: string): SnapshotId | undefined {
  const [name = '', uidStart = '', node, ...rest] = id.split('@');
  if (!isVolumeName(name) || !UID_START.test(uidStart) || rest.length > 0 || (node !== undefined && !isNodeName(node))) return undefined;
  return { name, uidStart, ...(node === undefined ? {} : { node }) };
}

/**
 * The name that a thing gets in Volplane when CSI calls it `name` (any Unicode, up to 128 bytes): the same where that is
 * allowed and short enough for an id, else its readable part and a digest of the whole. Same in, same out.
 */
export function internalName(name: string): string {
  if (isVolumeName(name) && name.length <= NAME_CHARACTERS_MAX) return name;
  const readable = name
    .replace(/[^a-zA-Z0-9_.-]+/g, '-')
    .replace(/^[^a-zA-Z0-9]+/, '')
    .slice(0, READABLE_CHARACTERS_MAX);
  return `${readable === '' ? 'csi' : readable}-${digest(name, NAME_DIGEST_CHARACTERS)}`;
}

/** The snapshot of one member of a group: the group's id, and whose it is. */
export function groupMemberName(groupId: string, volumeUid: string): string {
  return `${groupId}.${volumeUid.slice(0, MEMBER_UID_CHARACTERS)}`;
}

/** The group id of a name by {@link groupMemberName}; undefined for a snapshot of its own. */
export function groupIdOf(snapshotName: string): string | undefined {
  return GROUP_MEMBER.exec(snapshotName)?.[1];
}

/** A group's id; the prefix tells its members from snapshots that somebody named with a dot. */
export function groupIdFor(name: string): string {
  return `group-${digest(name, GROUP_DIGEST_CHARACTERS)}`;
}

/** 64 bits: enough to tell a volume from its namesakes. */
const UID_CHARACTERS = 16;
const UID_START = /^[0-9a-f]{16}$/;
/** 128 bytes less `:`, the uid's part, `:` and a node name of 63: every volume made through CSI has an id. */
const NAME_CHARACTERS_MAX = 47;
const NAME_DIGEST_CHARACTERS = 16;
const READABLE_CHARACTERS_MAX = NAME_CHARACTERS_MAX - NAME_DIGEST_CHARACTERS - 1;
const GROUP_DIGEST_CHARACTERS = 20;
const MEMBER_UID_CHARACTERS = 12;
const GROUP_MEMBER = /^(group-[0-9a-f]{20})\.[0-9a-f]{12}$/;
