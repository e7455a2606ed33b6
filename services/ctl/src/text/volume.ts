import type { StringMap, VolumeView } from '@volplane/domain';
import { formatSize } from './size.js';
import { facts, table } from './table.js';

export function volumeTable(volumes: readonly VolumeView[]): string {
  return table(
    ['NAME', 'DRIVER', 'SCOPE', 'NODE', 'PHASE', 'ACCESS', 'SIZE', 'ATTACHED ON'],
    volumes.map((volume) => [
      volume.name,
      volume.driver,
      volume.scope,
      volume.node,
      volume.unavailable === true ? `${volume.phase} (no answer)` : volume.phase,
      volume.accessMode,
      formatSize(volume.sizeBytes),
      usersOf(volume),
    ]),
  );
}

export function volumeFacts(volume: VolumeView): string {
  const entries: (readonly [string, string | readonly string[]])[] = [
    ['name', volume.name],
    ['uid', volume.uid],
    ['driver', `${volume.driver} (${volume.scope})`],
    ['phase', volume.phase],
    [volume.scope === 'local' ? 'node' : 'owner', volume.node],
    ['epoch', String(volume.epoch)],
    ['generation', String(volume.generation)],
    ['access mode', volume.accessMode],
    ['takeover', volume.takeover],
    ['size', formatSize(volume.sizeBytes)],
    ['created', volume.createdAt],
    ['options', pairLines(volume.options)],
    ['labels', pairLines(volume.labels)],
    [
      'attached',
      volume.attachments.map(
        ({ node, mode, epoch, seq, since, claimedFor }) =>
          `${node} ${mode} since ${since} for ${claimedFor} (epoch ${String(epoch)}, seq ${String(seq)})`,
      ),
    ],
  ];
  const { operation, snapshots, path, mountIds } = volume;
  if (operation !== undefined) {
    entries.push([
      'operation',
      `${operation.kind} ${operation.id} since ${operation.since}${operation.cause === undefined ? '' : `: ${operation.cause}`}`,
    ]);
  }
  if (snapshots !== undefined) {
    const lines = Object.entries(snapshots).map(
      ([name, { createdAt, sizeBytes, ready }]) => `${name} ${createdAt} ${formatSize(sizeBytes)}${ready ? '' : ' (not ready)'}`,
    );
    entries.push(['snapshots', lines]);
  }
  if (path !== undefined) entries.push(['path', path]);
  if (mountIds !== undefined) entries.push(['mount ids', mountIds]);
  if (volume.unavailable === true) entries.push(['note', 'the node does not answer; this is what was last known']);
  return facts(entries);
}

export function pairLines(pairs: StringMap): readonly string[] {
  return Object.entries(pairs).map(([key, value]) => `${key}=${value}`);
}

/** `a rw, b ro`; for a local volume the number of its uses. */
function usersOf(volume: VolumeView): string {
  if (volume.attachments.length > 0) return volume.attachments.map(({ node, mode }) => `${node} ${mode}`).join(', ');
  const uses = volume.mountIds?.length ?? 0;
  return uses === 0 ? '-' : `${volume.node} (${String(uses)} ${uses === 1 ? 'use' : 'uses'})`;
}
