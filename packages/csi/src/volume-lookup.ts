import { hasReason } from '@volplane/base';
import type { VolumeView } from '@volplane/domain';
import type { CallContext, VolumesApi } from '@volplane/engine';
import { parseVolumeId, volumeIdOf, type VolumeId } from './ids.js';
import { CsiError } from './status.js';

/**
 * The volume of a CSI id; undefined = there is none, as a fact. What cannot be told now is thrown (UNAVAILABLE).
 *
 * @param seenFrom - the node whose mount ids and path are wanted
 */
export async function findVolume(api: VolumesApi, id: string, context: CallContext, seenFrom?: string): Promise<VolumeView | undefined> {
  const parts = parseVolumeId(id);
  if (parts === undefined) return undefined;
  const node = parts.node ?? seenFrom;
  try {
    const view = await api.getVolume({ name: parts.name, ...(node === undefined ? {} : { node }) }, context);
    if (isMeant(parts, view)) return view;
    if (parts.node === undefined && view.scope === 'local') throw hiddenBy(view);
    return undefined;
  } catch (error) {
    if (hasReason(error, 'VOLUME_NOT_FOUND', 'INVALID_NAME')) return undefined;
    // The node of a local volume was never there. Another node only asked about what it sees: that is the caller's to know.
    if (hasReason(error, 'NODE_NOT_FOUND') && parts.node !== undefined) return undefined;
    throw error;
  }
}

/** @throws CsiError NOT_FOUND */
export async function getVolume(api: VolumesApi, id: string, context: CallContext, seenFrom?: string): Promise<VolumeView> {
  const view = await findVolume(api, id, context, seenFrom);
  if (view === undefined) throw new CsiError('NOT_FOUND', `no volume has the id ${JSON.stringify(id)}`);
  return view;
}

/** Addresses the volume at the API: a local one lives on its node. */
export function refOf(view: VolumeView): { readonly name: string; readonly node?: string } {
  return view.scope === 'local' ? { name: view.name, node: view.node } : { name: view.name };
}

/** The id, for volumes that this door has made or was asked for by their id. @throws CsiError OUT_OF_RANGE when names are too long for one */
export function requireVolumeId(view: Pick<VolumeView, 'name' | 'uid' | 'scope' | 'node'>): string {
  const id = volumeIdOf(view);
  if (id === undefined) throw new CsiError('OUT_OF_RANGE', `volume ${view.name} on ${view.node} has too long a name for a CSI volume id`);
  return id;
}

/** By its name and this node the API would reach the local volume, and mount the wrong data. */
export function hiddenBy(local: VolumeView): CsiError {
  const text = `node ${local.node} has a local volume named ${local.name}, which hides the global one of that name there; remove or rename the local one`;
  return new CsiError('FAILED_PRECONDITION', text);
}

function isMeant(parts: VolumeId, view: VolumeView): boolean {
  if (parts.uidStart !== undefined && !view.uid.startsWith(parts.uidStart)) return false;
  return parts.node === undefined || (view.scope === 'local' && view.node === parts.node);
}
