import { AppError, type Logger } from '@volplane/base';
import {
  decideCordon,
  decideRehome,
  isSingleNode,
  ownEntry,
  placementOf,
  type DrainView,
  type NodeIdentity,
  type NodeName,
  type VolumeDocument,
  type VolumeName,
  type VolumePage,
} from '@volplane/domain';
import type { CallContext } from '../api.js';
import { inParallel } from '../in-parallel.js';
import type { ClusterCache } from '../store/cluster-cache.js';
import type { NodeRecords } from '../store/node-records.js';
import type { VolumeRecords } from '../store/volume-records.js';
import type { Agents } from './agents.js';
import { mirroredVolumes } from './inventory.js';
import type { NodeViews } from './node-view.js';
import { placeWhile, toLiveNode } from './placing.js';

type Remainder = DrainView['remaining'][number];

/** Empties a node as far as that can be done without touching a mount: it is cordoned, and others become owners of what it owned. */
export class NodeDrain {
  readonly #records: VolumeRecords;
  readonly #nodeRecords: NodeRecords;
  readonly #cache: ClusterCache;
  readonly #agents: Agents;
  readonly #views: NodeViews;
  readonly #log: Logger;

  constructor(parts: {
    readonly records: VolumeRecords;
    readonly nodeRecords: NodeRecords;
    readonly cache: ClusterCache;
    readonly agents: Agents;
    readonly views: NodeViews;
    readonly log: Logger;
  }) {
    this.#records = parts.records;
    this.#nodeRecords = parts.nodeRecords;
    this.#cache = parts.cache;
    this.#agents = parts.agents;
    this.#views = parts.views;
    this.#log = parts.log;
  }

  /** @throws AppError NODE_NOT_FOUND; CANCELLED between two volumes: what was moved stays moved, the call can be repeated */
  async drain(name: NodeName, context: CallContext): Promise<DrainView> {
    const document = await this.#nodeRecords.change(name, (current) => decideCordon(current, name, true), context.signal);
    await this.#cache.barrier();
    const machine: NodeIdentity = { node: name, nodeUid: document.uid };
    const moved: VolumeName[] = [];
    const remaining: Remainder[] = [];
    await inParallel(
      [...this.#cache.volumes.naming(machine.nodeUid)],
      VOLUMES_AT_ONCE,
      async (volume) => {
        const { hasMoved, reasons } = await this.#moveAway(volume, machine);
        if (hasMoved) moved.push(volume);
        remaining.push(...reasons.map((reason): Remainder => ({ name: volume, scope: 'global', reason })));
      },
      context.signal,
    );
    context.signal.throwIfAborted();
    remaining.sort((one, other) => (one.name < other.name ? -1 : 1));
    remaining.push(...(await this.#localVolumes(machine, context)));
    this.#log.info('node drained', { node: name, moved: moved.length, remaining: remaining.length });
    return { node: this.#views.view(name), moved: moved.sort(), remaining };
  }

  async #moveAway(name: VolumeName, machine: NodeIdentity): Promise<{ readonly hasMoved: boolean; readonly reasons: readonly string[] }> {
    const document = this.#cache.volumes.get(name)?.document;
    if (document === undefined) return { hasMoved: false, reasons: [] };
    const held = heldReason(document, machine);
    const staysOwner = held !== undefined && isSingleNode(document.spec.accessMode);
    if (document.ownerUid !== machine.nodeUid || staysOwner) return { hasMoved: false, reasons: held === undefined ? [] : [held] };
    try {
      const why = this.#cache.sessions.get(machine.node)?.document.nodeUid === machine.nodeUid ? 'requested' : 'owner-gone';
      const changed = await placeWhile(placementOf(document.spec), this.#cache, (chosen) =>
        this.#records.change(name, (current, view) =>
          current?.ownerUid === machine.nodeUid
            ? decideRehome(current, toLiveNode(chosen), why, view)
            : { type: 'unchanged', answer: document },
        ),
      );
      return { hasMoved: changed.document?.ownerUid !== machine.nodeUid, reasons: held === undefined ? [] : [held] };
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      return { hasMoved: false, reasons: held === undefined ? [error.message] : [error.message, held] };
    }
  }

  /** They live on the node's own disk and nowhere else; each is named, from the node itself or as last known. */
  async #localVolumes({ node }: NodeIdentity, context: CallContext): Promise<readonly Remainder[]> {
    const remaining: Remainder[] = [];
    try {
      let pageToken: string | undefined;
      do {
        const request = { pageSize: LOCAL_PAGE, filter: { scope: 'local' }, ...(pageToken === undefined ? {} : { pageToken }) };
        // Page after page, each begins where the last one ended.
        const page: VolumePage = await this.#agents.call(node, 'listVolumes', request, context);
        remaining.push(...page.volumes.map((volume): Remainder => ({ name: volume.name, scope: 'local', reason: localReason(node) })));
        pageToken = page.nextPageToken;
      } while (pageToken !== undefined && remaining.length < LOCAL_NAMED_MAX);
      return remaining;
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      const reason = `${localReason(node)} (as last known: ${error.message})`;
      return mirroredVolumes(this.#cache, node).map(({ name }) => ({ name, scope: 'local', reason }));
    }
  }
}

function heldReason(document: VolumeDocument, { node, nodeUid }: NodeIdentity): string | undefined {
  const attachment = ownEntry(document.attachments, node);
  if (attachment?.nodeUid !== nodeUid) return undefined;
  return `mounted ${attachment.mode} on ${node} since ${attachment.since}, first for ${attachment.claimedFor}: unmount it there`;
}

function localReason(node: string): string {
  return `local volume: it lives on ${node} only and cannot move`;
}

/** Enough to fill group commits. */
const VOLUMES_AT_ONCE = 64;
const LOCAL_PAGE = 1_000;
/** A node with more local volumes is told of the first ones; the list of volumes has them all. */
const LOCAL_NAMED_MAX = 10_000;
