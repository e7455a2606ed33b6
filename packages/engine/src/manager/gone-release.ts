import { hasReason, type Logger } from '@volplane/base';
import {
  couldBeFenced,
  decideReleaseGone,
  ownEntry,
  parseNodeName,
  parseVolumeName,
  placementOf,
  type ClusterView,
  type Holder,
  type NodeName,
  type ReleaseGoneRequest,
  type VolumeDocument,
  type VolumeName,
  type VolumeView,
} from '@volplane/domain';
import { toVolumeView } from '../document-view.js';
import type { ClusterCache } from '../store/cluster-cache.js';
import type { VolumeRecords } from '../store/volume-records.js';
import type { Brake } from './brake.js';
import type { Fencing } from './fencing.js';
import { chooseHelper } from './placing.js';

/** Ends the attachment of a node that is gone, on evidence alone; CSI's way to say that a node should not have the volume any more. */
export class GoneRelease {
  readonly #records: VolumeRecords;
  readonly #cache: ClusterCache;
  readonly #fencing: Fencing;
  readonly #brake: Brake;
  readonly #log: Logger;

  constructor(parts: {
    readonly records: VolumeRecords;
    readonly cache: ClusterCache;
    readonly fencing: Fencing;
    readonly brake: Brake;
    readonly log: Logger;
  }) {
    this.#records = parts.records;
    this.#cache = parts.cache;
    this.#fencing = parts.fencing;
    this.#brake = parts.brake;
    this.#log = parts.log;
  }

  async releaseGone(request: ReleaseGoneRequest): Promise<VolumeView> {
    const name = parseVolumeName(request.name);
    const node = parseNodeName(request.node);
    try {
      return await this.#release({ name, node });
    } catch (error) {
      if (!hasReason(error, 'VOLUME_HELD')) throw error;
      const document = (await this.#cache.readVolume(name))?.document;
      const against = (current: VolumeDocument, view: ClusterView): readonly Holder[] => fencedHolder(current, node, view);
      if (document === undefined || against(document, this.#records.view()).length === 0) throw error;
      const fence = await this.#fencing.fence({ document, by: this.#fencer(document), against, refusal: error });
      return await this.#release({ name, node, fence });
    }
  }

  /** A live node whose driver can ask the storage. @throws AppError DRIVER_NOT_FOUND, NODE_LACKS_DRIVER */
  #fencer(document: VolumeDocument): NodeName {
    return chooseHelper(placementOf(document.spec), this.#cache).node.name;
  }

  async #release(request: Parameters<typeof decideReleaseGone>[1] & { readonly name: VolumeName }): Promise<VolumeView> {
    const changed = await this.#brake.counting((decided, engaged) =>
      this.#records.change(
        request.name,
        (document, view) => {
          const decision = decideReleaseGone(document, request, view);
          decided(decision.type === 'commit' ? decision.answer.evidence.slice(-1) : []);
          return decision;
        },
        engaged,
      ),
    );
    if (changed.committed) {
      const { uid, evidence } = changed.answer;
      const { kind, detail } = evidence.at(-1) ?? {};
      this.#log.warn('attachment of a node that is gone ended on evidence', {
        volume: request.name,
        uid,
        node: request.node,
        evidence: kind,
        detail,
      });
    }
    return toVolumeView(changed.answer, changed.modRevision);
  }
}

/** The holder on the node, when the storage's refusal is all that is missing against it. */
function fencedHolder(document: VolumeDocument, node: NodeName, view: ClusterView): readonly Holder[] {
  const attachment = ownEntry(document.attachments, node);
  if (attachment === undefined || view.brake !== undefined) return [];
  return [{ node, attachment }].filter((holder) => couldBeFenced(document, holder, view));
}
