import type { MountId, MountMode } from '@volplane/domain';
import { canonicalJson, digest } from './field-codec.js';

/**
 * The mount ids by which this door uses a volume on a node. The agent keeps them durably, so they are this door's only
 * memory: what is attached, staged and published, from where and how.
 *
 *     csi-attach:<rw|ro>                                           ControllerPublishVolume
 *     csi-stage:<path>:<terms>:<readable>                          NodeStageVolume
 *     csi-publish:<path>:<terms>:<staging>:<single|many>:<readable>   NodePublishVolume
 *
 * `path` and `staging` are digests of paths, `terms` is one of the request's other arguments, `readable` is the end of
 * the path for people.
 */
export interface StageUse {
  readonly kind: 'stage';
  readonly id: MountId;
  readonly path: string;
  readonly terms: string;
}

export interface PublishUse {
  readonly kind: 'publish';
  readonly id: MountId;
  readonly path: string;
  readonly terms: string;
  /** Empty when it was published without staging. */
  readonly staging: string;
  /** Published as SINGLE_NODE_SINGLE_WRITER: no second target beside it. */
  readonly isSingle: boolean;
}

export function attachId(mode: MountMode): string {
  return `csi-attach:${mode}`;
}

export function isAttachId(id: string): boolean {
  return id === attachId('rw') || id === attachId('ro');
}

/** Every id of this door. */
export function isCsiId(id: string): boolean {
  return isAttachId(id) || parseUse(id) !== undefined;
}

export function stageId(path: string, terms: object): string {
  return bounded(['csi-stage', pathKey(path), termsKey(terms)], path);
}

export function publishId(path: string, terms: object, more: { readonly staging: string; readonly isSingle: boolean }): string {
  const staging = more.staging === '' ? '' : pathKey(more.staging);
  return bounded(['csi-publish', pathKey(path), termsKey(terms), staging, more.isSingle ? 'single' : 'many'], path);
}

/** Undefined for ids of other doors and of attaching. */
export function parseUse(id: string): StageUse | PublishUse | undefined {
  const [kind, path = '', terms = '', third = '', fourth] = id.split(':');
  // The ids come from the API, which hands out mount ids only.
  if (kind === 'csi-stage') return { kind: 'stage', id: id as MountId, path, terms };
  if (kind === 'csi-publish') return { kind: 'publish', id: id as MountId, path, terms, staging: third, isSingle: fourth === 'single' };
  return undefined;
}

export function stagesOf(ids: readonly string[]): readonly StageUse[] {
  return ids.map(parseUse).filter((use) => use?.kind === 'stage');
}

export function publishesOf(ids: readonly string[]): readonly PublishUse[] {
  return ids.map(parseUse).filter((use) => use?.kind === 'publish');
}

/** Names a path in an id: paths may be longer than an id may be. */
export function pathKey(path: string): string {
  return digest(path, KEY_CHARACTERS);
}

export function termsKey(terms: object): string {
  return digest(canonicalJson(terms), KEY_CHARACTERS);
}

function bounded(parts: readonly string[], path: string): string {
  const head = `${parts.join(':')}:`;
  // Mount ids are printable ASCII without spaces; the digest tells apart what looks the same here.
  return head + path.replace(/[^!-~]/g, '?').slice(-(ID_CHARACTERS_MAX - head.length));
}

/** 64 bits: a handful of paths a volume. */
const KEY_CHARACTERS = 16;
/** The domain's bound of a mount id. */
const ID_CHARACTERS_MAX = 256;
