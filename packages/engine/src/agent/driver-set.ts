import { AppError, withTimeout, type Clock, type Telemetry } from '@volplane/base';
import type { DriverInfo, DriverName, VolumeName, VolumeSpec, VolumeUid } from '@volplane/domain';
import type { DriverPrograms, DriverVolume, VolumeDriver } from '@volplane/ports';

/** The drivers of this node, and the bound on each of their calls. */
export class DriverSet {
  readonly #drivers: ReadonlyMap<DriverName, VolumeDriver>;
  readonly #clock: Clock;
  readonly #telemetry: Telemetry;
  readonly #programs: DriverPrograms | undefined;
  /** Of each volume with a call that runs: who waits behind it, in order. */
  readonly #waiting = new Map<VolumeUid, Turn[]>();

  constructor(
    drivers: readonly VolumeDriver[],
    parts: { readonly clock: Clock; readonly telemetry: Telemetry; readonly programs?: DriverPrograms | undefined },
  ) {
    this.#drivers = new Map(drivers.map((driver) => [driver.info.name, driver]));
    this.#clock = parts.clock;
    this.#telemetry = parts.telemetry;
    this.#programs = parts.programs;
  }

  get infos(): readonly DriverInfo[] {
    return [...this.#drivers.values()].map((driver) => driver.info);
  }

  /** How many calls wait behind one that runs; those that have given up are no more among them, however long that one takes. */
  get waiting(): number {
    return [...this.#waiting.values()].reduce((count, turns) => count + turns.length, 0);
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
   * alone: no other call for the volume begins beside it, nor beside a program that an earlier call has left (rule 18).
   *
   * @throws what the driver throws; DRIVER_UNAVAILABLE when the call before did not end in time, or something is left of an earlier one
   * (nothing was begun); UNKNOWN_OUTCOME at the bound
   */
  run<T>(what: string, uid: VolumeUid, timeoutMs: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return this.#run({ what, uid, timeoutMs, besideOthers: false }, work);
  }

  /** The same for a call that cuts off the volume: it comes beside whatever program is left, and does not make it safe to go on. */
  cutOff(what: string, uid: VolumeUid, work: () => Promise<void>): Promise<void> {
    return this.#run({ what, uid, timeoutMs: DRIVER_MS.abort, besideOthers: true }, work);
  }

  #run<T>(call: DriverCall, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { what, uid, timeoutMs } = call;
    const turn: Turn = { controller: new AbortController(), begun: false, go: () => undefined };
    return withTimeout(this.#clock, this.#inTurn(call, turn, work), {
      timeoutMs,
      onTimeout: () => {
        if (!turn.begun) {
          this.#giveUp(uid, turn);
          const text = `${what} was not begun: the driver still works on an earlier call for this volume`;
          return new AppError('DRIVER_UNAVAILABLE', text, { retryDelayMs: '1000' });
        }
        const text = `${what} took longer than ${String(timeoutMs)} ms; it may still happen, repeat the call`;
        const error = new AppError('UNKNOWN_OUTCOME', text, { retryDelayMs: '1000' });
        turn.controller.abort(error);
        return error;
      },
    });
  }

  async #inTurn<T>({ what, uid, besideOthers }: DriverCall, turn: Turn, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const before = this.#waiting.get(uid);
    if (before === undefined) this.#waiting.set(uid, []);
    else {
      await new Promise<void>((resolve) => {
        turn.go = resolve;
        before.push(turn);
      });
    }
    turn.begun = true;
    let tellEnd: (() => void) | undefined;
    try {
      if (!besideOthers) this.#refuseBesideLeft(what, uid);
      tellEnd = this.#tellBegin(uid);
      return await work(turn.controller.signal);
    } finally {
      tellEnd?.();
      const next = this.#waiting.get(uid)?.shift();
      // However this one has ended. The volume stays taken for the next, so nobody who comes now overtakes it.
      if (next === undefined) this.#waiting.delete(uid);
      else next.go();
    }
  }

  #tellBegin(uid: VolumeUid): () => void {
    const end = this.#programs?.begin(uid);
    const beganMs = this.#clock.monotonicMs();
    return () => {
      end?.();
      this.#telemetry.phase('driver', this.#clock.monotonicMs() - beganMs);
    };
  }

  /** A driver that hangs keeps nothing of those who do not wait for it any more. */
  #giveUp(uid: VolumeUid, turn: Turn): void {
    const turns = this.#waiting.get(uid) ?? [];
    const index = turns.indexOf(turn);
    if (index >= 0) turns.splice(index, 1);
  }

  #refuseBesideLeft(what: string, uid: VolumeUid): void {
    const left = this.#programs?.leftFor(uid);
    if (left !== undefined) throw new AppError('DRIVER_UNAVAILABLE', `${what} was not begun: ${left}`, { retryDelayMs: '5000' });
  }
}

interface DriverCall {
  readonly what: string;
  readonly uid: VolumeUid;
  readonly timeoutMs: number;
  readonly besideOthers: boolean;
}

interface Turn {
  readonly controller: AbortController;
  begun: boolean;
  /** Ends the waiting. */
  go: () => void;
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

/** Failures after which nothing is left behind, by the contract of drivers. */
export const KNOWN_FAILURES = [
  'DRIVER_FAILED',
  'INVALID_OPTION',
  'FOREIGN_DATA',
  'NO_CAPACITY',
  'CAPABILITY_MISSING',
  'NODE_LACKS_DRIVER',
  'VOLUME_CONFLICT',
  'INVALID_ARGUMENT',
] as const;
