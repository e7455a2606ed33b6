import type { VolumeView } from '@volplane/domain';
import { LABELS } from './labels.js';
import type { WireContentSource, WireVolume, WireVolumeStatus } from './messages.js';
import { isAttachId } from './mount-ids.js';
import type { TopologyMap } from './topology.js';
import { conditionOf } from './volume-health.js';
import { requireVolumeId } from './volume-lookup.js';
import { isAtLeast, type SpecLevel } from './spec-level.js';

/** The volume in CSI's words. `topologyLabels` are the node labels that bound where a global volume can be used. */
export function toWireVolume(view: VolumeView, topology: TopologyMap): WireVolume {
  const source = parseSourceLabel(view.labels[LABELS.source]);
  return {
    volume_id: requireVolumeId(view),
    // 0 = unknown: of drivers that keep no size.
    capacity_bytes: String(view.sizeBytes ?? 0),
    volume_context: {},
    ...(source === undefined ? {} : { content_source: source }),
    accessible_topology: accessibleFrom(view, topology).map((segments) => ({ segments })),
  };
}

export function toWireStatus(view: VolumeView, level: SpecLevel): WireVolumeStatus {
  return {
    published_node_ids: publishedNodes(view),
    ...(isAtLeast(level, '1.13') ? {} : { volume_condition: conditionOf(view) }),
  };
}

/** The nodes that have the volume, through whatever door. */
export function publishedNodes(view: VolumeView): readonly string[] {
  if (view.scope === 'local') return (view.mountIds ?? []).some(isAttachId) ? [view.node] : [];
  return view.attachments.map((attachment) => attachment.node);
}

/** A content source as the label that remembers it. */
export function toSourceLabel(source: WireContentSource): string {
  return source.type === 'snapshot' ? `snapshot ${source.snapshot?.snapshot_id ?? ''}` : `volume ${source.volume?.volume_id ?? ''}`;
}

function parseSourceLabel(label: string | undefined): WireContentSource | undefined {
  const [type, id] = (label ?? '').split(' ');
  if (id === undefined) return undefined;
  if (type === 'snapshot') return { type, snapshot: { snapshot_id: id } };
  return type === 'volume' ? { type, volume: { volume_id: id } } : undefined;
}

function accessibleFrom(view: VolumeView, topology: TopologyMap): readonly Readonly<Record<string, string>>[] {
  if (view.scope === 'local') return [topology.onlyNode(view.node)];
  const bound = parseTopologyLabel(view.labels[LABELS.topology]);
  return bound === undefined ? [] : [topology.ofLabels(bound)];
}

/** `zone=a,rack=7` as written by {@link toTopologyLabel}. */
function parseTopologyLabel(label: string | undefined): Readonly<Record<string, string>> | undefined {
  if (label === undefined) return undefined;
  return Object.fromEntries(label.split(',').map((pair) => pair.split('=', 2) as [string, string]));
}

export function toTopologyLabel(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
}
