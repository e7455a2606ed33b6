import { AppError, hasReason, type Logger } from '@volplane/base';
import {
  decideClaim,
  decideRaiseEpoch,
  decideRelease,
  wantsFence,
  type Claim,
  type FenceReceipt,
  type NodeName,
  type VolumeDocument,
  type VolumeName,
  type VolumeUid,
} from '@volplane/domain';
import { fenceAnswer, type GrantAnswer, type HeldListAnswer, type MessageOf } from '@volplane/wire';
import type { ClusterCache } from '../store/cluster-cache.js';
import type { VolumeRecords } from '../store/volume-records.js';
import type { Agents } from './agents.js';
import type { Brake } from './brake.js';

/** Answers agents' claims, releases and held lists (rules 2 to 5 and 10 to 13). */
export class Claims {
  readonly #records: VolumeRecords;
  readonly #cache: ClusterCache;
  readonly #agents: Agents;
  readonly #brake: Brake;
  readonly #log: Logger;

  constructor(parts: {
    readonly records: VolumeRecords;
    readonly cache: ClusterCache;
    readonly agents: Agents;
    readonly brake: Brake;
    readonly log: Logger;
  }) {
    this.#records = parts.records;
    this.#cache = parts.cache;
    this.#agents = parts.agents;
    this.#brake = parts.brake;
    this.#log = parts.log;
  }

  /** @throws AppError the refusal, with the holder's mount ids where its agent can be asked */
  async claim(message: MessageOf<'claim'>): Promise<GrantAnswer> {
    const { name, node, nodeUid, session, seq, mode, mountId, uid } = message;
    const claim: Claim = { node, nodeUid, session, seq, mode, mountId, ...(uid === undefined ? {} : { uid }) };
    try {
      return await this.#grant(name, claim);
    } catch (error) {
      if (!hasReason(error, 'VOLUME_HELD')) throw error;
      const fence = await this.#fence(name, claim);
      if (fence !== undefined) return await this.#grant(name, { ...claim, fence });
      throw await this.#withUsers(error);
    }
  }

  async release(message: MessageOf<'release'>): Promise<void> {
    const { node, nodeUid, uid, seq, detail } = message;
    await this.#records.change(message.name, (document, view) => decideRelease(document, { node, nodeUid, uid, seq, detail }, view));
  }

  /**
   * Compares one part of an agent's list with the records, as of a moment after the list arrived. What the agent has given up is
   * released; what it holds without a record is not its own.
   */
  async heldList(message: MessageOf<'held-list'>): Promise<HeldListAnswer> {
    const { node, nodeUid, seq, from, to } = message;
    const inPart = (name: string): boolean => name >= from && (to === undefined || name < to);
    if (!(await this.#cache.barrier()))
      throw new AppError('STORE_UNAVAILABLE', `the records of node ${node} cannot be read for now`, { node });
    const entries = new Map(message.entries.map((entry) => [entry.name, entry]));
    const given = [...this.#cache.volumes.attachedOn(node)].filter(inPart);
    for (const name of given) {
      const document = this.#cache.volumes.get(name)?.document;
      const attachment = document?.attachments[node];
      if (document === undefined || attachment?.nodeUid !== nodeUid || attachment.seq > seq) continue;
      const entry = entries.get(name);
      const isKept = entry !== undefined && (entry.uid === undefined || entry.uid === document.uid) && entry.seq >= attachment.seq;
      if (isKept) continue;
      // One at a time: such releases are rare, they are left over from faults.
      await this.#releaseAbsent(document, node, nodeUid, seq);
    }
    const notYours = message.entries.flatMap((entry) =>
      entry.state === 'held' &&
      entry.uid !== undefined &&
      inPart(entry.name) &&
      !this.#isRecorded(entry.name, entry.uid, node, nodeUid, entry.seq)
        ? [{ name: entry.name, uid: entry.uid, seq: entry.seq }]
        : [],
    );
    if (notYours.length > 0)
      this.#log.warn('node holds volumes that are not its own any more', { node, volumes: notYours.map((entry) => entry.name) });
    return { notYours };
  }

  async #releaseAbsent(document: VolumeDocument, node: NodeName, nodeUid: Claim['nodeUid'], seq: number): Promise<void> {
    const changed = await this.#records.change(document.name, (current, view) =>
      decideRelease(
        current,
        { node, nodeUid, uid: document.uid, seq, detail: `absent from the list of the node at seq ${String(seq)}` },
        view,
      ),
    );
    if (changed.committed)
      this.#log.info('attachment released: the node does not hold it', { volume: document.name, uid: document.uid, node });
  }

  #isRecorded(name: VolumeName, uid: VolumeUid, node: NodeName, nodeUid: string, seq: number): boolean {
    const document = this.#cache.volumes.get(name)?.document;
    const attachment = document?.attachments[node];
    return document?.uid === uid && attachment?.nodeUid === nodeUid && attachment.seq === seq;
  }

  async #grant(name: VolumeName, claim: Claim): Promise<GrantAnswer> {
    const changed = await this.#records.change(name, (document, view) => decideClaim(document, claim, name, view));
    const { document, attachment, takeover } = changed.answer;
    for (const evidence of takeover) {
      this.#brake.countTakeover();
      this.#log.warn('volume taken over', {
        volume: name,
        uid: document.uid,
        from: evidence.node,
        to: claim.node,
        evidence: evidence.kind,
        detail: evidence.detail,
        epoch: attachment.epoch,
      });
    }
    return { name, uid: document.uid, spec: document.spec, epoch: attachment.epoch, seq: attachment.seq, mode: attachment.mode };
  }

  /** Evidence B: the epoch is raised in the record, then the claimant's driver makes the storage refuse everything lower. */
  async #fence(name: VolumeName, claim: Claim): Promise<FenceReceipt | undefined> {
    const record = await this.#cache.readVolume(name);
    if (record === undefined || !wantsFence(record.document, claim, this.#records.view())) return undefined;
    const raised = await this.#records.change(name, (document) =>
      document?.uid === record.document.uid
        ? decideRaiseEpoch(document)
        : { type: 'refuse', failure: { reason: 'CONTENTION', message: `volume ${name} was made anew`, fields: { volume: name } } },
    );
    const session = this.#agents.session(claim.node);
    const { uid, spec } = record.document;
    const answer = await this.#agents.ask(
      claim.node,
      { type: 'fence', session: session.session, incarnation: session.incarnation, name, uid, spec, epoch: raised.answer },
      fenceAnswer,
      { timeoutMs: FENCE_TIMEOUT_MS },
    );
    return { uid, epoch: raised.answer, receipt: answer.receipt };
  }

  /** The same refusal with the mount ids that use the volume on the holder now, where it can be asked. */
  async #withUsers(error: AppError): Promise<AppError> {
    const { holder, uid } = error.failure.fields;
    const node = holder as NodeName | undefined; // the refusal names the holder as the document does
    if (node === undefined || uid === undefined || !this.#cache.sessions.has(node)) return error;
    const answer = await this.#agents.users(node, [uid]);
    const ids = answer?.users[uid as VolumeUid]; // the uid of the document
    if (ids === undefined || ids.length === 0) return error;
    return new AppError(
      error.reason,
      error.message,
      { ...error.failure.fields, mountIds: ids.slice(0, MOUNT_IDS_NAMED_MAX).join(',') },
      error,
    );
  }
}

const FENCE_TIMEOUT_MS = 10_000;
const MOUNT_IDS_NAMED_MAX = 16;
