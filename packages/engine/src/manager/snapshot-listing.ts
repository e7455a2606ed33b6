import { AppError } from '@volplane/base';
import {
  isNodeName,
  type ListSnapshotsRequest,
  type ListVolumesRequest,
  type NodeName,
  type SnapshotPage,
  type SnapshotView,
  type VolumePage,
  type VolumeView,
} from '@volplane/domain';
import type { CallContext } from '../api.js';
import { pageSizeOf, toVolumeView } from '../document-view.js';
import type { ClusterCache } from '../store/cluster-cache.js';
import type { Agents } from './agents.js';
import { walkNodes, type NodeCursor, type NodePage } from './node-pages.js';
import { invalidPageToken, parsePageToken, toPageToken } from './page-token.js';

/** After this snapshot of this volume. */
interface After {
  readonly volume: string;
  readonly snapshot: string;
}

type Cursor = ({ readonly scope: 'global' } & After) | ({ readonly scope: 'local' } & NodeCursor);

/** Lists snapshots: those of global volumes from memory, then those of each node's local volumes from its agent's list of volumes. */
export class SnapshotListing {
  readonly #cache: ClusterCache;
  readonly #agents: Agents;

  constructor(parts: { readonly cache: ClusterCache; readonly agents: Agents }) {
    this.#cache = parts.cache;
    this.#agents = parts.agents;
  }

  async page(request: ListSnapshotsRequest, context: CallContext): Promise<SnapshotPage> {
    const pageSize = pageSizeOf(request);
    let cursor = parseCursor(request.pageToken);
    if (!(await this.#cache.barrier())) {
      throw new AppError('STORE_UNAVAILABLE', 'the list cannot be read as of now: the watch is behind; repeat the call', {});
    }
    const snapshots: SnapshotView[] = [];
    if (cursor.scope === 'global') {
      const after = this.#globalPage(request, cursor, pageSize, snapshots);
      if (after !== undefined) return { snapshots, nextPageToken: toPageToken({ scope: 'global', ...after }), unansweredNodes: [] };
      cursor = { scope: 'local', node: '' };
    }
    const { items, next, unanswered } = await walkNodes<SnapshotView>({
      nodes: [...this.#cache.nodes.keys()].sort().filter((node) => request.filter?.node === undefined || request.filter.node === node),
      cursor,
      room: pageSize - snapshots.length,
      ask: (node, token, limit) => this.#askNode(node, request, token, limit, context),
      absent: () => ({ items: [] }),
    });
    return {
      snapshots: [...snapshots, ...items],
      unansweredNodes: unanswered,
      ...(next === undefined ? {} : { nextPageToken: toPageToken({ scope: 'local', ...next }) }),
    };
  }

  /** Adds snapshots of global volumes up to the page's size. @returns the last one when there may be more */
  #globalPage(request: ListSnapshotsRequest, after: After, pageSize: number, into: SnapshotView[]): After | undefined {
    const { filter } = request;
    // A node names local volumes only.
    if (filter?.node !== undefined) return undefined;
    let looked = 0;
    for (const name of this.#cache.volumes.names()) {
      if (name < after.volume || (filter?.volume !== undefined && filter.volume !== name)) continue;
      const record = this.#cache.volumes.get(name);
      if (record === undefined) continue;
      for (const view of snapshotsOf(toVolumeView(record.document, record.modRevision), request)) {
        if (name === after.volume && view.name <= after.snapshot) continue;
        if (into.length >= pageSize) return toAfter(into, after);
        into.push(view);
      }
      looked += 1;
      if (looked >= LOOKED_MAX) return { volume: name, snapshot: LAST_SNAPSHOT };
    }
    return undefined;
  }

  /** One page of the node's volumes at a time; its snapshots are resumed within that page by what was shown last. */
  async #askNode(
    node: NodeName,
    request: ListSnapshotsRequest,
    token: string | undefined,
    limit: number,
    context: CallContext,
  ): Promise<NodePage<SnapshotView> | undefined> {
    if (!this.#cache.sessions.has(node)) return undefined;
    const { page = '', volume = '', snapshot = '' } = token === undefined ? {} : parsePageToken(token);
    const asked: ListVolumesRequest = {
      pageSize: NODE_VOLUMES,
      filter: { scope: 'local', ...(request.filter?.volume === undefined ? {} : { names: [request.filter.volume] }) },
      ...(page === '' ? {} : { pageToken: page }),
    };
    const timeoutMs = Math.min(context.timeoutMs, NODE_TIMEOUT_MS);
    const answer = await this.#agents.call<VolumePage>(node, 'listVolumes', asked, { signal: context.signal, timeoutMs });
    const found = answer.volumes.flatMap((view) => snapshotsOf(view, request)).filter((view) => isAfter(view, { volume, snapshot }));
    const items = found.slice(0, limit);
    const last = items.at(-1);
    if (found.length > limit && last !== undefined)
      return { items, nextToken: toPageToken({ page, volume: last.volume, snapshot: last.name }) };
    return answer.nextPageToken === undefined ? { items } : { items, nextToken: toPageToken({ page: answer.nextPageToken }) };
  }
}

/** The snapshots of one volume that pass the filter, by name. */
function snapshotsOf(view: VolumeView, { filter }: ListSnapshotsRequest): readonly SnapshotView[] {
  const { name: volume, uid: volumeUid, driver, scope, node } = view;
  return Object.entries(view.snapshots ?? {})
    .filter(([name]) => filter?.names === undefined || filter.names.length === 0 || filter.names.includes(name))
    .filter(([name]) => filter?.namePrefix === undefined || name.startsWith(filter.namePrefix))
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, { createdAt, sizeBytes, ready }]) => ({ name, volume, volumeUid, driver, scope, node, createdAt, sizeBytes, ready }));
}

function toAfter(shown: readonly SnapshotView[], before: After): After {
  const last = shown.at(-1);
  return last === undefined ? before : { volume: last.volume, snapshot: last.name };
}

function isAfter(view: SnapshotView, { volume, snapshot }: After): boolean {
  return view.volume > volume || (view.volume === volume && view.name > snapshot);
}

function parseCursor(token: string | undefined): Cursor {
  if (token === undefined || token === '') return { scope: 'global', volume: '', snapshot: '' };
  const { scope, volume, snapshot, node, token: own } = parsePageToken(token);
  if (scope === 'global' && volume !== undefined && snapshot !== undefined) return { scope, volume, snapshot };
  if (scope === 'local' && node !== undefined && (node === '' || isNodeName(node)))
    return { scope, node, ...(own === undefined ? {} : { token: own }) };
  throw invalidPageToken();
}

/** Sorts behind every name. */
const LAST_SNAPSHOT = '~';
/** Records that one page looks at before it ends early with a token, so that few snapshots cannot hold the event loop. */
const LOOKED_MAX = 20_000;
/** Volumes asked of a node at once; each has at most 64 snapshots. */
const NODE_VOLUMES = 100;
const NODE_TIMEOUT_MS = 3_000;
