import { AppError, hasReason } from '@volplane/base';
import type { ListVolumesRequest, NodeName, VolumePage, VolumeView } from '@volplane/domain';
import { PAGE_BYTES_MAX, pageSizeOf, passesFilter, viewBytes } from '../document-view.js';
import type { LocalRecord, MountRecord } from './agent-book.js';

export interface ListSources {
  /** By name. */
  readonly local: () => readonly VolumeView[];
  readonly global: (request: ListVolumesRequest) => Promise<VolumePage>;
  /** Adds what this node knows of a global volume. */
  readonly decorate: (view: VolumeView) => VolumeView;
}

/** A node's list: its local volumes at once from itself, then the global ones from a manager; without a manager, with a warning. */
export async function listAgentVolumes(sources: ListSources, request: ListVolumesRequest): Promise<VolumePage> {
  const pageSize = pageSizeOf(request);
  const token = request.pageToken ?? '';
  const volumes: VolumeView[] = [];
  let globalToken: string | undefined;
  if (token.startsWith(GLOBAL_TOKEN)) globalToken = token.slice(GLOBAL_TOKEN.length);
  else {
    const after = localCursor(token);
    const local =
      request.filter?.scope === 'global' ? [] : sources.local().filter((view) => view.name > after && passesFilter(view, request.filter));
    volumes.push(...fitting(local, pageSize));
    const last = volumes.at(-1);
    if (local.length > volumes.length && last !== undefined)
      return { volumes, nextPageToken: LOCAL_TOKEN + last.name, unansweredNodes: [], warnings: [] };
    if (request.filter?.scope === 'local') return { volumes, unansweredNodes: [], warnings: [] };
    if (volumes.length >= pageSize) return { volumes, nextPageToken: GLOBAL_TOKEN, unansweredNodes: [], warnings: [] };
  }
  const asked: ListVolumesRequest = {
    pageSize: pageSize - volumes.length,
    filter: { ...request.filter, scope: 'global' },
    ...(request.stale === undefined ? {} : { stale: request.stale }),
    ...(globalToken === undefined || globalToken === '' ? {} : { pageToken: globalToken }),
  };
  try {
    const page = await sources.global(asked);
    const { nextPageToken } = page;
    return {
      volumes: [...volumes, ...page.volumes.map((view) => sources.decorate(view))],
      unansweredNodes: page.unansweredNodes,
      warnings: page.warnings,
      ...(nextPageToken === undefined ? {} : { nextPageToken: GLOBAL_TOKEN + nextPageToken }),
    };
  } catch (error) {
    if (
      !(error instanceof AppError) ||
      globalToken !== undefined ||
      !hasReason(error, 'NO_MANAGER', 'UNKNOWN_OUTCOME', 'STORE_UNAVAILABLE')
    )
      throw error;
    return { volumes, unansweredNodes: [], warnings: [`global volumes are not listed: ${error.message}`] };
  }
}

/** As many of the first ones as a page has room for, one at least. */
function fitting(views: readonly VolumeView[], pageSize: number): readonly VolumeView[] {
  let bytes = 0;
  const end = views.findIndex((view, index) => {
    const isFull = index >= pageSize || bytes >= PAGE_BYTES_MAX;
    bytes += viewBytes(view);
    return isFull;
  });
  return end === -1 ? views : views.slice(0, end);
}

/** A global volume that this node has, told from its own journal while no manager can be asked; undefined when it has none. */
export function toHeldView(record: MountRecord | undefined, node: NodeName): VolumeView | undefined {
  if (record?.granted === undefined) return undefined;
  const { uid, spec, epoch } = record.granted;
  return {
    name: record.name,
    uid,
    ...spec,
    scope: 'global',
    // Not in the journal; what is not known is told as unavailable.
    createdAt: new Date(0).toISOString(),
    phase: 'ready',
    generation: 0,
    node,
    epoch,
    attachments: [],
    mountIds: record.mountIds,
    ...(record.path === undefined ? {} : { path: record.path }),
    unavailable: true,
  };
}

/** A local volume as every door shows it. */
export function toLocalView(record: LocalRecord, node: NodeName): VolumeView {
  return {
    name: record.name,
    uid: record.uid,
    driver: record.driver,
    scope: 'local',
    options: record.options,
    labels: record.labels,
    accessMode: 'single-node-writer',
    takeover: 'manual',
    createdAt: record.createdAt,
    phase: record.phase,
    generation: 0,
    node,
    epoch: 0,
    attachments: [],
    mountIds: record.mountIds,
    ...(record.sizeBytes === undefined ? {} : { sizeBytes: record.sizeBytes }),
    ...(record.snapshots === undefined ? {} : { snapshots: record.snapshots }),
    ...(record.path === undefined ? {} : { path: record.path }),
  };
}

function localCursor(token: string): string {
  if (token === '') return '';
  if (token.startsWith(LOCAL_TOKEN)) return token.slice(LOCAL_TOKEN.length);
  throw new AppError('PAGE_TOKEN_INVALID', 'the page token was not made by this list', { field: 'page_token' });
}

const LOCAL_TOKEN = 'local:';
const GLOBAL_TOKEN = 'global:';
