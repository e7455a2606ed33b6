/** Who may have a volume attached beside whom; CSI's words. */
export const ACCESS_MODES = [
  'single-node-writer',
  'single-node-reader-only',
  'multi-node-reader-only',
  'multi-node-single-writer',
  'multi-node-multi-writer',
] as const;
export type AccessMode = (typeof ACCESS_MODES)[number];

/** How one node mounts: it may write, or only read. Read-only is carried down to the mount itself. */
export type MountMode = 'rw' | 'ro';

export type Scope = 'local' | 'global';

/**
 * On which evidence a volume may be granted away from a node that did not release it.
 *
 * `manual`: only an operator's word (D). `lease`: also the end of the session (C), for drivers that can abort a mount.
 * `storage`: also the storage's refusal (B), for drivers that can fence.
 */
export const TAKEOVER_POLICIES = ['manual', 'lease', 'storage'] as const;
export type TakeoverPolicy = (typeof TAKEOVER_POLICIES)[number];

/** True when at most one node may have the volume attached, whatever for. */
export function isSingleNode(mode: AccessMode): boolean {
  return mode === 'single-node-writer' || mode === 'single-node-reader-only';
}

/** True when the mode never allows `rw`. */
export function isReaderOnly(mode: AccessMode): boolean {
  return mode === 'single-node-reader-only' || mode === 'multi-node-reader-only';
}

/** True when at most one node may write at a time: the modes that invariant 1 speaks of. */
export function isExclusiveWriter(mode: AccessMode): boolean {
  return mode === 'single-node-writer' || mode === 'multi-node-single-writer';
}

/** True when a node that holds `held` may use it as `wanted` without a new claim. */
export function isSufficient(held: MountMode, wanted: MountMode): boolean {
  return held === 'rw' || wanted === 'ro';
}

/** True when two different nodes may hold these mount modes at the same moment. */
export function mayCoexist(access: AccessMode, one: MountMode, other: MountMode): boolean {
  if (isSingleNode(access)) return false;
  if (access === 'multi-node-single-writer') return one === 'ro' || other === 'ro';
  return true;
}
