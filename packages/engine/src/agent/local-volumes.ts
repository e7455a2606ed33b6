import { AppError, hasReason, type KeyedQueue, type Clock, type Logger, type Random } from '@volplane/base';
import {
  identityDifference,
  isSufficient,
  LIMITS,
  otherUidFailure,
  ownEntry,
  type DriverName,
  type MountId,
  type MountMode,
  type MountView,
  type NodeName,
  type StringMap,
  type VolumeName,
  type VolumeSpec,
  type VolumeUid,
} from '@volplane/domain';
import type { DriverVolume, VolumeDriver } from '@volplane/ports';
import type { AgentBook, LocalRecord } from './agent-book.js';
import { DRIVER_MS, KNOWN_FAILURES, type DriverSet } from './driver-set.js';
import type { Recoverable } from './recovery.js';

export interface LocalCreate {
  readonly name: VolumeName;
  readonly driver: DriverName;
  readonly options: StringMap;
  readonly labels: StringMap;
  readonly sizeBytes?: number;
  readonly source?: { readonly volume: string; readonly snapshot?: string };
}

/** The volumes of local scope: this node's alone, kept in its book, needing nobody else for anything (invariant 6). */
export class LocalVolumes implements Recoverable {
  readonly #node: NodeName;
  readonly #book: AgentBook;
  readonly #drivers: DriverSet;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #log: Logger;
  readonly #queue: KeyedQueue;

  constructor(parts: {
    readonly node: NodeName;
    readonly book: AgentBook;
    readonly drivers: DriverSet;
    readonly clock: Clock;
    readonly random: Random;
    readonly log: Logger;
    readonly queue: KeyedQueue;
  }) {
    this.#node = parts.node;
    this.#book = parts.book;
    this.#drivers = parts.drivers;
    this.#clock = parts.clock;
    this.#random = parts.random;
    this.#log = parts.log;
    this.#queue = parts.queue;
  }

  find(name: VolumeName): LocalRecord | undefined {
    const record = this.#book.local(name);
    return record?.phase === 'ready' ? record : undefined;
  }

  /** Ready volumes, by name. */
  list(): readonly LocalRecord[] {
    return this.#book
      .locals()
      .filter((record) => record.phase === 'ready')
      .sort((one, other) => (one.name < other.name ? -1 : 1));
  }

  create(wish: LocalCreate): Promise<LocalRecord> {
    return this.#queue.run(wish.name, async () => {
      const present = this.#book.local(wish.name);
      if (present?.phase === 'removing') await this.#finishRemove(present);
      const existing = present?.phase === 'removing' ? undefined : present;
      if (existing !== undefined) this.#checkIdentity(existing, wish);
      if (existing?.phase === 'ready') return existing;
      const driver = this.#drivers.get(wish.driver, wish.name);
      await driver.validate(wish.options);
      if (wish.sizeBytes !== undefined) this.#checkCapable(wish, 'size');
      if (wish.source !== undefined) this.#checkCapable(wish, 'clone');
      const record = existing ?? this.#newRecord(wish);
      await this.#book.write({ locals: { [wish.name]: record } });
      return await this.#finishCreate(record);
    });
  }

  /** In whatever phase it is: a create that does not come to its end is taken back. */
  remove(name: VolumeName, uid?: string): Promise<void> {
    return this.#queue.run(name, async () => {
      const present = this.#recorded(name);
      if (uid !== undefined && uid !== present.uid) throw AppError.fromFailure(otherUidFailure(present, uid));
      this.#checkUnused(present, 'removed');
      // First of all: without its driver the volume stays as it is, in sight.
      this.#driverOf(present);
      const record = await this.#withoutBegunMount(present);
      const removing: LocalRecord = { ...record, phase: 'removing' };
      await this.#book.write({ locals: { [name]: removing } });
      await this.#finishRemove(removing);
    });
  }

  /** In whatever phase it is, and also without its driver: nobody else could free the name. */
  forget(name: VolumeName): Promise<void> {
    return this.#queue.run(name, async () => {
      const record = this.#recorded(name);
      this.#checkUnused(record, 'forgotten');
      const { uid, driver, phase, mounting = false } = record;
      const isAlone = this.#drivers.find(driver) === undefined;
      if (!isAlone) await this.#withoutBegunMount(record);
      await this.#book.write({ locals: { [name]: undefined } });
      const left = { volume: name, uid, driver };
      if (phase !== 'ready') this.#log.warn('volume is forgotten, its driver may have all of it or a part', { ...left, phase });
      else if (isAlone && mounting) this.#log.warn('volume is forgotten, it may still be mounted', left);
    });
  }

  updateLabels(name: VolumeName, set: StringMap, drop: readonly string[]): Promise<LocalRecord> {
    return this.#queue.run(name, async () => {
      const record = this.#present(name);
      const labels: Record<string, string> = { ...record.labels, ...set };
      for (const key of drop) Reflect.deleteProperty(labels, key);
      if (Object.keys(labels).length > LIMITS.mapEntries) {
        throw new AppError('TOO_LARGE', `volume ${name} would have more than ${String(LIMITS.mapEntries)} labels`, {
          volume: name,
          field: 'labels',
        });
      }
      return await this.#save({ ...record, labels });
    });
  }

  mount(name: VolumeName, mountId: MountId, mode: MountMode): Promise<MountView> {
    return this.#queue.run(name, async () => {
      const present = this.#present(name);
      const driver = this.#drivers.get(present.driver, name);
      const record = present.mountIds.length > 0 ? present : await this.#beginMount(driver, present);
      const isUsed = record.mountIds.length > 0 && record.path !== undefined;
      if (isUsed && !isSufficient(record.mode ?? 'rw', mode)) {
        throw new AppError(
          'ACCESS_MODE_REFUSED',
          `volume ${name} is mounted ro on node ${this.#node} for ${record.mountIds.join(', ')}; unmount it before it is mounted rw`,
          { volume: name, node: this.#node, mountIds: record.mountIds.join(',') },
        );
      }
      const effective = isUsed ? (record.mode ?? 'rw') : mode;
      // Repeated for every id: the driver answers at once when it is mounted, and mounts anew what somebody unmounted.
      const path = await this.#drivers.run(`mount of volume ${name}`, record.uid, DRIVER_MS.mount, (signal) =>
        driver.mount(toVolume(record), { mode: effective }, signal),
      );
      if (!record.mountIds.includes(mountId) || record.path !== path) {
        const mountIds = record.mountIds.includes(mountId) ? record.mountIds : [...record.mountIds, mountId];
        const { mounting: _, ...rest } = record;
        await this.#save({ ...rest, mountIds, mode: effective, path });
      }
      return { path, node: this.#node, mode: effective, epoch: 0, seq: 0 };
    });
  }

  unmount(name: VolumeName, mountId: MountId): Promise<void> {
    return this.#queue.run(name, async () => {
      const record = this.#book.local(name);
      if (record?.mountIds.includes(mountId) !== true) return;
      const mountIds = record.mountIds.filter((id) => id !== mountId);
      if (mountIds.length > 0) await this.#save({ ...record, mountIds });
      else await this.#unmount(record);
    });
  }

  async inspect(record: LocalRecord): Promise<{ readonly path?: string; readonly status: StringMap; readonly createdAt?: string }> {
    const driver = this.#drivers.get(record.driver, record.name);
    const inspection = await this.#drivers.run(`inspection of volume ${record.name}`, record.uid, DRIVER_MS.inspect, (signal) =>
      driver.inspect(toVolume(record), signal),
    );
    const path = inspection.mounted?.path;
    return {
      status: inspection.status,
      ...(path === undefined ? {} : { path }),
      ...(inspection.createdAt === undefined ? {} : { createdAt: inspection.createdAt }),
    };
  }

  expand(name: VolumeName, sizeBytes: number): Promise<LocalRecord> {
    return this.#queue.run(name, async () => {
      const record = this.#present(name);
      const driver = this.#checkCapable(record, 'expand');
      if (sizeBytes <= (record.sizeBytes ?? 0)) return record;
      const real = await this.#drivers.run(
        `expand of volume ${name}`,
        record.uid,
        DRIVER_MS.create,
        (signal) => driver.expand?.(toVolume(record), sizeBytes, signal) ?? Promise.resolve(sizeBytes),
      );
      return await this.#save({ ...record, sizeBytes: real });
    });
  }

  snapshot(name: VolumeName, snapshot: string): Promise<LocalRecord> {
    return this.#queue.run(name, async () => {
      const record = this.#present(name);
      const driver = this.#checkCapable(record, 'snapshot');
      if (hasSnapshot(record, snapshot)) return record;
      const sizeBytes = await this.#drivers.run(
        `snapshot of volume ${name}`,
        record.uid,
        DRIVER_MS.create,
        (signal) => driver.snapshot?.(toVolume(record), snapshot, signal) ?? Promise.resolve(0),
      );
      return await this.#save({
        ...record,
        snapshots: { ...record.snapshots, [snapshot]: { createdAt: this.#now(), sizeBytes, ready: true } },
      });
    });
  }

  removeSnapshot(name: VolumeName, snapshot: string): Promise<LocalRecord> {
    return this.#queue.run(name, async () => {
      const record = this.#present(name);
      const driver = this.#checkCapable(record, 'snapshot');
      if (!hasSnapshot(record, snapshot)) return record;
      await this.#drivers.run(
        `removal of a snapshot of volume ${name}`,
        record.uid,
        DRIVER_MS.create,
        (signal) => driver.removeSnapshot?.(toVolume(record), snapshot, signal) ?? Promise.resolve(),
      );
      const snapshots = { ...record.snapshots };
      Reflect.deleteProperty(snapshots, snapshot);
      return await this.#save({ ...record, snapshots });
    });
  }

  unsettled(): readonly VolumeName[] {
    return this.#book.locals().flatMap((record) => (record.phase === 'ready' && record.mounting !== true ? [] : [record.name]));
  }

  /** After a restart: a mount in use is kept, an id without a mount is void, an interrupted create or remove goes on. */
  recover(name: VolumeName): Promise<void> {
    return this.#queue.run(name, async () => {
      const record = this.#book.local(name);
      if (record === undefined) return;
      if (record.phase === 'removing') {
        await this.#finishRemove(record);
        return;
      }
      if (record.phase === 'creating') {
        await this.#finishCreate(record);
        return;
      }
      if (record.mounting === true) {
        this.#log.warn('mount that was begun and not finished is ended', { volume: name, uid: record.uid });
        await this.#unmount(record);
        return;
      }
      if (record.mountIds.length === 0) return;
      if (this.#isOver(record)) {
        await this.#endMount(record, 'the machine was started anew');
        return;
      }
      const { path } = await this.inspect(record);
      if (path !== undefined) this.#log.info('local mount restored', { volume: name, mountIds: record.mountIds });
      else await this.#endMount(record, 'not mounted any more when the agent came back');
    });
  }

  /** True for a mount of an earlier start of the machine: who used it has ended, though a driver that gives a folder finds it as it was. */
  #isOver(record: LocalRecord): boolean {
    return this.#book.isOfEarlierBoot(record) && this.#drivers.find(record.driver)?.outlivesMachine !== true;
  }

  async #endMount(record: LocalRecord, detail: string): Promise<void> {
    this.#log.warn('local mount of an earlier life is gone or unused, ended', { volume: record.name, mountIds: record.mountIds, detail });
    const { path: _, mode: __, ...rest } = record;
    // Void before the driver is asked: should it fail, the unmount is tried again and nobody is refused for ids that have ended.
    await this.#unmount(await this.#save({ ...rest, mountIds: [], mounting: true }));
  }

  /** Makes what the record says. What is refused for good has left nothing behind, and is forgotten. */
  async #finishCreate(record: LocalRecord): Promise<LocalRecord> {
    const { name, uid, source } = record;
    const driver = this.#driverOf(record);
    try {
      await this.#drivers.run(`create of volume ${name}`, uid, DRIVER_MS.create, (signal) =>
        driver.create({ ...toVolume(record), ...(source === undefined ? {} : { source }) }, signal),
      );
    } catch (error) {
      if (!hasReason(error, ...KNOWN_FAILURES)) throw withAdvice(error, 'the create goes on by itself; remove the volume to take it back');
      await this.#book.write({ locals: { [name]: undefined } });
      throw error;
    }
    return await this.#save({ ...record, phase: 'ready' });
  }

  /** Before the first mount: whatever becomes of this life or of the call, somebody knows that something may be mounted. */
  async #beginMount(driver: VolumeDriver, present: LocalRecord): Promise<LocalRecord> {
    // What a failed call has left may be writable where this one is not to be.
    const { boot } = this.#book;
    const record: LocalRecord = { ...(await this.#withoutBegunMount(present)), mounting: true, ...(boot === undefined ? {} : { boot }) };
    const changes = { locals: { [record.name]: record } };
    if (driver.outlivesMachine === true) await this.#book.write(changes);
    else await this.#book.keep(changes);
    return record;
  }

  async #withoutBegunMount(record: LocalRecord): Promise<LocalRecord> {
    return record.mounting === true ? await this.#unmount(record) : record;
  }

  async #unmount(record: LocalRecord): Promise<LocalRecord> {
    const driver = this.#drivers.get(record.driver, record.name);
    await this.#drivers.run(`unmount of volume ${record.name}`, record.uid, DRIVER_MS.unmount, (signal) =>
      driver.unmount(toVolume(record), signal),
    );
    const { path: _, mode: __, mounting: ___, boot: ____, ...rest } = record;
    return await this.#save({ ...rest, mountIds: [] });
  }

  async #finishRemove(record: LocalRecord): Promise<void> {
    const driver = this.#driverOf(record);
    try {
      await this.#drivers.run(`removal of volume ${record.name}`, record.uid, DRIVER_MS.create, (signal) =>
        driver.remove(toVolume(record), signal),
      );
    } catch (error) {
      throw withAdvice(error, 'the removal goes on by itself; forget the volume to leave its data as it is');
    }
    await this.#book.write({ locals: { [record.name]: undefined } });
  }

  async #save(record: LocalRecord): Promise<LocalRecord> {
    await this.#book.write({ locals: { [record.name]: record } });
    return record;
  }

  #newRecord(wish: LocalCreate): LocalRecord {
    const { name, driver, options, labels, sizeBytes } = wish;
    const source = this.#sourceOf(wish);
    const uid = this.#random.hex(32) as VolumeUid; // 32 hexadecimal characters is what a volume uid is
    return {
      name,
      uid,
      driver,
      options,
      labels,
      createdAt: this.#now(),
      phase: 'creating',
      mountIds: [],
      ...(sizeBytes === undefined ? {} : { sizeBytes }),
      ...(source === undefined ? {} : { source }),
    };
  }

  #sourceOf(wish: LocalCreate): LocalRecord['source'] {
    if (wish.source === undefined) return undefined;
    const { snapshot } = wish.source;
    const record = this.#present(wish.source.volume as VolumeName); // looked up as it is: an unknown name is not found
    if (snapshot === undefined) return { uid: record.uid, name: record.name };
    if (hasSnapshot(record, snapshot)) return { uid: record.uid, name: record.name, snapshot };
    throw new AppError('VOLUME_NOT_FOUND', `volume ${record.name} has no snapshot ${snapshot}`, { volume: record.name, snapshot });
  }

  #checkIdentity(record: LocalRecord, wish: LocalCreate): void {
    const sizeBytes = wish.sizeBytes ?? record.sizeBytes;
    const difference = identityDifference(toSpec(record, record.sizeBytes), {
      ...toSpec(record, sizeBytes),
      driver: wish.driver,
      options: wish.options,
    }).join('; ');
    if (difference === '') return;
    const text = `volume ${record.name} exists on node ${this.#node} with another identity: ${difference}`;
    const advice = record.phase === 'ready' ? '' : '; its create has not come to its end, remove the volume to take it back';
    throw new AppError('VOLUME_CONFLICT', `${text}${advice}`, { volume: record.name, uid: record.uid, node: this.#node, difference });
  }

  #checkUnused(record: LocalRecord, what: string): void {
    if (record.mountIds.length === 0) return;
    const ids = record.mountIds.slice(0, IDS_NAMED_MAX).join(', ');
    throw new AppError('VOLUME_IN_USE', `volume ${record.name} cannot be ${what}: it is in use on node ${this.#node} by ${ids}`, {
      volume: record.name,
      node: this.#node,
      holder: this.#node,
      mountIds: record.mountIds.slice(0, IDS_NAMED_MAX).join(','),
      freedBy: `unmount ${ids}`,
    });
  }

  #checkCapable(of: Pick<LocalRecord, 'name' | 'driver'>, capability: 'expand' | 'snapshot' | 'size' | 'clone'): VolumeDriver {
    const driver = this.#drivers.get(of.driver, of.name);
    if (driver.info.capabilities[capability]) return driver;
    throw new AppError('CAPABILITY_MISSING', `driver ${of.driver} of volume ${of.name} ${CANNOT[capability]}`, {
      volume: of.name,
      driver: of.driver,
      capability,
    });
  }

  /** For what cannot be done, or undone, without it. @throws AppError NODE_LACKS_DRIVER */
  #driverOf({ name, driver }: LocalRecord): VolumeDriver {
    try {
      return this.#drivers.get(driver, name);
    } catch (error) {
      throw withAdvice(error, 'set the driver up again, or forget the volume, which leaves what the driver has of it');
    }
  }

  #present(name: VolumeName): LocalRecord {
    const record = this.find(name);
    if (record === undefined) throw this.#notFound(name);
    return record;
  }

  #recorded(name: VolumeName): LocalRecord {
    const record = this.#book.local(name);
    if (record === undefined) throw this.#notFound(name);
    return record;
  }

  #notFound(name: string): AppError {
    return new AppError('VOLUME_NOT_FOUND', `node ${this.#node} has no local volume ${name}`, { volume: name, node: this.#node });
  }

  #now(): string {
    return new Date(this.#clock.wallMs()).toISOString();
  }
}

/** The same failure, which also says what can be done. */
function withAdvice(error: unknown, advice: string): unknown {
  if (!(error instanceof AppError)) return error;
  return new AppError(error.reason, `${error.message}; ${advice}`, error.failure.fields, error.cause);
}

function hasSnapshot(record: LocalRecord, snapshot: string): boolean {
  return ownEntry(record.snapshots, snapshot) !== undefined;
}

function toVolume(record: LocalRecord): DriverVolume {
  const { name, uid, options, sizeBytes } = record;
  return { name, uid, options, epoch: 0, ...(sizeBytes === undefined ? {} : { sizeBytes }) };
}

function toSpec(record: LocalRecord, sizeBytes: number | undefined): VolumeSpec {
  const { driver, options, labels } = record;
  return {
    driver,
    options,
    labels,
    accessMode: 'single-node-writer',
    takeover: 'manual',
    ...(sizeBytes === undefined ? {} : { sizeBytes }),
  };
}

const CANNOT = { expand: 'cannot expand', snapshot: 'cannot snapshot', size: 'cannot keep a size', clone: 'cannot clone' } as const;
const IDS_NAMED_MAX = 16;
