import { AppError, type Logger } from '@volplane/base';
import {
  decideNodeLost,
  lostWord,
  namesNode,
  placementOf,
  type LiveNode,
  type LostNode,
  type VolumeDocument,
  type VolumeName,
} from '@volplane/domain';
import type { ClusterCache } from '../store/cluster-cache.js';
import type { VolumeRecords } from '../store/volume-records.js';
import { choose, toLiveNode } from './placing.js';

/**
 * Takes nodes that were declared lost out of the volumes that still name them. The operator's call begins it, sweeps go on with
 * what it left: the same work, one volume at a time, that any manager can do any number of times.
 */
export class LostNodes {
  readonly #records: VolumeRecords;
  readonly #cache: ClusterCache;
  readonly #log: Logger;

  constructor(parts: { readonly records: VolumeRecords; readonly cache: ClusterCache; readonly log: Logger }) {
    this.#records = parts.records;
    this.#cache = parts.cache;
    this.#log = parts.log;
  }

  /** Lost machines that some volume still names. */
  remaining(): readonly LostNode[] {
    const view = this.#records.view();
    return [...this.#cache.volumes.machines()].flatMap((machine) => {
      const word = lostWord(view, machine);
      return word === undefined ? [] : [{ ...machine, word }];
    });
  }

  /**
   * Takes the lost node out of one volume, as far as that is possible now.
   *
   * @returns false when no node can take over what it owned
   * @throws AppError NODE_ALIVE when it is in touch against all expectation; CONTENTION, STORE_UNAVAILABLE, UNKNOWN_OUTCOME
   */
  async settle(name: VolumeName, lost: LostNode): Promise<boolean> {
    const changed = await this.#records.change(name, (document, view) =>
      decideNodeLost(document, lost, this.#successor(document, lost), view),
    );
    const { document } = changed;
    if (changed.committed) {
      this.#log.info('lost node taken out of the volume', { volume: name, uid: document?.uid, node: lost.node, owner: document?.owner });
    }
    return document === undefined || !namesNode(document, lost);
  }

  /** Who can take over what the lost node owned; undefined when it owns nothing, or nobody can. */
  #successor(document: VolumeDocument | undefined, lost: LostNode): LiveNode | undefined {
    if (document?.ownerUid !== lost.nodeUid) return undefined;
    try {
      return toLiveNode(choose(placementOf(document.spec), this.#cache));
    } catch (error) {
      if (error instanceof AppError) return undefined;
      throw error;
    }
  }
}
