import { AppError } from '@volplane/base';
import { decideRaiseEpoch, type ClusterView, type FenceReceipt, type Holder, type NodeName, type VolumeDocument } from '@volplane/domain';
import { fenceAnswer } from '@volplane/wire';
import type { VolumeRecords } from '../store/volume-records.js';
import type { Agents } from './agents.js';

/** A fence that may free a volume. */
export interface FenceWish {
  readonly document: VolumeDocument;
  /** The node whose driver asks the storage. */
  readonly by: NodeName;
  /** Whom the storage shall refuse, by the document as it is then; none = there is nothing to fence any more. */
  readonly against: (document: VolumeDocument, view: ClusterView) => readonly Holder[];
  /** Why nothing else frees the volume. */
  readonly refusal: AppError;
}

/** Evidence B: the epoch is raised in the record, then a node's driver makes the storage refuse everything lower. */
export class Fencing {
  readonly #records: VolumeRecords;
  readonly #agents: Agents;

  constructor(parts: { readonly records: VolumeRecords; readonly agents: Agents }) {
    this.#records = parts.records;
    this.#agents = parts.agents;
  }

  /** @throws AppError the refusal with the reason why the storage gave no word; CONTENTION when the holders changed meanwhile */
  async fence(wish: FenceWish): Promise<FenceReceipt> {
    const { document, refusal } = wish;
    const epoch = await this.#raise(wish);
    try {
      return { uid: document.uid, epoch, receipt: await this.#ask(wish, epoch) };
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      const text = `${refusal.message}; the storage did not say that it refuses it: ${error.message}`;
      const freedBy = `repair the fence of driver ${document.spec.driver} and repeat the call, or declare the node lost once it is surely off`;
      throw new AppError(refusal.reason, text, { ...refusal.failure.fields, freedBy }, error);
    }
  }

  async #raise({ document: { name, uid }, against }: FenceWish): Promise<number> {
    const raised = await this.#records.change(name, (current, view) =>
      current?.uid === uid
        ? decideRaiseEpoch(current, against(current, view), view)
        : { type: 'refuse', failure: { reason: 'CONTENTION', message: `volume ${name} was made anew`, fields: { volume: name } } },
    );
    return raised.answer;
  }

  async #ask({ document, by }: FenceWish, epoch: number): Promise<string> {
    const { name, uid, spec } = document;
    const { session, incarnation } = this.#agents.session(by);
    const message = { type: 'fence', session, incarnation, name, uid, spec, epoch } as const;
    const { receipt } = await this.#agents.ask(by, message, fenceAnswer, { timeoutMs: FENCE_TIMEOUT_MS });
    if (receipt.trim() !== '') return receipt;
    throw new AppError('DRIVER_FAILED', `driver ${spec.driver} gave no receipt for fencing volume ${name}`, {
      volume: name,
      driver: spec.driver,
    });
  }
}

/** Longer than an agent gives a driver for it, so that its own word comes first. */
const FENCE_TIMEOUT_MS = 10_000;
