import { abortReason, AppError, withTimeout, type Clock, type Telemetry } from '@volplane/base';
import type { DriverInfo, DriverName, VolumeName, VolumeSpec, VolumeUid } from '@volplane/domain';
import type { DriverVolume, VolumeDriver } from '@volplane/ports';

/** The drivers of this node, and the bound on each of their calls. */
export class DriverSet {
  readonly #drivers: ReadonlyMap<DriverName, VolumeDriver>;
  readonly #clock: Clock;
  readonly #telemetry: Telemetry;
  /** The end of the last call for each volume; entries go when it has ended. */
  readonly #running = new Map<VolumeUid, Promise<void>>();

  constructor(drivers: readonly VolumeDriver[], parts: { readonly clock: Clock; readonly telemetry: Telemetry }) {
    this.#drivers = new Map(drivers.map((driver) => [driver.info.name, driver]));
    this.#clock = parts.clock;
    this.#telemetry = parts.telemetry;
  }

  get infos(): readonly DriverInfo[] {
    return [...this.#drivers.values()].map((driver) => driver.info);
  }

  find(name: DriverName): VolumeDriver | undefined {
    return this.#drivers.get(name);
  }

  /** @throws AppError NODE_LACKS_DRIVER */
  get(name: DriverName, volume: string): VolumeDriver {
    const driver = this.#drivers.get(name);
    if (driver !== undefined) return driver;
    throw new AppError('NODE_LACKS_DRIVER', `this node does not run driver ${name} of volume ${volume}`, { driver: name, volume });
  }

  /**
   * Runs one call of a driver, after the one before for the same volume has really ended, and under a bound for both.
   *
   * At the bound the signal fires and the caller is told that the outcome is unknown. A driver that ignores the signal goes on
   * alone: no other call for the volume begins beside it.
   *
   * @throws what the driver throws; DRIVER_UNAVAILABLE when the call before did not end in time (nothing was begun);
   * UNKNOWN_OUTCOME at the bound
   */
  async run<T>(what: string, uid: VolumeUid, timeoutMs: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController();
    const before = this.#running.get(uid);
    let begun = before === undefined;
    const call = async (): Promise<T> => {
      if (before !== undefined) await before;
      if (controller.signal.aborted) throw abortReason(controller.signal);
      begun = true;
      const beganMs = this.#clock.monotonicMs();
      try {
        return await work(controller.signal);
      } finally {
        this.#telemetry.phase('driver', this.#clock.monotonicMs() - beganMs);
      }
    };
    const running = call();
    const ended = running.then(
      () => undefined,
      () => undefined,
    );
    this.#running.set(uid, ended);
    ended
      .then(() => {
        if (this.#running.get(uid) === ended) this.#running.delete(uid);
      })
      .catch(() => undefined);
    return await withTimeout(this.#clock, running, {
      timeoutMs,
      onTimeout: () => {
        const error = begun
          ? new AppError('UNKNOWN_OUTCOME', `${what} took longer than ${String(timeoutMs)} ms; it may still happen, repeat the call`, {
              retryDelayMs: '1000',
            })
          : new AppError('DRIVER_UNAVAILABLE', `${what} was not begun: the driver still works on an earlier call for this volume`, {
              retryDelayMs: '1000',
            });
        controller.abort(error);
        return error;
      },
    });
  }
}

/** The volume as a driver sees it. */
export function toDriverVolume(volume: {
  readonly name: VolumeName;
  readonly uid: VolumeUid;
  readonly spec: VolumeSpec;
  readonly epoch: number;
}): DriverVolume {
  const { name, uid, spec, epoch } = volume;
  return { name, uid, options: spec.options, epoch, ...(spec.sizeBytes === undefined ? {} : { sizeBytes: spec.sizeBytes }) };
}

/** How long each kind of call may take before its outcome is called unknown. Mounts of slow servers take tens of seconds. */
export const DRIVER_MS = { mount: 50_000, unmount: 50_000, inspect: 10_000, create: 600_000, abort: 10_000, fence: 9_000 } as const;
