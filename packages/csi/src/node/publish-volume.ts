import { isUnknownOutcome } from '@volplane/base';
import type { MountMode, VolumeView } from '@volplane/domain';
import type { CallContext } from '@volplane/engine';
import { mountModeOf, parseCapability, type Capability } from '../capability.js';
import { isBlock } from '../driver-terms.js';
import { requireMap, requireText } from '../field-codec.js';
import type { NodePublishRequest, NodeUnpublishRequest } from '../messages.js';
import { bindFlags } from '../mount-flags.js';
import { parseUse, pathKey, publishesOf, publishId, type PublishUse } from '../mount-ids.js';
import { CsiError } from '../status.js';
import type { NodeContext } from './context.js';
import { findBind, hasMode } from './node-host.js';
import {
  findInUse,
  getHere,
  parseGroup,
  refHere,
  requireAbsolute,
  requireCapability,
  requirePath,
  withoutCallerKeys,
} from './node-volume.js';
import { dropStale } from './stale-uses.js';

/**
 * NodePublishVolume: the agent holds and mounts the volume for the target, then the driver's mount is shown at the target.
 *
 * It does not lean on NodeStageVolume or ControllerPublishVolume having come before: Swarm skips either after a restart,
 * and kubelet publishes after a failed unstage. Whether this node may have the volume is decided by its claim alone.
 */
export async function publishVolume(node: NodeContext, request: NodePublishRequest, context: CallContext): Promise<object> {
  requireText(request.volume_id, 'volume_id');
  requirePath(request.target_path, 'target_path');
  const capability = parseCapability(request.volume_capability);
  requireMap(request.volume_context, 'volume_context');
  requireMap(request.publish_context, 'publish_context');
  const found = await getHere(node, request.volume_id, context);
  const target = requireAbsolute(request.target_path, 'target_path');
  const staging = request.staging_target_path === '' ? '' : requireAbsolute(request.staging_target_path, 'staging_target_path');
  await requireCapability(node, found, capability, context);
  const view = await dropStale(node, found, context);
  const isSingle = capability.mode === 'SINGLE_NODE_SINGLE_WRITER';
  const terms = {
    capability,
    staging,
    readonly: request.readonly,
    context: withoutCallerKeys(request.volume_context),
    publish: request.publish_context,
  };
  const id = publishId(target, terms, { staging, isSingle });
  requireFit(view, target, id, isSingle);
  const mode = mountModeOf(capability, view.accessMode, request.readonly);
  const mount = await node.api.mountVolume({ ...refHere(node, view), mountId: id, mode }, context);
  let source: string | undefined;
  try {
    source = await node.host.resolve(mount.path);
    await show(node, view, { source, target, capability, mode });
  } catch (error) {
    // While it may be shown there, now or in a moment, the use stays: without it the volume may go to another node. One from an earlier
    // call stays beside whatever is mounted there: the driver may have shown the volume by another path then.
    const table = await node.host.table();
    const isTaken = table.some((entry) => entry.target === target);
    const isOurs = source !== undefined && findBind(table, source, target) !== undefined;
    const isShown = isUnknownOutcome(error) || isOurs || (isTaken && (view.mountIds ?? []).some((known) => known === id));
    if (!isShown) await node.api.unmountVolume({ ...refHere(node, view), mountId: id }, context);
    throw error;
  }
  return {};
}

/** NodeUnpublishVolume: ends what is mounted at the target and takes the target away, known volume or not. */
export async function unpublishVolume(node: NodeContext, request: NodeUnpublishRequest, context: CallContext): Promise<object> {
  requireText(request.volume_id, 'volume_id');
  requirePath(request.target_path, 'target_path');
  const view = await findInUse(node, request.volume_id, context);
  const target = requireAbsolute(request.target_path, 'target_path');
  // First the mount, then the use: a use that is gone lets the agent release the volume.
  await node.host.unmount(target);
  await node.host.removeTarget(target);
  const use = findPublish(view?.mountIds ?? [], target);
  if (view !== undefined && use !== undefined) await node.api.unmountVolume({ ...refHere(node, view), mountId: use.id }, context);
  return {};
}

/** The table of the second call: same target and terms again is fine, anything else under one target is not. */
function requireFit(view: VolumeView, target: string, id: string, isSingle: boolean): void {
  const wanted = parseUse(id);
  const uses = publishesOf(view.mountIds ?? []);
  const present = findPublish(view.mountIds ?? [], target);
  if (present !== undefined && present.terms !== wanted?.terms) {
    throw new CsiError('ALREADY_EXISTS', `volume ${view.name} is published at ${target} with other arguments`);
  }
  const other = uses.find((use) => use.path !== pathKey(target) && (isSingle || use.isSingle));
  if (other === undefined) return;
  throw new CsiError(
    'FAILED_PRECONDITION',
    `volume ${view.name} is published at another target of this node, and one of the two wants it alone (SINGLE_NODE_SINGLE_WRITER)`,
  );
}

/** Binds the driver's path to the target; there already: fine. */
async function show(
  node: NodeContext,
  view: VolumeView,
  what: { readonly source: string; readonly target: string; readonly capability: Capability; readonly mode: MountMode },
): Promise<void> {
  const { host } = node;
  const { source, target, capability, mode } = what;
  const table = await host.table();
  const present = findBind(table, source, target);
  if (present === undefined && table.some((entry) => entry.target === target)) {
    throw new CsiError('FAILED_PRECONDITION', `something else is mounted at ${target}; unpublish it first`);
  }
  if (present !== undefined && !hasMode(present, mode)) await host.unmount(target);
  if (present === undefined || !hasMode(present, mode)) {
    if (isBlock(view)) await host.ensureFile(target);
    else await host.ensureFolder(target);
    await host.bind(source, target, { flags: bindFlags(capability.mountFlags), mode });
  }
  const gid = parseGroup(capability.mountGroup);
  if (gid !== undefined && mode === 'rw' && !isBlock(view)) await host.giveToGroup(target, gid);
}

function findPublish(ids: readonly string[], target: string): PublishUse | undefined {
  return publishesOf(ids).find((use) => use.path === pathKey(target));
}
