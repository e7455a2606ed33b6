import { checkDocument, holdersOf, isExclusiveWriter, type NodeName, type VolumeDocument, type VolumeUid } from '@volplane/domain';
import type { BrakeLimits } from '@volplane/engine';
import type { KvEvent } from '@volplane/ports';
import type { FakeKernel, FakeMount, FakeStorage, FakeWrite } from '@volplane/testkit';
import { parseVolumeDocument } from '@volplane/wire';
import { BrakeCheck } from './brake-check.js';
import { Violation } from './violation.js';

/**
 * The invariants of docs/architecture.md, checked from outside: at the documents in the store, at the kernels' mounts, and at the
 * calls and writes that reach the storage; never at replies.
 */
export class Checks {
  readonly #documents = new Map<string, VolumeDocument>();
  readonly #byUid = new Map<VolumeUid, VolumeDocument>();
  /** What was ever known of a uid; volumes may be gone and their mounts not yet. */
  readonly #specs = new Map<VolumeUid, VolumeDocument['spec']>();
  /** uid/node/epoch of every grant that was ever recorded. */
  readonly #granted = new Set<string>();
  readonly #lastWrite = new Map<VolumeUid, { readonly node: string; readonly epoch: number }>();
  /** By node: the lease that its session key carries. */
  readonly #sessions = new Map<string, string>();
  readonly #unguarded = new Set<string>();
  readonly #nodes: NodeFacts;
  /** An operator said that a node is off, which had it mounted and no session: what comes of that is beyond evidence D. */
  readonly #untrue = new Set<VolumeUid>();
  /** uid/node: the highest epoch of a driver call there. */
  readonly #called = new Map<string, number>();
  /** uid/node of every create that was carried out. */
  readonly #created = new Set<string>();
  readonly #forced = new Set<VolumeUid>();
  /** Who uses a mount now; a later one at the same path has its own users. */
  readonly #users = new Map<FakeMount, Set<string>>();
  readonly #lastUsable = new Map<string, number>();
  readonly #brake: BrakeCheck;
  #nowMs = 0;
  /** Raised from callbacks of the simulated parts; thrown by {@link afterEvent}. */
  #pending: Violation | undefined;
  takeovers = 0;
  writes = 0;

  constructor(brake: BrakeLimits, nodes: NodeFacts) {
    this.#nodes = nodes;
    this.#brake = new BrakeCheck(brake);
  }

  onKvEvents(events: readonly KvEvent[], nowMs: number): void {
    this.#nowMs = nowMs;
    for (const event of events) {
      const key = event.type === 'put' ? event.entry.key : event.key;
      const [, kind = '', name = ''] = /^\/volplane\/([^/]+)\/(.*)$/.exec(key) ?? [];
      if (kind === 'volumes') this.#onDocument(key, event.type === 'put' ? parseVolumeDocument(key, event.entry.value) : undefined);
      else if (kind === 'nodes' && event.type === 'put') this.#brake.onNode(name);
      else if (kind === 'sessions') {
        this.#brake.onSession(name, event.type === 'put', nowMs);
        if (event.type === 'put') this.#sessions.set(name, event.entry.lease ?? '');
        else this.#sessions.delete(name);
      } else if (kind === 'unguarded') {
        if (event.type === 'put') this.#unguarded.add(name);
        else this.#unguarded.delete(name);
      }
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
    if (!isExclusiveWriter(spec.accessMode) || this.#untrue.has(write.uid)) return;
    const last = this.#lastWrite.get(write.uid);
    if (last !== undefined && (write.epoch < last.epoch || (write.epoch === last.epoch && write.node !== last.node))) {
      this.#raise(
        'one writer',
        `node ${write.node} wrote with epoch ${String(write.epoch)} after node ${last.node} had written with epoch ${String(last.epoch)} (${spec.accessMode}, ${spec.takeover}, uid ${write.uid})`,
      );
    }
    this.#lastWrite.set(write.uid, { node: write.node, epoch: write.epoch });
  }

  /** An agent asks a driver for something that changes the storage (invariant 2). */
  onDriverCall(node: string, what: string, uid: VolumeUid, epoch: number): void {
    const key = `${uid}/${node}`;
    const highest = this.#called.get(key) ?? 0;
    if (epoch < highest)
      this.#raise('epochs only grow', `node ${node} runs ${what} with epoch ${String(epoch)} after ${String(highest)} (uid ${uid})`);
    this.#called.set(key, Math.max(epoch, highest));
  }

  onCreated(node: string, uid: VolumeUid): void {
    this.#created.add(`${uid}/${node}`);
  }

  /** The storage loses the data of a volume: only one in removal may. */
  onDataRemoved(uid: VolumeUid): void {
    const document = this.#byUid.get(uid);
    if (document !== undefined && document.phase !== 'removing')
      this.#raise('record before effect', `the data of volume ${document.name} is destroyed while its record says ${document.phase}`);
  }

  /** An operator has asked for it: its users may lose it. */
  onForced(uid: VolumeUid): void {
    this.#forced.add(uid);
  }

  onUseBegan(mount: FakeMount, mountId: string): void {
    this.#users.set(mount, (this.#users.get(mount) ?? new Set()).add(mountId));
  }

  onUseEnds(mountId: string): void {
    for (const [mount, users] of this.#users) if (users.delete(mountId) && users.size === 0) this.#users.delete(mount);
  }

  onMounted(mount: FakeMount): void {
    this.#lastUsable.set(mount.path, this.#nowMs);
  }

  /** An unmount under a user is never right: what the node may not have any more is cut off first. */
  onUnmounted(node: string, mount: FakeMount): void {
    if (mount.usable && this.#isUsed(mount)) this.#raise('run flat', `node ${node} unmounts uid ${mount.uid} under its user`);
  }

  /** Right for lease-bound mounts in time, and for what is not this node's any more; a mount that the record still grants stays. */
  onAborted(node: string, mount: FakeMount): void {
    const document = this.#byUid.get(mount.uid);
    if (document === undefined || !mount.usable || !this.#isUsed(mount)) return;
    const granted = document.attachments[node as NodeName];
    if (granted?.epoch !== mount.epoch) return;
    if (document.spec.takeover === 'lease') {
      const isOver = this.#sessions.get(node) !== granted.session || (this.#nodes.leaseLeftMs(node, mount.uid) ?? 0) < ROUNDING_MS;
      if (isOver) return;
    }
    this.#raise('run flat', `node ${node} aborts uid ${mount.uid}, which the record grants it, under its user`);
  }

  /** A caller is told that its mount is there: it must have been usable at some moment of the call. */
  onAnswered(kernel: FakeKernel, path: string, beganMs: number): void {
    const isUsable = kernel.mounts.some((mount) => mount.path === path && mount.usable);
    if (!isUsable && (this.#lastUsable.get(path) ?? -1) < beganMs)
      this.#raise('one answer', `node ${kernel.node} answers a mount with ${path}, which was not usable at any moment of the call`);
  }

  /** It is recorded that nobody guards the node. */
  isUnguarded(node: string): boolean {
    return this.#unguarded.has(node);
  }

  /** A mount that a node keeps usable although nothing is recorded for it; looked for when everything had time to be told (rule 12). */
  findUntold(kernels: readonly FakeKernel[]): string | undefined {
    for (const { node, mounts } of kernels) {
      const own = mounts.find(({ uid, epoch }) => this.#byUid.get(uid)?.attachments[node as NodeName]?.epoch !== epoch);
      if (own !== undefined) return `node ${node} has uid ${own.uid} mounted with epoch ${String(own.epoch)}, and no record says so`;
    }
    return undefined;
  }

  hasSession(node: string): boolean {
    return this.#sessions.has(node);
  }

  /** After each event of the simulation. @throws Violation */
  afterEvent(kernels: readonly FakeKernel[], storage: FakeStorage, nowMs: number): void {
    this.#nowMs = nowMs;
    if (this.#pending !== undefined) throw this.#pending;
    const writers = new Map<VolumeUid, string>();
    for (const kernel of kernels) this.#checkKernel(kernel, writers);
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

  #checkKernel(kernel: FakeKernel, writers: Map<VolumeUid, string>): void {
    const seen = new Set<VolumeUid>();
    for (const mount of kernel.mounts) {
      if (!this.#granted.has(`${mount.uid}/${kernel.node}/${String(mount.epoch)}`)) {
        throw new Violation(
          'record before effect',
          `node ${kernel.node} has uid ${mount.uid} mounted with epoch ${String(mount.epoch)}, which was never granted to it`,
        );
      }
      if (mount.usable) this.#lastUsable.set(mount.path, this.#nowMs);
      if (seen.has(mount.uid) || !mount.usable || mount.mode !== 'rw' || this.#untrue.has(mount.uid)) continue;
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

  #isUsed(mount: FakeMount): boolean {
    return !this.#forced.has(mount.uid) && this.#users.has(mount);
  }

  #onDocument(key: string, after: VolumeDocument | undefined): void {
    const before = this.#documents.get(key);
    for (const { invariant, message } of checkDocument(before, after)) this.#raise(invariant, message);
    if (after === undefined) {
      this.#documents.delete(key);
      if (before !== undefined) this.#byUid.delete(before.uid);
      return;
    }
    this.#documents.set(key, after);
    this.#byUid.set(after.uid, after);
    this.#specs.set(after.uid, after.spec);
    for (const { node, attachment } of holdersOf(after)) {
      const grant = `${after.uid}/${node}/${String(attachment.epoch)}`;
      if (!this.#granted.has(grant) && this.#sessions.get(node) !== attachment.session)
        this.#raise('sessions', `volume ${after.name} is granted to ${node} for its session ${attachment.session}, which has ended`);
      this.#granted.add(grant);
    }
    if (before?.phase === 'creating' && after.phase === 'ready' && !this.#created.has(`${after.uid}/${after.owner}`))
      this.#raise('record before effect', `volume ${after.name} is ready, and its owner ${after.owner} has not made it`);
    const known = new Set((before?.uid === after.uid ? before.evidence : []).map((one) => JSON.stringify(one)));
    for (const one of after.evidence.filter((each) => each.kind !== 'A' && !known.has(JSON.stringify(each)))) {
      this.takeovers += 1;
      if (one.kind === 'D') {
        if (!this.#sessions.has(one.node) && this.#nodes.isMounted(one.node, after.uid)) this.#untrue.add(after.uid);
        continue;
      }
      const fault = this.#brake.onTakeover(this.#nowMs);
      if (fault !== undefined) this.#raise('brake', `volume ${after.name} is taken from ${one.node}: ${fault}`);
    }
  }

  #raise(rule: string, what: string): void {
    this.#pending ??= new Violation(rule, what);
  }
}

/** What is to be known of nodes themselves. */
export interface NodeFacts {
  /** How long the guardian of a node leaves a mount alone; undefined = it does not know it. */
  readonly leaseLeftMs: (node: string, uid: VolumeUid) => number | undefined;
  readonly isMounted: (node: string, uid: VolumeUid) => boolean;
}

/** Two ways to count the same moment. */
const ROUNDING_MS = 5;
