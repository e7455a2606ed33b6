import { hasReason } from '@volplane/base';
import {
  couldBeFenced,
  decideReleaseGone,
  parseNodeName,
  parseVolumeName,
  placementOf,
  type NodeName,
  type ReleaseGoneRequest,
  type VolumeDocument,
  type VolumeView,
} from '@volplane/domain';
import type { CallContext } from '../api.js';
import { toVolumeView } from '../document-view.js';
import type { ClusterCache } from '../store/cluster-cache.js';
import type { Changed, VolumeRecords } from '../store/volume-records.js';
import type { Brake } from './brake.js';
import type { Fencing } from './fencing.js';
import { candidates, choose } from './placing.js';

/** Ends the attachment of a node that is gone, on evidence alone; CSI's way to say that a node should not have the volume any more. */
export class GoneRelease {
  readonly #records: VolumeRecords;
  readonly #cache: ClusterCache;
  readonly #fencing: Fencing;
  readonly #brake: Brake;

  constructor(parts: { readonly records: VolumeRecords; readonly cache: ClusterCache; readonly fencing: Fencing; readonly brake: Brake }) {
    this.#records = parts.records;
    this.#cache = parts.cache;
    this.#fencing = parts.fencing;
    this.#brake = parts.brake;
  }

  async releaseGone(request: ReleaseGoneRequest, context: CallContext): Promise<VolumeView> {
    const name = parseVolumeName(request.name);
    const node = parseNodeName(request.node);
    try {
      return this.#toView(
        await this.#records.change(name, (document, view) => decideReleaseGone(document, { name, node }, view), context.signal),
      );
    } catch (error) {
      if (!hasReason(error, 'VOLUME_HELD')) throw error;
      const document = (await this.#cache.readVolume(name, context.signal))?.document;
      if (document === undefined || !this.#canBeFenced(document, node)) throw error;
      const fence = await this.#fencing.fence(document, this.#fencer(document));
      return this.#toView(
        await this.#records.change(name, (current, view) => decideReleaseGone(current, { name, node, fence }, view), context.signal),
      );
    }
  }

  #canBeFenced(document: VolumeDocument, node: NodeName): boolean {
    const attachment = document.attachments[node];
    const view = this.#records.view();
    return attachment !== undefined && view.brake === undefined && couldBeFenced(document, { node, attachment }, view);
  }

  /** A live node whose driver can ask the storage. @throws AppError DRIVER_NOT_FOUND, NODE_LACKS_DRIVER */
  #fencer(document: VolumeDocument): NodeName {
    const all = candidates(this.#cache).map((candidate) => ({ ...candidate, node: { ...candidate.node, cordoned: false } }));
    return choose(placementOf(document.spec), all).node.name;
  }

  #toView(changed: Changed<VolumeDocument>): VolumeView {
    const evidence = changed.answer.evidence.at(-1);
    if (changed.committed && evidence !== undefined && evidence.kind !== 'D') this.#brake.countTakeover();
    return toVolumeView(changed.answer, changed.modRevision);
  }
}
