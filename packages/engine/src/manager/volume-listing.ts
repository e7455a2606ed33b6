import { AppError } from '@volplane/base';
import { isNodeName, type ListVolumesRequest, type NodeName, type VolumePage, type VolumeView } from '@volplane/domain';
import type { CallContext } from '../api.js';
import { pageSizeOf, passesFilter, toVolumeView } from '../document-view.js';
import type { ClusterCache } from '../store/cluster-cache.js';
import type { Agents } from './agents.js';

/** Where the next page begins: among the global volumes, or among one node's local ones. */
type Cursor =
  { readonly scope: 'global'; readonly after: string } | { readonly scope: 'local'; readonly node: string; readonly token?: string };

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
    const warnings: string[] = [];
    if (request.stale !== true && !(await this.#cache.barrier(context.signal))) {
      throw new AppError(
        'STORE_UNAVAILABLE',
        'the list cannot be read as of now: the watch is behind; ask with stale, or repeat the call',
        {},
      );
    }
    const volumes: VolumeView[] = [];
    let cursor = parseCursor(request.pageToken);
    const { filter } = request;
    if (cursor.scope === 'global') {
      const after = filter?.scope === 'local' ? undefined : this.#globalPage(request, cursor.after, pageSize, volumes);
      if (after !== undefined) return { volumes, nextPageToken: toToken({ scope: 'global', after }), unansweredNodes: [], warnings };
      if (filter?.scope === 'global') return { volumes, unansweredNodes: [], warnings: this.#invalidWarnings() };
      warnings.push(...this.#invalidWarnings());
      cursor = { scope: 'local', node: '' };
    }
    return await this.#localPages(request, cursor, { pageSize, volumes, warnings }, context);
  }

  /** Adds global volumes up to the page's size. @returns the last name when there may be more */
  #globalPage(request: ListVolumesRequest, after: string, pageSize: number, into: VolumeView[]): string | undefined {
    const prefix = request.filter?.namePrefix ?? '';
    // One before the prefix, so that the first name with it is not passed over.
    const start = prefix > after ? prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) - 1) : after;
    let looked = 0;
    for (const name of this.#cache.volumes.names(start)) {
      if (name <= after) continue;
      if (prefix !== '' && name > prefix && !name.startsWith(prefix)) return undefined;
      const record = this.#cache.volumes.get(name);
      if (record === undefined) continue;
      const view = toVolumeView(record.document, record.modRevision);
      if (passesFilter(view, request.filter)) into.push(view);
      looked += 1;
      if (into.length >= pageSize || looked >= LOOKED_MAX) return name;
    }
    return undefined;
  }

  async #localPages(
    request: ListVolumesRequest,
    cursor: Extract<Cursor, { scope: 'local' }>,
    page: { readonly pageSize: number; readonly volumes: VolumeView[]; readonly warnings: string[] },
    context: CallContext,
  ): Promise<VolumePage> {
    const { volumes, warnings, pageSize } = page;
    const unansweredNodes: NodeName[] = [];
    const nodes = [...this.#cache.nodes.keys()]
      .sort()
      .filter((node) => node >= cursor.node && (request.filter?.node === undefined || request.filter.node === node));
    let resumed: string | undefined = cursor.token;
    for (let index = 0; index < nodes.length; index += NODES_AT_ONCE) {
      const group = nodes.slice(index, index + NODES_AT_ONCE);
      // A bounded group of nodes at a time: the page may be full before all are asked.
      const answers = await Promise.all(
        group.map((node) => this.#nodePage(node, request, node === cursor.node ? resumed : undefined, pageSize, context)),
      );
      resumed = undefined;
      for (const [position, answer] of answers.entries()) {
        const node = group[position];
        if (node === undefined) continue;
        if (answer === undefined) unansweredNodes.push(node);
        const room = pageSize - volumes.length;
        if (answer !== undefined && answer.volumes.length > room)
          return { volumes, nextPageToken: toToken({ scope: 'local', node }), unansweredNodes, warnings };
        volumes.push(...(answer?.volumes ?? this.#mirrored(node).filter((view) => passesFilter(view, request.filter))).slice(0, room));
        if (answer?.nextPageToken !== undefined)
          return { volumes, nextPageToken: toToken({ scope: 'local', node, token: answer.nextPageToken }), unansweredNodes, warnings };
        const next = nodes[index + position + 1];
        if (volumes.length >= pageSize && next !== undefined)
          return { volumes, nextPageToken: toToken({ scope: 'local', node: next }), unansweredNodes, warnings };
      }
    }
    if (unansweredNodes.length > 0)
      warnings.push(`no answer from ${unansweredNodes.join(', ')}: their local volumes are shown as last known`);
    return { volumes, unansweredNodes, warnings };
  }

  async #nodePage(
    node: NodeName,
    request: ListVolumesRequest,
    pageToken: string | undefined,
    pageSize: number,
    context: CallContext,
  ): Promise<VolumePage | undefined> {
    if (!this.#cache.sessions.has(node)) return undefined;
    const asked: ListVolumesRequest = {
      pageSize,
      filter: { ...request.filter, scope: 'local' },
      ...(pageToken === undefined ? {} : { pageToken }),
    };
    try {
      return await this.#agents.call<VolumePage>(node, 'listVolumes', asked, {
        signal: context.signal,
        timeoutMs: Math.min(context.timeoutMs, NODE_TIMEOUT_MS),
      });
    } catch (error) {
      if (error instanceof AppError && error.kind !== 'invalid') return undefined;
      throw error;
    }
  }

  /** What the node's mirror says while the node is away; never trusted for anything but showing. */
  #mirrored(node: NodeName): readonly VolumeView[] {
    const json = this.#cache.inventories.get(node);
    if (json === undefined) return [];
    const parsed = JSON.parse(json) as {
      readonly volumes?: readonly { readonly name: string; readonly uid: string; readonly driver: string; readonly createdAt: string }[];
    }; // written by managers from a validated message
    return (parsed.volumes ?? []).map(
      (volume) =>
        ({
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
        }) as unknown as VolumeView, // names come from the same validated message
    );
  }

  #invalidWarnings(): readonly string[] {
    return [...this.#cache.invalid.entries()].slice(0, 20).map(([key, fault]) => `left alone: ${key}: ${fault}`);
  }
}

function parseCursor(token: string | undefined): Cursor {
  if (token === undefined || token === '') return { scope: 'global', after: '' };
  try {
    const value = JSON.parse(Buffer.from(token, 'base64url').toString('utf8')) as Partial<
      Record<'scope' | 'after' | 'node' | 'token', unknown>
    >; // checked field by field below
    if (value.scope === 'global' && typeof value.after === 'string') return { scope: 'global', after: value.after };
    if (value.scope === 'local' && typeof value.node === 'string' && (value.node === '' || isNodeName(value.node))) {
      return typeof value.token === 'string'
        ? { scope: 'local', node: value.node, token: value.token }
        : { scope: 'local', node: value.node };
    }
  } catch (error) {
    throw new AppError('PAGE_TOKEN_INVALID', 'the page token was not made by this list', { field: 'page_token' }, error);
  }
  throw new AppError('PAGE_TOKEN_INVALID', 'the page token was not made by this list', { field: 'page_token' });
}

function toToken(cursor: Cursor): string {
  return Buffer.from(JSON.stringify(cursor)).toString('base64url');
}

/** Records that one page looks at before it ends early with a token, so that a rare filter cannot hold the event loop. */
const LOOKED_MAX = 20_000;
const NODES_AT_ONCE = 16;
/** A node that does not answer a list in this time is named as silent. */
const NODE_TIMEOUT_MS = 3_000;
