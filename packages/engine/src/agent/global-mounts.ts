import { AppError, assert, hasReason, isUnknownOutcome, type KeyedQueue, type Logger } from '@volplane/base';
import {
  isSufficient,
  type MountId,
  type MountMode,
  type MountView,
  type NodeName,
  type VolumeName,
  type VolumeUid,
} from '@volplane/domain';
import type { DriverVolume, VolumeDriver } from '@volplane/ports';
import { grantAnswer, type AgentMessageOf, type GrantAnswer, type MessageOf } from '@volplane/wire';
import type { AgentBook, MountRecord } from './agent-book.js';
import type { AgentSession, LiveSession } from './agent-session.js';
import { DRIVER_MS, toDriverVolume, type DriverSet } from './driver-set.js';
import type { LeaseGuard } from './lease-guard.js';
import type { Managers } from './managers.js';
import type { OwedReleases } from './owed-releases.js';

/** What a mount of a global volume asks for. */
export interface MountWish {
  readonly name: VolumeName;
  readonly mountId: MountId;
  /** Absent = `rw`. */
  readonly mode?: MountMode;
}

/**
 * The mounts of global volumes on this node: the first mount id claims, the last one gone releases, all between is local
 * (rules 4 to 9 and 14). One operation per volume runs at a time, from its decision to its last durable write.
 */
export class GlobalMounts {
  readonly #node: NodeName;
  readonly #book: AgentBook;
  readonly #session: AgentSession;
  readonly #managers: Managers;
  readonly #drivers: DriverSet;
  readonly #releases: OwedReleases;
  readonly #guard: LeaseGuard;
  readonly #log: Logger;
  /** Shared with the commands: whatever concerns one volume on this node takes its turn here. */
  readonly queue: KeyedQueue;

  constructor(parts: {
    readonly node: NodeName;
    readonly book: AgentBook;
    readonly session: AgentSession;
    readonly managers: Managers;
    readonly drivers: DriverSet;
    readonly releases: OwedReleases;
    readonly guard: LeaseGuard;
    readonly queue: KeyedQueue;
    readonly log: Logger;
  }) {
    this.#node = parts.node;
    this.#book = parts.book;
    this.#session = parts.session;
    this.#managers = parts.managers;
    this.#drivers = parts.drivers;
    this.#releases = parts.releases;
    this.#guard = parts.guard;
    this.queue = parts.queue;
    this.#log = parts.log;
  }

  mount(wish: MountWish): Promise<MountView> {
    return this.queue.run(wish.name, async () => {
      this.#checkRefusal(wish.name);
      const record = this.#book.mount(wish.name);
      if (record?.state === 'held') return await this.#join(record, wish);
      if (record !== undefined) await this.#settle(record);
      return await this.#claimAndMount(wish);
    });
  }

  /** Takes the id out; the last one unmounts and releases. Not in the set, or of another claim than `seq`: nothing to do (rules 10, 14). */
  unmount(name: VolumeName, mountId: MountId, seq?: number): Promise<void> {
    return this.queue.run(name, async () => {
      const record = this.#book.mount(name);
      if (record === undefined || (seq !== undefined && record.seq !== seq) || !record.mountIds.includes(mountId)) return;
      const mountIds = record.mountIds.filter((id) => id !== mountId);
      if (mountIds.length > 0) await this.#book.keep({ mounts: { [name]: { ...record, mountIds } } });
      else await this.#unmountAndRelease(record, `unmounted by ${mountId}`);
    });
  }

  /**
   * Ends every use under the claim because an operator said so: cuts off what can be cut off. Not held any more: fine.
   *
   * @throws AppError CONTENTION when the node has mounted the volume anew since the operator looked
   */
  forceRelease({ name, uid, seq, note }: AgentMessageOf<'force-release'>): Promise<void> {
    return this.queue.run(name, async () => {
      const record = this.#book.mount(name);
      if (record?.granted?.uid !== uid) return;
      if (record.seq !== seq) {
        const text = `volume ${name} was mounted anew on node ${this.#node} meanwhile; look at it again, and repeat the call if that is meant too`;
        throw new AppError('CONTENTION', text, { volume: name, uid, node: this.#node });
      }
      await this.#abort(record, `released by force: ${note}`);
    });
  }

  /** A manager says that what is held under this seq is not this node's any more (rule 12). */
  notYours(name: VolumeName, uid: VolumeUid, seq: number): Promise<void> {
    return this.queue.run(name, async () => {
      const record = this.#book.mount(name);
      if (record?.state !== 'held' || record.seq !== seq || record.granted?.uid !== uid) return;
      this.#log.error('volume is not this node’s any more, its mount is aborted', { volume: name, uid, seq, mountIds: record.mountIds });
      await this.#abort(record, 'the managers have no record of this claim');
    });
  }

  /** The deadline of lease-bound mounts has passed: they are cut off, whoever uses them (policy `lease`). */
  async abortLeaseBound(): Promise<void> {
    const bound = this.#book.mounts().filter((record) => record.state === 'held' && record.granted?.spec.takeover === 'lease');
    await Promise.all(
      bound.map((listed) =>
        this.queue.run(listed.name, async () => {
          const record = this.#book.mount(listed.name);
          if (record?.state !== 'held' || record.seq !== listed.seq || this.#session.isCurrent(record.session)) return;
          this.#log.error('session ended, lease-bound mount is aborted', { volume: record.name, mountIds: record.mountIds });
          await this.#abort(record, 'the session of the node ended');
        }),
      ),
    );
  }

  /** Arms what is held and lease-bound and the guardian does not know (rules 6 and 20). @throws AppError when one is not armed */
  async armAll(): Promise<void> {
    const bound = this.#book.mounts().filter((record) => record.state === 'held' && record.granted?.spec.takeover === 'lease');
    await Promise.all(
      bound.map((listed) =>
        this.queue.run(listed.name, async () => {
          const record = this.#book.mount(listed.name);
          if (record?.state !== 'held' || record.seq !== listed.seq || record.granted === undefined) return;
          await this.#guard.rearm(this.#drivers.get(record.granted.spec.driver, record.name), volumeOf(record), record);
        }),
      ),
    );
  }

  /** Brings a record of an earlier life, or of an interrupted step, to a state that the kernel agrees with (live restore, rule 14). */
  recover(name: VolumeName): Promise<void> {
    return this.queue.run(name, async () => {
      const record = this.#book.mount(name);
      if (record === undefined) return;
      if (record.state !== 'held' || record.granted === undefined) {
        await this.#settle(record);
        return;
      }
      if (this.#book.isOfEarlierBoot(record)) {
        await this.#giveBack(record, 'the machine was started anew');
        return;
      }
      const driver = this.#drivers.get(record.granted.spec.driver, name);
      const volume = volumeOf(record);
      const inspection = await this.#drivers.run(`inspection of volume ${name}`, volume.uid, DRIVER_MS.inspect, (signal) =>
        driver.inspect(volume, signal),
      );
      if (inspection.mounted?.usable === true && record.mountIds.length > 0) {
        await this.#guard.rearm(driver, volume, record);
        this.#log.info('mount restored', { volume: name, uid: record.granted.uid, mountIds: record.mountIds });
        return;
      }
      await this.#giveBack(record, 'not mounted any more when the agent came back');
    });
  }

  /** Names of volumes whose record waits for its end: interrupted, aborted, or of an earlier life. */
  unsettled(): readonly VolumeName[] {
    return this.#book.mounts().flatMap((record) => (record.state === 'held' && record.mountIds.length > 0 ? [] : [record.name]));
  }

  /** What the managers have given up has no right to anything, also not to what it still has mounted. @throws AppError NODE_LOST, NODE_NAME_TAKEN */
  #checkRefusal(name: VolumeName): void {
    const { refusal } = this.#session;
    if (refusal === undefined) return;
    const { message, fields } = refusal.failure;
    const text = `volume ${name} cannot be mounted on node ${this.#node}: ${message}`;
    throw new AppError(refusal.reason, text, { ...fields, volume: name, node: this.#node }, refusal);
  }

  async #join(record: MountRecord, wish: MountWish): Promise<MountView> {
    const { granted } = record;
    assert(granted !== undefined, 'what is held was granted');
    if (!isSufficient(record.mode, wish.mode ?? record.mode)) {
      throw new AppError(
        'ACCESS_MODE_REFUSED',
        `volume ${record.name} is mounted ro on node ${this.#node} for ${record.mountIds.join(', ')}; unmount it there before it is mounted rw`,
        {
          volume: record.name,
          node: this.#node,
          mountIds: record.mountIds.join(','),
          freedBy: `unmount it on ${this.#node}`,
        },
      );
    }
    const driver = this.#drivers.get(granted.spec.driver, record.name);
    const inspection = await this.#drivers.run(`inspection of volume ${record.name}`, granted.uid, DRIVER_MS.inspect, (signal) =>
      driver.inspect(volumeOf(record), signal),
    );
    if (inspection.mounted?.usable !== true || record.path === undefined) {
      throw new AppError(
        'MOUNT_UNUSABLE',
        `the mount of volume ${record.name} on node ${this.#node} is broken; unmount ${record.mountIds.join(', ')}, then mount it anew`,
        {
          volume: record.name,
          node: this.#node,
          mountIds: record.mountIds.join(','),
        },
      );
    }
    if (!record.mountIds.includes(wish.mountId)) {
      await this.#book.keep({ mounts: { [record.name]: { ...record, mountIds: [...record.mountIds, wish.mountId] } } });
    }
    return { path: record.path, node: this.#node, mode: record.mode, epoch: granted.epoch, seq: record.seq };
  }

  async #claimAndMount(wish: MountWish): Promise<MountView> {
    const { name } = wish;
    const live = this.#session.current();
    if (live === undefined) {
      throw new AppError('SESSION_LOST', `node ${this.#node} is not in touch with the managers, so volume ${name} cannot be mounted now`, {
        volume: name,
        node: this.#node,
      });
    }
    const seq = await this.#book.nextSeq();
    const { boot } = this.#book;
    const of = { seq, session: live.session, ...(boot === undefined ? {} : { boot }) };
    const intent: MountRecord = { name, ...of, mode: wish.mode ?? 'rw', state: 'claiming', mountIds: [] };
    await this.#book.keep({ mounts: { [name]: intent } });
    const grant = await this.#claim(intent, wish.mountId, live);
    const { uid, spec, epoch } = grant;
    const record: MountRecord = { ...intent, state: 'granted', granted: { uid, spec, epoch } };
    const seen = this.#book.command(uid);
    const changes = { mounts: { [name]: record }, commands: { [uid]: { ...seen, epoch: Math.max(seen?.epoch ?? 0, epoch) } } };
    // A mount that leaves something behind when the machine ends is known when it starts again.
    if (this.#drivers.find(spec.driver)?.outlivesMachine === true) await this.#book.write(changes);
    else await this.#book.keep(changes);
    try {
      if (seen !== undefined && seen.epoch > epoch) {
        throw new AppError(
          'NOT_OWNER',
          `node ${this.#node} has seen epoch ${String(seen.epoch)} of volume ${name}, the grant says ${String(epoch)}`,
          { volume: name, node: this.#node },
        );
      }
      const path = await this.#mountGranted(record, live);
      const held: MountRecord = { ...record, state: 'held', path, mountIds: [wish.mountId] };
      await this.#book.keep({ mounts: { [name]: held } });
      return { path, node: this.#node, mode: record.mode, epoch, seq };
    } catch (error) {
      if (hasReason(error, 'DISK_FAILED')) throw error;
      await this.#settle(record).catch((failure: unknown) => {
        this.#log.warn('what was begun could not be ended yet, it is tried again', { volume: name, error: failure });
      });
      throw error;
    }
  }

  /** Sends the claim. A refusal forgets the intent; without an answer the intent is given up, the list does the rest. */
  async #claim(intent: MountRecord, mountId: MountId, live: LiveSession): Promise<GrantAnswer> {
    const { name, seq, mode } = intent;
    const message: MessageOf<'claim'> = {
      type: 'claim',
      ...this.#session.speaker(),
      session: live.session,
      incarnation: live.incarnation,
      name,
      seq,
      mode,
      mountId,
    };
    try {
      const grant = await this.#managers.ask(message, grantAnswer, { timeoutMs: CLAIM_TIMEOUT_MS });
      assert(grant.seq === seq, 'a grant answers the claim that was sent');
      return grant;
    } catch (error) {
      await this.#book.keep({ mounts: { [name]: undefined } });
      if (!isUnknownOutcome(error)) throw error;
      throw new AppError(
        'UNKNOWN_OUTCOME',
        `volume ${name}: no manager answered the claim of node ${this.#node}; repeat the mount with the same id, or unmount`,
        { volume: name, node: this.#node },
        error,
      );
    }
  }

  /** Mounts what was granted, inside the session in which the claim was sent (rule 5), and checks that again after it. */
  async #mountGranted(record: MountRecord, live: LiveSession): Promise<string> {
    const { granted } = record;
    assert(granted !== undefined, 'only what was granted is mounted');
    const driver = this.#drivers.get(granted.spec.driver, record.name);
    const volume = volumeOf(record);
    this.#checkSession(record, live);
    const mount = (): Promise<string> =>
      this.#drivers.run(`mount of volume ${record.name}`, volume.uid, DRIVER_MS.mount, (signal) =>
        driver.mount(volume, { mode: record.mode }, signal),
      );
    const path = granted.spec.takeover === 'lease' ? await this.#guard.mount(driver, volume, mount) : await mount();
    this.#checkSession(record, live);
    return path;
  }

  #checkSession(record: MountRecord, live: LiveSession): void {
    if (this.#session.isCurrent(live.session)) return;
    throw new AppError(
      'SESSION_LOST',
      `the session of node ${this.#node} ended while volume ${record.name} was being mounted; it is given back, repeat the mount`,
      {
        volume: record.name,
        node: this.#node,
      },
    );
  }

  /** Ends what was begun and not finished: nothing stays mounted, and the claim is given up with a newer seq. */
  async #settle(record: MountRecord): Promise<void> {
    if (record.granted === undefined) {
      await this.#book.keep({ mounts: { [record.name]: undefined } });
      return;
    }
    await this.#unmountAndRelease(record, 'given up before it was in use');
  }

  /** Ends a held record of an earlier life that nobody can use any more. */
  async #giveBack(record: MountRecord, detail: string): Promise<void> {
    this.#log.warn('mount of an earlier life is gone or unused, released', { volume: record.name, mountIds: record.mountIds, detail });
    // Void before the driver is asked: should it fail, the record is found again and nobody joins it meanwhile.
    const ended: MountRecord = { ...record, state: 'aborted', mountIds: [] };
    await this.#book.keep({ mounts: { [record.name]: ended } });
    await this.#unmountAndRelease(ended, detail);
  }

  async #unmountAndRelease(record: MountRecord, detail: string): Promise<void> {
    const { granted, name } = record;
    assert(granted !== undefined, 'only what was granted is released');
    const driver = this.#drivers.get(granted.spec.driver, name);
    const volume = volumeOf(record);
    await this.#drivers.run(`unmount of volume ${name}`, volume.uid, DRIVER_MS.unmount, (signal) => driver.unmount(volume, signal));
    await this.#guard.disarm(granted.uid, granted.spec.takeover);
    const seq = await this.#book.nextSeq();
    await this.#book.keep({
      mounts: { [name]: undefined },
      releases: { [granted.uid]: { name, uid: granted.uid, seq, detail: detail.slice(0, DETAIL_MAX) } },
    });
    await this.#releases.deliver(granted.uid, RELEASE_WAIT_MS);
  }

  /** Cuts off the mount, so that no open descriptor writes on, then unmounts and releases. The set of ids is void from here on. */
  async #abort(record: MountRecord, detail: string): Promise<void> {
    const { granted, name } = record;
    assert(granted !== undefined, 'only what was granted is aborted');
    const aborted: MountRecord = { ...record, state: 'aborted', mountIds: [] };
    await this.#book.keep({ mounts: { [name]: aborted } });
    const driver = this.#drivers.get(granted.spec.driver, name);
    await this.#cutOff(driver, volumeOf(record), record);
    await this.#unmountAndRelease(aborted, detail);
  }

  async #cutOff(driver: VolumeDriver, volume: DriverVolume, record: MountRecord): Promise<void> {
    if (driver.abort === undefined) {
      this.#log.warn('driver cannot cut off a mount, it is only unmounted', {
        volume: record.name,
        driver: driver.info.name,
        mountIds: record.mountIds,
      });
      return;
    }
    await this.#drivers.cutOff(`abort of volume ${record.name}`, volume.uid, async () => {
      await driver.abort?.(volume);
    });
  }
}

function volumeOf(record: MountRecord): DriverVolume {
  const { granted } = record;
  assert(granted !== undefined, 'a volume is known from its grant on');
  return toDriverVolume({ name: record.name, ...granted });
}

/** A claim is one commit; a manager that needs longer is as good as gone for this caller. */
const CLAIM_TIMEOUT_MS = 15_000;
/** How long an unmount waits for the release to be recorded before it is left to the background. */
const RELEASE_WAIT_MS = 2_000;
const DETAIL_MAX = 200;
