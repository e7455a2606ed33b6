import type { VolumeView } from '@volplane/domain';
import type { CallContext } from '@volplane/engine';
import { pathKey, publishesOf } from '../mount-ids.js';
import type { NodeContext } from './context.js';
import { refHere } from './node-volume.js';

/**
 * Takes out the uses whose target is no longer mounted: a reboot, or a plugin container with mounts of its own, ends
 * targets without NodeUnpublishVolume, and callers that have lost track never send one.
 *
 * @returns the volume without them
 */
export async function dropStale(node: NodeContext, view: VolumeView, context: CallContext): Promise<VolumeView> {
  const published = publishesOf(view.mountIds ?? []);
  if (published.length === 0) return view;
  const mounted = new Set((await node.host.table()).map((entry) => pathKey(entry.target)));
  const stale = published.filter((use) => !mounted.has(use.path)).map((use) => use.id);
  for (const mountId of stale) {
    // One after the other: the agent handles one at a time for a volume.
    await node.api.unmountVolume({ ...refHere(node, view), mountId }, context);
  }
  return stale.length === 0 ? view : { ...view, mountIds: (view.mountIds ?? []).filter((id) => !stale.includes(id)) };
}

/** The same for every volume in use on this node: done when the plugin starts. @returns how many uses were taken out */
export async function sweepStale(node: NodeContext, context: CallContext): Promise<number> {
  let dropped = 0;
  let pageToken: string | undefined;
  do {
    const filter = { node: node.node.name, dangling: false };
    // One after the other: each page names the next.
    const page = await node.api.listVolumes({ filter, pageSize: PAGE_SIZE, ...(pageToken === undefined ? {} : { pageToken }) }, context);
    for (const view of page.volumes) {
      const after = await dropStale(node, view, context);
      dropped += (view.mountIds ?? []).length - (after.mountIds ?? []).length;
    }
    pageToken = page.nextPageToken;
  } while (pageToken !== undefined);
  return dropped;
}

const PAGE_SIZE = 500;
