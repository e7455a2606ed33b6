import { AppError, hasReason, type Logger } from '@volplane/base';
import {
  decideClaim,
  decideRelease,
  holdersToFence,
  ownEntry,
  type Claim,
  type ClusterView,
  type FenceReceipt,
  type Holder,
  type NodeName,
  type VolumeDocument,
  type VolumeName,
  type VolumeUid,
} from '@volplane/domain';
import type { GrantAnswer, HeldListAnswer, MessageOf } from '@volplane/wire';
import type { ClusterCache } from '../store/cluster-cache.js';
import { volumeKey } from '../store/keys.js';
import type { VolumeRecords } from '../store/volume-records.js';
import type { Agents } from './agents.js';
import type { Brake } from './brake.js';
import type { Fencing } from './fencing.js';

/** Answers agents' claims, releases and held lists (rules 2 to 5 and 10 to 13). */
export class Claims {
  readonly #records: VolumeRecords;
  readonly #cache: ClusterCache;
  readonly #agents: Agents;
  readonly #brake: Brake;
  readonly #fencing: Fencing;
  readonly #log: Logger;

  constructor(parts: {
    readonly records: VolumeRecords;
    readonly cache: ClusterCache;
    readonly agents: Agents;
    readonly brake: Brake;
    readonly fencing: Fencing;
    readonly log: Logger;
  }) {
    this.#records = parts.records;
    this.#cache = parts.cache;
    this.#agents = parts.agents;
    this.#brake = parts.brake;
    this.#fencing = parts.fencing;
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
      const fence = await this.#fence(name, claim, error);
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
    const listed = new Map<VolumeName, HeldEntry[]>();
    // One name may be there twice: a volume that is being given up, and another one that was made under its name.
    for (const entry of message.entries) listed.set(entry.name, [...(listed.get(entry.name) ?? []), entry]);
    for (const name of [...this.#cache.volumes.attachedOn(node)].filter(inPart)) {
      const document = this.#cache.volumes.get(name)?.document;
      const attachment = ownEntry(document?.attachments, node);
      if (document === undefined || attachment?.nodeUid !== nodeUid || attachment.seq > seq) continue;
      const isKept = (entry: HeldEntry): boolean => (entry.uid === undefined || entry.uid === document.uid) && entry.seq >= attachment.seq;
      if (listed.get(name)?.some(isKept) === true) continue;
      // One at a time: such releases are rare, they are left over from faults.
      await this.#releaseAbsent(document, node, nodeUid, seq);
    }
    const notYours = message.entries.flatMap(({ name, uid, seq: claimed, state }) => {
      if (state !== 'held' || uid === undefined || !inPart(name)) return [];
      // What a document that does not validate says cannot be known; it is left alone, and so is the mount.
      if (this.#cache.invalid.has(volumeKey(name)) || this.#isRecorded(name, uid, node, nodeUid, claimed)) return [];
      return [{ name, uid, seq: claimed }];
    });
    if (notYours.length > 0) {
      this.#log.warn('node holds volumes that are not its own any more', { node, volumes: notYours.map((entry) => entry.name) });
    }
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
    const attachment = ownEntry(document?.attachments, node);
    return document?.uid === uid && attachment?.nodeUid === nodeUid && attachment.seq === seq;
  }

  async #grant(name: VolumeName, claim: Claim): Promise<GrantAnswer> {
    const changed = await this.#brake.counting((decided, engaged) =>
      this.#records.change(
        name,
        (document, view) => {
          const decision = decideClaim(document, claim, name, view);
          decided(decision.type === 'commit' ? decision.answer.takeover : []);
          return decision;
        },
        engaged,
      ),
    );
    const { document, attachment, takeover } = changed.answer;
    for (const evidence of takeover) {
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

  /** The storage's word about the holders, when nothing else is missing for the claim. */
  async #fence(name: VolumeName, claim: Claim, refusal: AppError): Promise<FenceReceipt | undefined> {
    const document = (await this.#cache.readVolume(name))?.document;
    const against = (current: VolumeDocument, view: ClusterView): readonly Holder[] => holdersToFence(current, claim, view);
    if (document === undefined || against(document, this.#records.view()).length === 0) return undefined;
    return await this.#fencing.fence({ document, by: claim.node, against, refusal });
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

type HeldEntry = MessageOf<'held-list'>['entries'][number];

const MOUNT_IDS_NAMED_MAX = 16;
