import { excludingHolders, holdersOf, isExclusiveWriter, type VolumeDocument, type VolumeUid } from '@volplane/domain';
import type { FakeWrite } from '@volplane/testkit';
import { parseVolumeDocument } from '@volplane/wire';
import type { KvEvent } from '@volplane/ports';
import type { FakeKernel, FakeStorage } from '@volplane/testkit';
import { Violation } from './violation.js';

/**
 * The invariants of docs/architecture.md, checked from outside: at the documents in the store, at the kernels' mounts, and at the
 * writes that reach the storage; never at replies.
 */
export class Checks {
  readonly #documents = new Map<string, VolumeDocument>();
  /** What was ever known of a uid; volumes may be gone and their mounts not yet. */
  readonly #specs = new Map<VolumeUid, VolumeDocument['spec']>();
  /** uid/node/epoch of every grant that was ever recorded. */
  readonly #granted = new Set<string>();
  readonly #lastWrite = new Map<VolumeUid, { readonly node: string; readonly epoch: number }>();
  /** Raised from callbacks of the simulated parts; thrown by {@link afterEvent}. */
  #pending: Violation | undefined;
  takeovers = 0;
  writes = 0;

  onKvEvents(events: readonly KvEvent[]): void {
    for (const event of events) {
      const key = event.type === 'put' ? event.entry.key : event.key;
      if (!key.startsWith('/volplane/volumes/')) continue;
      this.#onDocument(key, event.type === 'put' ? parseVolumeDocument(key, event.entry.value) : undefined);
    }
  }

  onWrite(write: FakeWrite): void {
    if (!write.accepted) return;
    this.writes += 1;
    const spec = this.#specs.get(write.uid);
    if (spec === undefined) {
      this.#raise('record before effect', `node ${write.node} wrote to volume uid ${write.uid} that no document ever named`);
      return;
    }
    if (!isExclusiveWriter(spec.accessMode)) return;
    const last = this.#lastWrite.get(write.uid);
    if (last !== undefined && (write.epoch < last.epoch || (write.epoch === last.epoch && write.node !== last.node))) {
      this.#raise(
        'one writer',
        `node ${write.node} wrote with epoch ${String(write.epoch)} after node ${last.node} had written with epoch ${String(last.epoch)} (${spec.accessMode}, ${spec.takeover}, uid ${write.uid})`,
      );
    }
    this.#lastWrite.set(write.uid, { node: write.node, epoch: write.epoch });
  }

  /** After each event of the simulation. @throws Violation */
  afterEvent(kernels: readonly FakeKernel[], storage: FakeStorage): void {
    if (this.#pending !== undefined) throw this.#pending;
    const writers = new Map<VolumeUid, string>();
    for (const kernel of kernels) {
      const seen = new Set<VolumeUid>();
      for (const mount of kernel.mounts) {
        if (!this.#granted.has(`${mount.uid}/${kernel.node}/${String(mount.epoch)}`)) {
          throw new Violation(
            'record before effect',
            `node ${kernel.node} has uid ${mount.uid} mounted with epoch ${String(mount.epoch)}, which was never granted to it`,
          );
        }
        if (seen.has(mount.uid) || !mount.usable || mount.mode !== 'rw') continue;
        seen.add(mount.uid);
        const spec = this.#specs.get(mount.uid);
        // With the policy `storage` two mounts may stand for a while: the storage refuses one of them, which is checked at its writes.
        if (spec === undefined || !isExclusiveWriter(spec.accessMode) || spec.takeover === 'storage') continue;
        const other = writers.get(mount.uid);
        if (other !== undefined)
          throw new Violation(
            'one writer',
            `nodes ${other} and ${kernel.node} both can write uid ${mount.uid} (${spec.accessMode}, ${spec.takeover})`,
          );
        writers.set(mount.uid, kernel.node);
      }
    }
    for (const volume of storage.volumes) {
      if (!this.#specs.has(volume.uid))
        throw new Violation(
          'record before effect',
          `the storage has uid ${volume.uid} of volume ${volume.name} that no document ever named`,
        );
    }
  }

  documents(): readonly VolumeDocument[] {
    return [...this.#documents.values()];
  }

  #onDocument(key: string, after: VolumeDocument | undefined): void {
    const before = this.#documents.get(key);
    if (after === undefined) {
      this.#documents.delete(key);
      if (before !== undefined && holdersOf(before).length > 0)
        this.#raise('evidence before forgetting', `volume ${before.name} was deleted while attached`);
      return;
    }
    this.#documents.set(key, after);
    this.#specs.set(after.uid, after.spec);
    for (const { node, attachment } of holdersOf(after)) this.#granted.add(`${after.uid}/${node}/${String(attachment.epoch)}`);
    this.#checkExclusion(after);
    if (before?.uid === after.uid) this.#checkStep(before, after);
  }

  #checkExclusion(document: VolumeDocument): void {
    for (const { node, attachment } of holdersOf(document)) {
      const excluding = excludingHolders(document, node, attachment.mode);
      if (excluding.length > 0)
        this.#raise(
          'one writer',
          `volume ${document.name} (${document.spec.accessMode}) is attached on ${node} and on ${excluding[0]?.node ?? ''}`,
        );
    }
  }

  #checkStep(before: VolumeDocument, after: VolumeDocument): void {
    if (after.epoch < before.epoch)
      this.#raise('epochs only grow', `volume ${after.name} went from epoch ${String(before.epoch)} to ${String(after.epoch)}`);
    for (const { node, attachment } of holdersOf(before)) {
      const now = after.attachments[node];
      if (now !== undefined && (now.seq > attachment.seq || now.seq === attachment.seq)) continue;
      if (now !== undefined)
        this.#raise(
          'epochs only grow',
          `node ${node} went from seq ${String(attachment.seq)} to ${String(now.seq)} at volume ${after.name}`,
        );
      const evidence = after.evidence.find((each) => each.node === node && each.seq === attachment.seq);
      if (evidence === undefined) this.#raise('evidence before forgetting', `node ${node} lost volume ${after.name} without evidence`);
      else if (evidence.kind !== 'A') this.takeovers += 1;
    }
  }

  #raise(rule: string, what: string): void {
    this.#pending ??= new Violation(rule, what);
  }
}
