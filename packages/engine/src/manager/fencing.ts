import { AppError } from '@volplane/base';
import { decideRaiseEpoch, type FenceReceipt, type NodeName, type VolumeDocument } from '@volplane/domain';
import { fenceAnswer } from '@volplane/wire';
import type { VolumeRecords } from '../store/volume-records.js';
import type { Agents } from './agents.js';

/** Evidence B: the epoch is raised in the record, then a node's driver makes the storage refuse everything lower. */
export class Fencing {
  readonly #records: VolumeRecords;
  readonly #agents: Agents;

  constructor(parts: { readonly records: VolumeRecords; readonly agents: Agents }) {
    this.#records = parts.records;
    this.#agents = parts.agents;
  }

  /** @param by - the node whose driver asks the storage. @throws AppError what the driver says; NODE_UNAVAILABLE, UNKNOWN_OUTCOME */
  async fence(document: VolumeDocument, by: NodeName): Promise<FenceReceipt> {
    const { name, uid, spec } = document;
    const raised = await this.#records.change(name, (current) =>
      current?.uid === uid
        ? decideRaiseEpoch(current)
        : { type: 'refuse', failure: { reason: 'CONTENTION', message: `volume ${name} was made anew`, fields: { volume: name } } },
    );
    const session = this.#agents.session(by);
    const answer = await this.#agents.ask(
      by,
      { type: 'fence', session: session.session, incarnation: session.incarnation, name, uid, spec, epoch: raised.answer },
      fenceAnswer,
      { timeoutMs: FENCE_TIMEOUT_MS },
    );
    if (answer.receipt.trim() !== '') return { uid, epoch: raised.answer, receipt: answer.receipt };
    throw new AppError('DRIVER_FAILED', `driver ${spec.driver} gave no receipt for fencing volume ${name}`, {
      volume: name,
      driver: spec.driver,
    });
  }
}

const FENCE_TIMEOUT_MS = 10_000;
