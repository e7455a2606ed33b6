import { AppError } from '@volplane/base';
import {
  holdersOf,
  LIMITS,
  ownEntry,
  toAttachmentView,
  type StringMap,
  type VolumeDocument,
  type VolumeFilter,
  type VolumeView,
} from '@volplane/domain';

/** A global volume as every door shows it. */
export function toVolumeView(document: VolumeDocument, modRevision: number): VolumeView {
  const { spec } = document;
  return {
    name: document.name,
    uid: document.uid,
    driver: spec.driver,
    scope: 'global',
    options: spec.options,
    labels: spec.labels,
    accessMode: spec.accessMode,
    takeover: spec.takeover,
    ...(spec.sizeBytes === undefined ? {} : { sizeBytes: spec.sizeBytes }),
    createdAt: document.createdAt,
    phase: document.phase,
    generation: modRevision,
    node: document.owner,
    epoch: document.epoch,
    attachments: holdersOf(document).map(toAttachmentView),
    ...(document.operation === undefined ? {} : { operation: document.operation }),
    ...(document.snapshots === undefined ? {} : { snapshots: document.snapshots }),
  };
}

/** True when the volume passes every given key of the filter. */
export function passesFilter(view: VolumeView, filter: VolumeFilter | undefined): boolean {
  if (filter === undefined) return true;
  const used = view.attachments.length > 0 || (view.mountIds?.length ?? 0) > 0;
  return (
    (filter.names === undefined || filter.names.length === 0 || filter.names.includes(view.name)) &&
    (filter.namePrefix === undefined || view.name.startsWith(filter.namePrefix)) &&
    (filter.drivers === undefined || filter.drivers.length === 0 || filter.drivers.includes(view.driver)) &&
    (filter.scope === undefined || view.scope === filter.scope) &&
    (filter.node === undefined || view.node === filter.node || view.attachments.some((attachment) => attachment.node === filter.node)) &&
    (filter.dangling === undefined || filter.dangling !== used) &&
    Object.entries(filter.labels ?? {}).every(([key, value]) => hasLabel(view.labels, key, value))
  );
}

function hasLabel(labels: StringMap, key: string, value: string): boolean {
  const present = ownEntry(labels, key);
  return present !== undefined && (value === '' || present === value);
}

/** The bounds of options and labels, for every door. @throws AppError TOO_LARGE, INVALID_ARGUMENT naming the map and the key */
export function checkMap(field: string, map: StringMap | undefined): StringMap {
  const entries = Object.entries(map ?? {});
  if (entries.length > LIMITS.mapEntries) {
    throw new AppError('TOO_LARGE', `${field} has ${String(entries.length)} entries, at most ${String(LIMITS.mapEntries)} are allowed`, {
      field,
    });
  }
  for (const [key, value] of entries) {
    if (key.length === 0) throw new AppError('INVALID_ARGUMENT', `${field} has an empty key`, { field });
    if (key.length > LIMITS.mapKeyBytes || value.length > LIMITS.mapValueBytes) {
      throw new AppError(
        'TOO_LARGE',
        `${field} ${JSON.stringify(key.slice(0, 40))} is longer than a key of ${String(LIMITS.mapKeyBytes)} or a value of ${String(LIMITS.mapValueBytes)} characters`,
        { field },
      );
    }
  }
  return map ?? {};
}

/** A page's size within its bounds. @throws AppError INVALID_ARGUMENT */
export function pageSizeOf(request: { readonly pageSize?: number }): number {
  const size = request.pageSize ?? PAGE_SIZE_DEFAULT;
  if (Number.isInteger(size) && size >= 1 && size <= PAGE_SIZE_MAX) return size;
  throw new AppError('INVALID_ARGUMENT', `page size ${String(size)} is not between 1 and ${String(PAGE_SIZE_MAX)}`, { field: 'page_size' });
}

/** About what the view takes up in a message, in bytes: enough to end a page before it is too large. */
export function viewBytes(view: VolumeView): number {
  const parts = view.attachments.length + (view.mountIds?.length ?? 0) + Object.keys(view.snapshots ?? {}).length;
  let bytes = VIEW_BYTES + parts * PART_BYTES;
  for (const map of [view.options, view.labels])
    for (const key in map) bytes += ENTRY_BYTES + Buffer.byteLength(key) + Buffer.byteLength(map[key] ?? '');
  return bytes;
}

/**
 * A page of volumes ends early behind this many bytes. An answer over the bus may hold two parts of that size, global and local ones, within
 * the 1 MiB of NATS; gRPC takes 4 MiB.
 */
export const PAGE_BYTES_MAX = 384 * 1024;
/** Measured: 420 bytes of JSON without maps and holders, with names of a usual length. */
const VIEW_BYTES = 500;
/** A holder, a mount id, a snapshot. */
const PART_BYTES = 250;
const ENTRY_BYTES = 6;

const PAGE_SIZE_DEFAULT = 100;
const PAGE_SIZE_MAX = 1_000;
