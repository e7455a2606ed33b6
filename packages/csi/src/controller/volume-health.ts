import type { NodeView, VolumeView } from '@volplane/domain';
import type { CallContext } from '@volplane/engine';
import { parseMaxEntries, requireText } from '../field-codec.js';
import { volumeIdOf } from '../ids.js';
import type { ListRequest, VolumeIdRequest, WireVolumeHealth } from '../messages.js';
import { recordProblems, toWireHealth, type HealthProblem } from '../volume-health.js';
import { getVolume } from '../volume-lookup.js';
import type { ControllerContext } from './context.js';
import { collectPages } from './pages.js';
import { listAllNodes } from './placement.js';

/** ControllerGetVolumeHealth (from CSI 1.13). */
export async function controllerGetVolumeHealth(
  controller: ControllerContext,
  request: VolumeIdRequest,
  context: CallContext,
): Promise<{ readonly volume_health: WireVolumeHealth }> {
  requireText(request.volume_id, 'volume_id');
  const view = await getVolume(controller.api, request.volume_id, context);
  const nodes = await listAllNodes(controller.api, context);
  return { volume_health: toWireHealth(view, problemsOf(view, nodes)) };
}

/** ControllerListVolumeHealth (from CSI 1.13): only volumes with a known problem. */
export async function controllerListVolumeHealth(
  controller: ControllerContext,
  request: ListRequest,
  context: CallContext,
): Promise<{ readonly entries: readonly WireVolumeHealth[]; readonly next_token: string }> {
  const maxEntries = parseMaxEntries(request.max_entries);
  const nodes = await listAllNodes(controller.api, context);
  const found = await collectPages(request.starting_token, maxEntries, async (page) => {
    const { volumes, nextPageToken } = await controller.api.listVolumes(page, context);
    const ill = volumes
      .filter((view) => volumeIdOf(view) !== undefined)
      .map((view) => ({ view, problems: problemsOf(view, nodes) }))
      .filter(({ problems }) => problems.length > 0);
    return { items: ill.map(({ view, problems }) => toWireHealth(view, problems)), nextPageToken };
  });
  return { entries: found.items, next_token: found.nextToken };
}

function problemsOf(view: VolumeView, nodes: readonly NodeView[]): readonly HealthProblem[] {
  const gone = view.attachments.filter((attachment) => {
    const state = nodes.find((node) => node.name === attachment.node)?.state;
    return state === 'gone' || state === 'lost';
  });
  if (gone.length === 0) return recordProblems(view);
  const message = `volume ${view.name} is attached on ${gone.map((attachment) => attachment.node).join(', ')}, which cannot be reached`;
  return [...recordProblems(view), { status: 'DEGRADED', reason: 'HolderGone', message }];
}
