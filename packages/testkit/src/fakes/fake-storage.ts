import type { Clock } from '@volplane/base';
import type { StringMap, VolumeName, VolumeUid } from '@volplane/domain';

/** One attempt to write, as the storage saw it: what invariant 1 is checked against. */
export interface FakeWrite {
  readonly node: string;
  readonly uid: VolumeUid;
  /** The epoch that the writing mount was made with. */
  readonly epoch: number;
  readonly atMs: number;
  readonly accepted: boolean;
}

export interface FakeVolume {
  readonly name: VolumeName;
  readonly uid: VolumeUid;
  readonly options: StringMap;
  readonly createdAt: string;
  sizeBytes: number | undefined;
  files: Map<string, string>;
  readonly snapshots: Map<string, Map<string, string>>;
  /** Writes with a lower epoch are refused. */
  fencedBelow: number;
}

/**
 * Where fake volumes live: one for a whole simulated cluster (global scope), or one a node (local scope). It survives
 * every crash.
 */
export class FakeStorage {
  readonly #clock: Clock;
  readonly #volumes = new Map<string, FakeVolume>();
  readonly #foreign = new Set<string>();
  readonly #writes: FakeWrite[] = [];
  readonly #onWrite: ((write: FakeWrite) => void) | undefined;

  /** @param options.onWrite - sees every write at its moment, for checks that must not miss one */
  constructor(clock: Clock, options: { readonly onWrite?: (write: FakeWrite) => void } = {}) {
    this.#clock = clock;
    this.#onWrite = options.onWrite;
  }

  /** The last {@link WRITES_KEPT} writes, oldest first. */
  get writes(): readonly FakeWrite[] {
    return this.#writes;
  }

  get volumes(): readonly FakeVolume[] {
    return [...this.#volumes.values()];
  }

  at(name: string): FakeVolume | undefined {
    return this.#volumes.get(name);
  }

  find(uid: VolumeUid): FakeVolume | undefined {
    return this.volumes.find((volume) => volume.uid === uid);
  }

  put(volume: FakeVolume): void {
    this.#volumes.set(volume.name, volume);
  }

  delete(name: string): void {
    this.#volumes.delete(name);
  }

  /** Data of a stranger under a volume's name. */
  putForeign(name: string): void {
    this.#foreign.add(name);
  }

  isForeign(name: string): boolean {
    return this.#foreign.has(name);
  }

  createdAt(): string {
    return new Date(this.#clock.wallMs()).toISOString();
  }

  /** A write as it arrives. @returns false when the storage refuses it: fenced, or the volume is gone */
  write(from: { readonly node: string; readonly uid: VolumeUid; readonly epoch: number }, file: string, text: string): boolean {
    const volume = this.find(from.uid);
    const accepted = volume !== undefined && from.epoch >= volume.fencedBelow;
    const write = { node: from.node, uid: from.uid, epoch: from.epoch, atMs: this.#clock.monotonicMs(), accepted };
    this.#writes.push(write);
    if (this.#writes.length > WRITES_KEPT) this.#writes.shift();
    if (accepted) volume.files.set(file, text);
    this.#onWrite?.(write);
    return accepted;
  }
}

/** Enough for the report of a failed run; checks use `onWrite`. */
const WRITES_KEPT = 10_000;
