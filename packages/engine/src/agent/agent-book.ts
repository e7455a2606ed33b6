import { assert, type Clock, type Telemetry } from '@volplane/base';
import type {
  DriverName,
  MountId,
  MountMode,
  NodeUid,
  OperationId,
  SessionId,
  StringMap,
  VolumeName,
  VolumeSpec,
  VolumeUid,
} from '@volplane/domain';
import type { Journal, JournalChanges, JournalGrade } from '@volplane/ports';
import type { CommandAnswer } from '@volplane/wire';

/**
 * `claiming`: the intent, its outcome not known yet. `granted`: recorded at the manager, not mounted for sure. `held`: mounted,
 * in use by the ids. `aborted`: cut off; waits for its unmount, never usable again.
 */
export type MountState = 'claiming' | 'granted' | 'held' | 'aborted';

/** What this node has of one global volume; one record per name, tied to the seq of its claim. */
export interface MountRecord {
  readonly name: VolumeName;
  readonly seq: number;
  readonly session: SessionId;
  readonly mode: MountMode;
  readonly state: MountState;
  /** A set, never a count. */
  readonly mountIds: readonly MountId[];
  /** The start of the machine in which it was written; absent = not known, and then every change of it was synced. */
  readonly boot?: string;
  /** Known from the grant on. */
  readonly granted?: { readonly uid: VolumeUid; readonly spec: VolumeSpec; readonly epoch: number };
  readonly path?: string;
}

export interface OwedRelease {
  readonly name: VolumeName;
  readonly uid: VolumeUid;
  readonly seq: number;
  readonly detail: string;
}

/** What this node remembers of the commands for one uid, also after the volume is gone, until {@link AgentBook.forgetRemoved}. */
export interface CommandMemory {
  /** The highest epoch seen for the uid. */
  readonly epoch: number;
  readonly operationId?: OperationId;
  /** Absent while the operation runs, or when its outcome is not known. */
  readonly answer?: CommandAnswer;
  /** The last one was a remove, and it is done. */
  readonly removed?: true;
}

/** A volume of local scope: this record is all there is of it besides its data. */
export interface LocalRecord {
  readonly name: VolumeName;
  readonly uid: VolumeUid;
  readonly driver: DriverName;
  readonly options: StringMap;
  readonly labels: StringMap;
  readonly createdAt: string;
  /** `creating`: the driver may or may not have made it. `removing`: only goes forward. */
  readonly phase: 'creating' | 'ready' | 'removing';
  /** What it is made from, for a create that is taken up again. */
  readonly source?: { readonly uid: VolumeUid; readonly name: VolumeName; readonly snapshot?: string };
  readonly mountIds: readonly MountId[];
  /** Its first mount was begun, and no id is there to say that it came to its end: it is unmounted before anything else. */
  readonly mounting?: true;
  /** The start of the machine in which its mount was begun; absent = not known, or not mounted. */
  readonly boot?: string;
  readonly mode?: MountMode;
  readonly path?: string;
  readonly sizeBytes?: number;
  readonly snapshots?: Readonly<Record<string, { readonly createdAt: string; readonly sizeBytes: number; readonly ready: boolean }>>;
}

interface NodeRecord {
  readonly uid: NodeUid;
  readonly startNumber: number;
}

export interface Changes {
  readonly mounts?: Readonly<Record<string, MountRecord | undefined>>;
  readonly releases?: Readonly<Record<string, OwedRelease | undefined>>;
  readonly commands?: Readonly<Record<string, CommandMemory | undefined>>;
  readonly locals?: Readonly<Record<string, LocalRecord | undefined>>;
}

/** The agent's journal in types. Keys: node, seq, mount/<name>, release/<uid>, command/<uid>, local/<name>. */
export class AgentBook {
  readonly #journal: Journal;
  readonly #clock: Clock;
  readonly #telemetry: Telemetry;
  /** This start of the machine. */
  readonly boot: string | undefined;
  #nextSeq: number;
  #reservedSeq: number;
  #reserving: Promise<void> | undefined;
  #localWrites = 0;

  constructor(journal: Journal, parts: { readonly boot?: string | undefined; readonly clock: Clock; readonly telemetry: Telemetry }) {
    this.#journal = journal;
    this.boot = parts.boot;
    this.#clock = parts.clock;
    this.#telemetry = parts.telemetry;
    // What was reserved before this life may have been used: go on after it.
    this.#reservedSeq = (journal.get('seq') as number | undefined) ?? 0;
    this.#nextSeq = this.#reservedSeq + 1;
  }

  get nodeUid(): NodeUid | undefined {
    return this.#node()?.uid;
  }

  /** Durably counts one more start. The uid is given at the first one. */
  async nextStart(uidIfNew: NodeUid): Promise<NodeRecord> {
    const before = this.#node();
    const node: NodeRecord = { uid: before?.uid ?? uidIfNew, startNumber: (before?.startNumber ?? 0) + 1 };
    await this.#journal.write({ node });
    return node;
  }

  /** The highest seq that was given out: what is not in the book now was given up by then. */
  get lastSeq(): number {
    return this.#nextSeq - 1;
  }

  /** The next sequence number; never given out twice, whatever crashes. */
  async nextSeq(): Promise<number> {
    while (this.#nextSeq > this.#reservedSeq) {
      this.#reserving ??= this.#reserve();
      // Whoever waits shares the reservation and looks again.
      await this.#reserving;
    }
    const seq = this.#nextSeq;
    this.#nextSeq += 1;
    return seq;
  }

  mount(name: VolumeName): MountRecord | undefined {
    return this.#journal.get(`mount/${name}`) as MountRecord | undefined; // written by this class only
  }

  mounts(): readonly MountRecord[] {
    return [...this.#journal.entries('mount/')].map(([, value]) => value as MountRecord);
  }

  releases(): readonly OwedRelease[] {
    return [...this.#journal.entries('release/')].map(([, value]) => value as OwedRelease);
  }

  release(uid: VolumeUid): OwedRelease | undefined {
    return this.#journal.get(`release/${uid}`) as OwedRelease | undefined;
  }

  command(uid: VolumeUid): CommandMemory | undefined {
    return this.#journal.get(`command/${uid}`) as CommandMemory | undefined;
  }

  local(name: VolumeName): LocalRecord | undefined {
    return this.#journal.get(`local/${name}`) as LocalRecord | undefined;
  }

  locals(): readonly LocalRecord[] {
    return [...this.#journal.entries('local/')].map(([, value]) => value as LocalRecord);
  }

  /** How often a record of a local volume was written in this life. */
  get localWrites(): number {
    return this.#localWrites;
  }

  /**
   * True for a mount of an earlier start of the machine. The kernel has forgotten it, and its record may be one of the last that
   * reached the disk: what was written after it may say otherwise.
   */
  isOfEarlierBoot(record: Pick<MountRecord, 'boot'>): boolean {
    return record.boot !== undefined && record.boot !== this.boot;
  }

  /** What is remembered of the commands for one uid, durable when it resolves. */
  remember(uid: VolumeUid, memory: CommandMemory): Promise<void> {
    return this.#measured(new Map([[`command/${uid}`, memory]]), 'synced');
  }

  /**
   * Forgets the commands for volumes that were removed by now. Only for the moment in which a new incarnation begins: docs/ownership.md
   * tells why nothing but the remove can come for them from then on.
   */
  async forgetRemoved(): Promise<void> {
    const removed: string[] = [];
    for (const [key, memory] of this.#journal.entries('command/')) if ((memory as CommandMemory).removed === true) removed.push(key);
    for (let first = 0; first < removed.length; first += FORGET_AT_ONCE) {
      // One after the other: nobody waits for it, and others write too.
      await this.#journal.write(new Map(removed.slice(first, first + FORGET_AT_ONCE).map((key) => [key, undefined])));
    }
  }

  /** All or nothing, durable when it resolves. */
  write(changes: Changes): Promise<void> {
    return this.#write(changes, 'synced');
  }

  /**
   * All or nothing; survives the end of this process when it resolves. What concerns mounts needs no more: when the machine ends they end with
   * it, and docs/ownership.md tells rule by rule why what is left of their records leads to the same end. Without a known start of the
   * machine that cannot be told, so it is synced then.
   */
  keep(changes: Changes): Promise<void> {
    return this.#write(changes, this.boot === undefined ? 'synced' : 'kept');
  }

  async #write(changes: Changes, grade: JournalGrade): Promise<void> {
    // Maps, here and in `remember`: an object with a key that no other had is given a shape of its own by V8, which takes 2 µs and stays.
    const flat = new Map<string, unknown>();
    for (const [name, value] of Object.entries(changes.mounts ?? {})) flat.set(`mount/${name}`, value);
    for (const [uid, value] of Object.entries(changes.releases ?? {})) flat.set(`release/${uid}`, value);
    for (const [uid, value] of Object.entries(changes.commands ?? {})) flat.set(`command/${uid}`, value);
    for (const [name, value] of Object.entries(changes.locals ?? {})) flat.set(`local/${name}`, value);
    await this.#measured(flat, grade);
    if (changes.locals !== undefined) this.#localWrites += 1;
  }

  async #measured(changes: JournalChanges, grade: JournalGrade): Promise<void> {
    const beganMs = this.#clock.monotonicMs();
    await this.#journal.write(changes, grade);
    this.#telemetry.phase('journal', this.#clock.monotonicMs() - beganMs);
  }

  async #reserve(): Promise<void> {
    const reserved = this.#reservedSeq + SEQ_BLOCK;
    try {
      await this.#journal.write({ seq: reserved });
      assert(reserved > this.#reservedSeq, 'reservations only grow');
      this.#reservedSeq = reserved;
    } finally {
      this.#reserving = undefined;
    }
  }

  #node(): NodeRecord | undefined {
    return this.#journal.get('node') as NodeRecord | undefined;
  }
}

/** A crash leaves a gap of at most this many numbers; a reservation costs one fsync. */
const SEQ_BLOCK = 256;

/** Keeps a write of the journal short. */
const FORGET_AT_ONCE = 1_000;
