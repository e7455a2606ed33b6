import {
  isDriverName,
  isNodeName,
  isVolumeName,
  isVolumeUid,
  type MountView,
  type SnapshotPage,
  type SnapshotView,
  type StringMap,
  type VolumeEvent,
  type VolumePage,
  type VolumeView,
} from '@volplane/domain';
import type { ListSnapshotsResponse, ListSnapshotsResponseInput } from '../generated/volplane/v1/ListSnapshotsResponse.js';
import type { ListVolumesResponse, ListVolumesResponseInput } from '../generated/volplane/v1/ListVolumesResponse.js';
import type { MountVolumeResponse, MountVolumeResponseInput } from '../generated/volplane/v1/MountVolumeResponse.js';
import type { Volume, VolumeInput } from '../generated/volplane/v1/Volume.js';
import type { VolumeSnapshot, VolumeSnapshotInput } from '../generated/volplane/v1/VolumeSnapshot.js';
import type { WatchVolumesResponse, WatchVolumesResponseInput } from '../generated/volplane/v1/WatchVolumesResponse.js';
import { mountModes, scopes } from './enums.js';
import { mapFromWire, oneOf, required, textFromWire, uint64FromWire, uint64ToWire, type Writable } from './scalars.js';
import { volumeFromWire, volumeToWire } from './volume.js';

/** For all responses that carry one volume and nothing else. */
export function volumeResponseToWire(volume: VolumeView): { volume: VolumeInput } {
  return { volume: volumeToWire(volume) };
}

export function volumeResponseFromWire(message: { readonly volume: Volume | null }): VolumeView {
  return volumeFromWire(required(message.volume, 'volume'));
}

export function volumePageToWire(page: VolumePage): ListVolumesResponseInput {
  const message: ListVolumesResponseInput = {
    volumes: page.volumes.map(volumeToWire),
    unansweredNodes: [...page.unansweredNodes],
    warnings: [...page.warnings],
  };
  if (page.nextPageToken !== undefined) message.nextPageToken = page.nextPageToken;
  return message;
}

export function volumePageFromWire(message: ListVolumesResponse): VolumePage {
  const page: Writable<VolumePage> = {
    volumes: message.volumes.map(volumeFromWire),
    unansweredNodes: message.unansweredNodes.map((node) => textFromWire(node, isNodeName, 'unanswered_nodes')),
    warnings: message.warnings,
  };
  if (message.nextPageToken !== undefined) page.nextPageToken = message.nextPageToken;
  return page;
}

export function snapshotPageToWire(page: SnapshotPage): ListSnapshotsResponseInput {
  const message: ListSnapshotsResponseInput = {
    snapshots: page.snapshots.map(snapshotToWire),
    unansweredNodes: [...page.unansweredNodes],
  };
  if (page.nextPageToken !== undefined) message.nextPageToken = page.nextPageToken;
  return message;
}

export function snapshotPageFromWire(message: ListSnapshotsResponse): SnapshotPage {
  const page: Writable<SnapshotPage> = {
    snapshots: message.snapshots.map(snapshotFromWire),
    unansweredNodes: message.unansweredNodes.map((node) => textFromWire(node, isNodeName, 'unanswered_nodes')),
  };
  if (message.nextPageToken !== undefined) page.nextPageToken = message.nextPageToken;
  return page;
}

function snapshotToWire(snapshot: SnapshotView): VolumeSnapshotInput {
  return {
    name: snapshot.name,
    volume: snapshot.volume,
    volumeUid: snapshot.volumeUid,
    driver: snapshot.driver,
    scope: scopes.toWire(snapshot.scope),
    node: snapshot.node,
    createdAt: snapshot.createdAt,
    sizeBytes: uint64ToWire(snapshot.sizeBytes, 'snapshots.size_bytes'),
    ready: snapshot.ready,
  };
}

function snapshotFromWire(message: VolumeSnapshot): SnapshotView {
  return {
    name: message.name,
    volume: textFromWire(message.volume, isVolumeName, 'snapshots.volume'),
    volumeUid: textFromWire(message.volumeUid, isVolumeUid, 'snapshots.volume_uid'),
    driver: textFromWire(message.driver, isDriverName, 'snapshots.driver'),
    scope: scopes.requiredFromWire(message.scope, 'snapshots.scope'),
    node: textFromWire(message.node, isNodeName, 'snapshots.node'),
    createdAt: message.createdAt,
    sizeBytes: uint64FromWire(message.sizeBytes, 'snapshots.size_bytes'),
    ready: message.ready,
  };
}

export function mountToWire(mount: MountView): MountVolumeResponseInput {
  return {
    path: mount.path,
    node: mount.node,
    mode: mountModes.toWire(mount.mode),
    epoch: uint64ToWire(mount.epoch, 'epoch'),
    seq: uint64ToWire(mount.seq, 'seq'),
  };
}

export function mountFromWire(message: MountVolumeResponse): MountView {
  return {
    path: message.path,
    node: textFromWire(message.node, isNodeName, 'node'),
    mode: mountModes.requiredFromWire(message.mode, 'mode'),
    epoch: uint64FromWire(message.epoch, 'epoch'),
    seq: uint64FromWire(message.seq, 'seq'),
  };
}

export function pathToWire(answer: { readonly path?: string }): { path?: string } {
  return answer.path === undefined ? {} : { path: answer.path };
}

export function pathFromWire(message: { readonly path?: string }): { readonly path?: string } {
  return message.path === undefined ? {} : { path: message.path };
}

export function driverStatusToWire(answer: { readonly status: StringMap }): { status: StringMap } {
  return { status: answer.status };
}

export function driverStatusFromWire(message: { readonly status: StringMap }): { readonly status: StringMap } {
  return { status: mapFromWire(message.status, 'status') };
}

export function volumeEventToWire(event: VolumeEvent): WatchVolumesResponseInput {
  const revision = uint64ToWire(event.revision, 'revision');
  switch (event.type) {
    case 'present':
      return { present: volumeToWire(event.volume), revision };
    case 'changed':
      return { changed: volumeToWire(event.volume), revision };
    case 'removed':
      return { removed: { name: event.name }, revision };
    case 'synced':
      return { synced: {}, revision };
  }
}

export function volumeEventFromWire(message: WatchVolumesResponse): VolumeEvent {
  const revision = uint64FromWire(message.revision, 'revision');
  const type = oneOf(message, ['present', 'changed', 'removed', 'synced'], 'event');
  switch (type) {
    case 'present':
    case 'changed':
      return { type, volume: volumeFromWire(required(message[type], type)), revision };
    case 'removed':
      return { type, name: textFromWire(required(message.removed, type).name, isVolumeName, 'removed.name'), revision };
    case 'synced':
      return { type, revision };
  }
}
