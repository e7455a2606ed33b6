import { SortedKeys } from '@volplane/base';
import { holdersOf, type NodeIdentity, type NodeName, type NodeUid, type VolumeDocument, type VolumeName } from '@volplane/domain';
import type { VolumeRecord } from './cluster-cache.js';
import { OwnerRanking } from './owner-ranking.js';

/** Every volume record, with the questions that are asked often answered without a scan. */
export class VolumeIndex {
  /** By what they own and what is being given to them. */
  readonly owners = new OwnerRanking();
  readonly #records = new Map<VolumeName, VolumeRecord>();
  /** Deleted at this revision: a late event of an older revision must not bring it back. */
  readonly #tombstones = new Map<VolumeName, number>();
  readonly #attached = new Map<NodeName, Set<VolumeName>>();
  readonly #owned = new Map<NodeName, Set<VolumeName>>();
  readonly #unfinished = new Set<VolumeName>();
  /** By machine, not by name: as owner, holder or former owner. */
  readonly #naming = new Map<NodeUid, { readonly node: NodeName; readonly names: Set<VolumeName> }>();
  readonly #sorted = new SortedKeys<VolumeName>();

  get size(): number {
    return this.#records.size;
  }

  get(name: VolumeName): VolumeRecord | undefined {
    return this.#records.get(name);
  }

  /** @returns false when a record of the same or a younger revision is there already */
  set(name: VolumeName, record: VolumeRecord): boolean {
    const before = this.#records.get(name);
    if (before !== undefined && before.modRevision >= record.modRevision) return false;
    if ((this.#tombstones.get(name) ?? 0) >= record.modRevision) return false;
    this.#tombstones.delete(name);
    this.#records.set(name, record);
    this.#index(name, before?.document, record.document);
    return true;
  }

  delete(name: VolumeName, revision: number): boolean {
    const before = this.#records.get(name);
    if (before === undefined || before.modRevision > revision) return false;
    this.#records.delete(name);
    this.owners.change(before.document.owner, -1);
    this.#unindex(name, before.document);
    this.#sorted.delete(name);
    this.#tombstones.set(name, revision);
    if (this.#tombstones.size > TOMBSTONES_MAX) {
      const oldest = this.#tombstones.keys().next();
      if (oldest.done !== true) this.#tombstones.delete(oldest.value);
    }
    return true;
  }

  /** Names in order, from the first one after `after`. Read it without awaiting in between. */
  names(after = ''): Iterable<VolumeName> {
    // Nothing lies between a name and the same with a zero character behind it.
    return this.#sorted.from(after === '' ? '' : `${after}\0`);
  }

  attachedOn(node: NodeName): ReadonlySet<VolumeName> {
    return this.#attached.get(node) ?? NONE;
  }

  ownedBy(node: NodeName): ReadonlySet<VolumeName> {
    return this.#owned.get(node) ?? NONE;
  }

  /** Counts one volume more for the node, which is being given to it, until the returned function is called, once. */
  expectOwner(node: NodeName): () => void {
    this.owners.change(node, 1);
    return () => {
      this.owners.change(node, -1);
    };
  }

  /** Volumes whose documents name this very machine: as owner, holder or former owner. */
  naming(nodeUid: NodeUid): ReadonlySet<VolumeName> {
    return this.#naming.get(nodeUid)?.names ?? NONE;
  }

  /** Every machine that some document names. */
  *machines(): Iterable<NodeIdentity> {
    for (const [nodeUid, { node }] of this.#naming) yield { node, nodeUid };
  }

  /** Volumes with an operation in flight. */
  get unfinished(): ReadonlySet<VolumeName> {
    return this.#unfinished;
  }

  #index(name: VolumeName, before: VolumeDocument | undefined, document: VolumeDocument): void {
    const { owner } = document;
    if (before !== undefined && namesTheSame(before, document)) {
      if (document.operation === undefined) this.#unfinished.delete(name);
      else this.#unfinished.add(name);
      return;
    }
    if (before === undefined) this.#sorted.add(name);
    else this.#unindex(name, before);
    if (before?.owner !== owner) {
      if (before !== undefined) this.owners.change(before.owner, -1);
      this.owners.change(owner, 1);
    }
    addTo(this.#owned, document.owner, name);
    if (document.operation !== undefined) this.#unfinished.add(name);
    this.#addNaming(document.owner, document.ownerUid, name);
    for (const { node, nodeUid } of document.formerOwners) this.#addNaming(node, nodeUid, name);
    for (const { node, attachment } of holdersOf(document)) {
      addTo(this.#attached, node, name);
      this.#addNaming(node, attachment.nodeUid, name);
    }
  }

  #unindex(name: VolumeName, document: VolumeDocument): void {
    removeFrom(this.#owned, document.owner, name);
    this.#unfinished.delete(name);
    this.#removeNaming(document.ownerUid, name);
    for (const { nodeUid } of document.formerOwners) this.#removeNaming(nodeUid, name);
    for (const { node, attachment } of holdersOf(document)) {
      removeFrom(this.#attached, node, name);
      this.#removeNaming(attachment.nodeUid, name);
    }
  }

  #addNaming(node: NodeName, nodeUid: NodeUid, name: VolumeName): void {
    let naming = this.#naming.get(nodeUid);
    if (naming === undefined) this.#naming.set(nodeUid, (naming = { node, names: new Set() }));
    naming.names.add(name);
  }

  #removeNaming(nodeUid: NodeUid, name: VolumeName): void {
    const names = this.#naming.get(nodeUid)?.names;
    if (names?.delete(name) === true && names.size === 0) this.#naming.delete(nodeUid);
  }
}

const NONE: ReadonlySet<VolumeName> = new Set();

/** Only needed for the short time in which events of before the deletion may still arrive. */
const TOMBSTONES_MAX = 10_000;

function addTo(index: Map<NodeName, Set<VolumeName>>, node: NodeName, name: VolumeName): void {
  let names = index.get(node);
  if (names === undefined) index.set(node, (names = new Set()));
  names.add(name);
}

function removeFrom(index: Map<NodeName, Set<VolumeName>>, node: NodeName, name: VolumeName): void {
  const names = index.get(node);
  if (names?.delete(name) === true && names.size === 0) index.delete(node);
}

/** True when both name the same machines in the same roles: then they stand in the same places of every index but that of operations. */
function namesTheSame(one: VolumeDocument, other: VolumeDocument): boolean {
  return (
    one.owner === other.owner &&
    one.ownerUid === other.ownerUid &&
    (one.formerOwners === other.formerOwners || (one.formerOwners.length === 0 && other.formerOwners.length === 0)) &&
    (one.attachments === other.attachments || (isEmpty(one.attachments) && isEmpty(other.attachments)))
  );
}

function isEmpty(map: object): boolean {
  return Object.keys(map).length === 0;
}
