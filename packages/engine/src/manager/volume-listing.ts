import { AppError } from '@volplane/base';
import { isNodeName, quote, type ListVolumesRequest, type NodeName, type VolumePage, type VolumeView } from '@volplane/domain';
import type { CallContext } from '../api.js';
import { PAGE_BYTES_MAX, pageSizeOf, passesFilter, toVolumeView, viewBytes } from '../document-view.js';
import type { ClusterCache } from '../store/cluster-cache.js';
import type { MirroredVolume } from '../store/inventory-document.js';
import type { Agents } from './agents.js';
import { mirroredVolumes } from './inventory.js';
import { walkNodes, type NodeCursor, type NodePage } from './node-pages.js';
import { invalidPageToken, parsePageToken, toPageToken } from './page-token.js';

/** Where the next page begins: among the global volumes, or among one node's local ones. */
type Cursor = { readonly scope: 'global'; readonly after: string } | ({ readonly scope: 'local' } & NodeCursor);

/** Lists the cluster's volumes: the global ones from memory, then every node's local ones from its agent, node by node. */
export class VolumeListing {
  readonly #cache: ClusterCache;
  readonly #agents: Agents;

  constructor(cache: ClusterCache, agents: Agents) {
    this.#cache = cache;
    this.#agents = agents;
  }

  async page(request: ListVolumesRequest, context: CallContext): Promise<VolumePage> {
    const pageSize = pageSizeOf(request);
    let cursor = parseCursor(request.pageToken);
    if (request.stale !== true && !(await this.#cache.barrier())) {
      const text = 'the list cannot be read as of now: the watch is behind; ask with stale, or repeat the call';
      throw new AppError('STORE_UNAVAILABLE', text, {});
    }
    const volumes: VolumeView[] = [];
    let warnings: readonly string[] = [];
    const { filter } = request;
    if (cursor.scope === 'global') {
      const after = filter?.scope === 'local' ? undefined : this.#globalPage(request, cursor.after, pageSize, volumes);
      if (after !== undefined) return { volumes, nextPageToken: toPageToken({ scope: 'global', after }), unansweredNodes: [], warnings };
      warnings = [...this.#invalidWarnings(), ...this.#strangerWarnings(filter?.node)];
      if (filter?.scope === 'global') return { volumes, unansweredNodes: [], warnings };
      cursor = { scope: 'local', node: '' };
    }
    return await this.#localPage(request, cursor, { pageSize, volumes, warnings }, context);
  }

  /** Adds global volumes up to the page's size, or to {@link PAGE_BYTES_MAX}. @returns the last name when there may be more */
  #globalPage(request: ListVolumesRequest, after: string, pageSize: number, into: VolumeView[]): string | undefined {
    const prefix = request.filter?.namePrefix ?? '';
    // One before the prefix, so that the first name with it is not passed over.
    const start = prefix > after ? prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) - 1) : after;
    let looked = 0;
    let bytes = 0;
    for (const name of this.#cache.volumes.names(start)) {
      if (name <= after) continue;
      if (prefix !== '' && name > prefix && !name.startsWith(prefix)) return undefined;
      const record = this.#cache.volumes.get(name);
      if (record === undefined) continue;
      const view = toVolumeView(record.document, record.modRevision);
      if (passesFilter(view, request.filter)) {
        into.push(view);
        bytes += viewBytes(view);
      }
      looked += 1;
      if (into.length >= pageSize || bytes >= PAGE_BYTES_MAX || looked >= LOOKED_MAX) return name;
    }
    return undefined;
  }

  async #localPage(
    request: ListVolumesRequest,
    cursor: NodeCursor,
    page: { readonly pageSize: number; readonly volumes: readonly VolumeView[]; readonly warnings: readonly string[] },
    context: CallContext,
  ): Promise<VolumePage> {
    const { filter } = request;
    const { items, next, unanswered } = await walkNodes<VolumeView>({
      nodes: [...this.#cache.nodes.keys()].sort().filter((node) => filter?.node === undefined || filter.node === node),
      cursor,
      room: page.pageSize - page.volumes.length,
      bytesOf: viewBytes,
      ask: (node, token) => this.#askNode(node, request, token, page.pageSize, context),
      absent: (node, after, limit) => this.#mirroredPage(node, request, after, limit),
    });
    const silent = unanswered.length === 0 ? [] : [`no answer from ${unanswered.join(', ')}: their local volumes are shown as last known`];
    return {
      volumes: [...page.volumes, ...items],
      unansweredNodes: unanswered,
      warnings: [...page.warnings, ...silent],
      ...(next === undefined ? {} : { nextPageToken: toPageToken({ scope: 'local', ...next }) }),
    };
  }

  async #askNode(
    node: NodeName,
    request: ListVolumesRequest,
    pageToken: string | undefined,
    pageSize: number,
    context: CallContext,
  ): Promise<NodePage<VolumeView> | undefined> {
    if (!this.#cache.sessions.has(node)) return undefined;
    const filter = { ...request.filter, scope: 'local' as const };
    const asked: ListVolumesRequest = { pageSize, filter, ...(pageToken === undefined ? {} : { pageToken }) };
    const timeoutMs = Math.min(context.timeoutMs, NODE_TIMEOUT_MS);
    const { volumes, nextPageToken } = await this.#agents.call<VolumePage>(node, 'listVolumes', asked, {
      signal: context.signal,
      timeoutMs,
    });
    return { items: volumes, ...(nextPageToken === undefined ? {} : { nextToken: nextPageToken }) };
  }

  #mirroredPage(node: NodeName, request: ListVolumesRequest, after: string | undefined, limit: number): NodePage<VolumeView> {
    const views = mirroredVolumes(this.#cache, node)
      .filter(({ name }) => after === undefined || name > after)
      .map((volume) => toMirroredView(volume, node))
      .filter((view) => passesFilter(view, request.filter));
    const items = views.slice(0, limit);
    const last = items.at(-1);
    return views.length > limit && last !== undefined ? { items, nextToken: last.name } : { items };
  }

  /** A mistyped name would be answered as a node without volumes. */
  #strangerWarnings(node: string | undefined): readonly string[] {
    if (node === undefined || this.#cache.nodes.has(node as NodeName)) return []; // compared only
    return [`node ${quote(node)} has never registered`];
  }

  #invalidWarnings(): readonly string[] {
    return [...this.#cache.invalid.entries()].slice(0, 20).map(([key, fault]) => `left alone: ${key}: ${fault}`);
  }
}

function toMirroredView(volume: MirroredVolume, node: NodeName): VolumeView {
  return {
    name: volume.name,
    uid: volume.uid,
    driver: volume.driver,
    scope: 'local',
    options: {},
    labels: {},
    accessMode: 'single-node-writer',
    takeover: 'manual',
    createdAt: volume.createdAt,
    phase: 'ready',
    generation: 0,
    node,
    epoch: 0,
    attachments: [],
    unavailable: true,
  } as unknown as VolumeView; // the names come from a message that was validated before it was stored
}

function parseCursor(token: string | undefined): Cursor {
  if (token === undefined || token === '') return { scope: 'global', after: '' };
  const { scope, after, node, token: own } = parsePageToken(token);
  if (scope === 'global' && after !== undefined) return { scope, after };
  if (scope === 'local' && node !== undefined && (node === '' || isNodeName(node)))
    return { scope, node, ...(own === undefined ? {} : { token: own }) };
  throw invalidPageToken();
}

/** Records that one page looks at before it ends early with a token, so that a rare filter cannot hold the event loop. */
const LOOKED_MAX = 20_000;
/** A node that does not answer a list in this time is named as silent. */
const NODE_TIMEOUT_MS = 3_000;
