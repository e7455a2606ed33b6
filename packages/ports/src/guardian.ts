import type { VolumeUid } from '@volplane/domain';

/**
 * A process beside the agent that outlives it and aborts lease-bound mounts when their deadline passes
 * (evidence C; rules 6, 7, 19 and 20 of docs/ownership.md).
 *
 * Deadlines are milliseconds of the machine's boot clock (CLOCK_BOOTTIME where it can be had, else CLOCK_MONOTONIC),
 * which agent and guardian of one machine share and no time setting moves.
 */
export interface Guardian {
  /** True while the guardian answers. False: claim and mount nothing under policy `lease`. */
  readonly alive: boolean;

  /** Called at every change of `alive`. */
  onChange(listener: (alive: boolean) => void): void;

  /** The guardian's clock now, in its own milliseconds. */
  now(): number;

  /**
   * Durably knows volume, target and deadline when it resolves; called **before** the mount call. Again: replaces.
   *
   * @throws AppError GUARDIAN_DOWN
   */
  arm(mount: ArmedMount): Promise<void>;

  /** Moves the deadline of every armed mount to `deadlineMs` if that is later. Fire and forget: a lost one is a shorter life. */
  extend(deadlineMs: number): void;

  /**
   * Runs `mount` while no abort can happen, if the deadline less `mountMsMax` has not passed; a mount that appears after
   * the deadline is aborted at once.
   *
   * @throws AppError SESSION_LOST when too late (before or after), GUARDIAN_DOWN
   */
  gate<T>(uid: VolumeUid, mountMsMax: number, mount: () => Promise<T>): Promise<T>;

  /** The mount is over (kernel unmount done); forget it. Again: fine. */
  disarm(uid: VolumeUid): Promise<void>;

  /** What is armed, with what was aborted and when. */
  list(): Promise<readonly ArmedMount[]>;
}

export interface ArmedMount {
  readonly uid: VolumeUid;
  /** The absolute path that will be, or is, mounted. */
  readonly target: string;
  /** How to abort it: the file system shutdown call, or the FUSE connection. */
  readonly method: 'shutdown' | 'fuse';
  readonly deadlineMs: number;
  /** Set by the guardian when it has aborted the mount. */
  readonly abortedAtMs?: number;
}
