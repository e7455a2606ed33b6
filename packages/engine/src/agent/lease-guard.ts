import { AppError, sleep, type Clock, type Logger } from '@volplane/base';
import type { TakeoverPolicy, VolumeUid } from '@volplane/domain';
import type { DriverVolume, Guardian, VolumeDriver } from '@volplane/ports';
import type { MountRecord } from './agent-book.js';

/** What a driver says of aborts. */
type Abortable = Pick<VolumeDriver, 'info' | 'abortTarget'>;

/** The agent's side of the guardian: arms before a lease-bound mount, mounts under its gate, moves its deadlines (rules 6, 7, 19). */
export class LeaseGuard {
  readonly #guardian: Guardian | undefined;
  readonly #remainingMs: () => number;
  readonly #clock: Clock;
  readonly #log: Logger;
  /** Fires when the guardian comes up; another one from then on. */
  #up = new AbortController();

  constructor(parts: {
    readonly guardian: Guardian | undefined;
    readonly remainingMs: () => number;
    readonly clock: Clock;
    readonly log: Logger;
  }) {
    this.#guardian = parts.guardian;
    this.#remainingMs = parts.remainingMs;
    this.#clock = parts.clock;
    this.#log = parts.log;
    parts.guardian?.onChange((alive) => {
      if (!alive) return;
      this.#up.abort();
      this.#up = new AbortController();
    });
  }

  /** Runs `mount` armed and gated. @throws AppError UNGUARDED where there is none at all, GUARDIAN_DOWN, CAPABILITY_MISSING, SESSION_LOST */
  async mount(driver: Abortable, volume: DriverVolume, mount: () => Promise<string>): Promise<string> {
    const guardian = await this.#living(volume.name);
    await this.#arm(guardian, driver, volume);
    return await guardian.gate(volume.uid, MOUNT_MS_MAX, mount);
  }

  /**
   * After a restart: what is lease-bound and unarmed is armed again, with the deadline that is left. Before the session is back none is:
   * the old deadline was in the guardian's file alone, and whoever does not know it takes it as passed, for a later one than it was
   * would be a takeover beside a usable mount. The mount is cut off.
   */
  async rearm(driver: Abortable, volume: DriverVolume, record: MountRecord): Promise<void> {
    if (record.granted?.spec.takeover !== 'lease') return;
    const guardian = this.#guardian;
    if (guardian === undefined || !guardian.alive) {
      this.#log.error('lease-bound mount without a guardian', { volume: volume.name, uid: volume.uid });
      return;
    }
    const armed = await guardian.list();
    if (!armed.some((mount) => mount.uid === volume.uid)) await this.#arm(guardian, driver, volume);
  }

  async disarm(uid: VolumeUid, policy: TakeoverPolicy): Promise<void> {
    if (policy === 'lease') await this.#guardian?.disarm(uid);
  }

  /** The session is valid for this long from now. */
  extend(remainingMs: number): void {
    const guardian = this.#guardian;
    guardian?.extend(guardian.now() + remainingMs);
  }

  async #arm(guardian: Guardian, driver: Abortable, volume: DriverVolume): Promise<void> {
    const target = await driver.abortTarget?.(volume);
    if (target === undefined) {
      throw new AppError(
        'CAPABILITY_MISSING',
        `volume ${volume.name} cannot be aborted on this node, so its takeover policy lease cannot be kept`,
        { volume: volume.name, driver: driver.info.name, capability: 'abort' },
      );
    }
    await guardian.arm({ uid: volume.uid, target: target.path, method: target.method, deadlineMs: guardian.now() + this.#remainingMs() });
  }

  /** One that has just been started, by this life of the agent or after its own death, is given its moment. */
  async #living(name: string): Promise<Guardian> {
    const guardian = this.#guardian;
    const about = `volume ${name} has the takeover policy lease, and`;
    if (guardian === undefined) throw new AppError('UNGUARDED', `${about} this node has no guardian`, { volume: name });
    if (!guardian.alive) await sleep(this.#clock, GUARDIAN_START_MS, this.#up.signal).catch(() => undefined);
    if (guardian.alive) return guardian;
    throw new AppError('GUARDIAN_DOWN', `${about} the guardian of this node does not run; it is being started`, { volume: name });
  }
}

/** The longest that one mount call of an abortable driver may take: local file systems, no servers. Assumed by evidence C. */
const MOUNT_MS_MAX = 1_000;
/** A process of its own needs some tenths of a second to listen; a caller who waits longer is better told. */
const GUARDIAN_START_MS = 2_000;
