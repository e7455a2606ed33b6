import type { VolumeUid } from '@volplane/domain';
import type { ArmedMount } from '@volplane/ports';

/** An armed mount as the guardian keeps it. */
export interface ArmedState extends ArmedMount {
  /** While set, the mount call may be running and no abort is made. */
  readonly gateUntilMs?: number;
}

/** What is armed, and what is due. Pure but for its own map: time comes in as an argument. */
export class ArmedMounts {
  readonly #byUid = new Map<VolumeUid, ArmedState>();

  constructor(mounts: readonly ArmedMount[] = []) {
    for (const mount of mounts) this.#byUid.set(mount.uid, mount);
  }

  /** By uid; what is written to disk. */
  list(): readonly ArmedMount[] {
    return [...this.#byUid.values()].map(({ gateUntilMs: _, ...mount }) => mount);
  }

  get size(): number {
    return this.#byUid.size;
  }

  arm(mount: ArmedMount): void {
    const { uid, target, method, deadlineMs } = mount;
    this.#byUid.set(uid, { uid, target, method, deadlineMs });
  }

  disarm(uid: VolumeUid): void {
    this.#byUid.delete(uid);
  }

  /** Only forward, and only what has not been aborted or passed: a session that ended stays ended for its mounts. */
  extend(deadlineMs: number, nowMs: number): boolean {
    let moved = false;
    for (const [uid, mount] of this.#byUid) {
      if (mount.abortedAtMs !== undefined || mount.deadlineMs <= nowMs || mount.deadlineMs >= deadlineMs) continue;
      this.#byUid.set(uid, { ...mount, deadlineMs });
      moved = true;
    }
    return moved;
  }

  /** @returns false when the mount could not be through before the deadline, or is not armed */
  openGate(uid: VolumeUid, mountMsMax: number, nowMs: number): boolean {
    const mount = this.#byUid.get(uid);
    if (mount === undefined || mount.abortedAtMs !== undefined || nowMs + mountMsMax >= mount.deadlineMs) return false;
    this.#byUid.set(uid, { ...mount, gateUntilMs: nowMs + mountMsMax });
    return true;
  }

  /** @returns false when the deadline passed meanwhile: the mount is due for its abort */
  closeGate(uid: VolumeUid, nowMs: number): boolean {
    const mount = this.#byUid.get(uid);
    if (mount === undefined) return false;
    const { gateUntilMs: _, ...closed } = mount;
    this.#byUid.set(uid, closed);
    return nowMs < mount.deadlineMs;
  }

  markAborted(uid: VolumeUid, abortedAtMs: number): void {
    const mount = this.#byUid.get(uid);
    if (mount !== undefined) this.#byUid.set(uid, { ...mount, abortedAtMs });
  }

  /** Past their deadline and not behind an open gate; aborted ones too, because something may be mounted there again. */
  due(nowMs: number): readonly ArmedState[] {
    return [...this.#byUid.values()].filter((mount) => mount.deadlineMs <= nowMs && (mount.gateUntilMs ?? 0) <= nowMs);
  }

  /** When to look next; undefined = never, nothing is armed. */
  nextLookMs(nowMs: number): number | undefined {
    let next: number | undefined;
    for (const mount of this.#byUid.values()) {
      const atMs = Math.max(mount.deadlineMs, mount.gateUntilMs ?? 0, mount.deadlineMs <= nowMs ? nowMs + PAST_LOOK_MS : 0);
      if (next === undefined || atMs < next) next = atMs;
    }
    return next;
  }
}

/** What is past its deadline is looked at this often until it is disarmed: a late mount call may still bring it up. */
const PAST_LOOK_MS = 200;
