import { AppError, sleep } from '@volplane/base';
import type { VolumeUid } from '@volplane/domain';
import { ArmedMounts } from '@volplane/host';
import type { ArmedMount, Guardian } from '@volplane/ports';
import type { FakeKernel } from '@volplane/testkit';
import { ProcessClock, type SimTime } from './sim-clock.js';

/** What the guardian's file holds; outlives the guardian, not the machine. */
export interface GuardianFile {
  mounts: readonly ArmedMount[];
}

/** One guardian process of a simulated node: the real book of armed mounts, on the machine's clock, aborting in its kernel. */
export class SimGuardian {
  readonly clock: ProcessClock;
  readonly #armed: ArmedMounts;
  readonly #kernel: FakeKernel;
  readonly #file: GuardianFile;
  #cancelLook: () => void = () => undefined;

  constructor(time: SimTime, rate: number, kernel: FakeKernel, file: GuardianFile) {
    this.clock = new ProcessClock(time, rate);
    this.#kernel = kernel;
    this.#file = file;
    this.#armed = new ArmedMounts(file.mounts);
    this.#look();
  }

  /** Runs one call of the agent at once; undefined when this guardian is dead. */
  call<T>(work: (armed: ArmedMounts, nowMs: number) => T): T | undefined {
    if (this.clock.killed) return undefined;
    const result = work(this.#armed, this.clock.monotonicMs());
    this.#file.mounts = this.#armed.list();
    this.#look();
    return result;
  }

  #look(): void {
    this.#cancelLook();
    const nowMs = this.clock.monotonicMs();
    for (const mount of this.#armed.due(nowMs)) {
      if (!this.#kernel.mounts.some((each) => each.path === mount.target)) continue;
      this.#kernel.abort(mount.target);
      this.#armed.markAborted(mount.uid, nowMs);
      this.#file.mounts = this.#armed.list();
    }
    const nextMs = this.#armed.nextLookMs(nowMs);
    if (nextMs !== undefined)
      this.#cancelLook = this.clock.after(Math.max(1, nextMs - nowMs), () => {
        this.#look();
      });
  }
}

/** The agent's end of it: whichever guardian of the node lives at the moment. */
export class SimGuardianLink implements Guardian {
  readonly #current: () => SimGuardian | undefined;
  readonly #clock: ProcessClock;
  readonly #delayMs: () => number;
  readonly #listeners = new Set<(alive: boolean) => void>();

  /** @param delayMs - of each call: the guardian writes to its disk before it answers */
  constructor(current: () => SimGuardian | undefined, clock: ProcessClock, delayMs: () => number) {
    this.#current = current;
    this.#clock = clock;
    this.#delayMs = delayMs;
  }

  get alive(): boolean {
    return this.#current() !== undefined;
  }

  onChange(listener: (alive: boolean) => void): void {
    this.#listeners.add(listener);
  }

  /** The guardian died, or another one came. */
  changed(): void {
    this.#clock.deliver(() => {
      for (const listener of this.#listeners) listener(this.alive);
    });
  }

  now(): number {
    return this.#clock.monotonicMs();
  }

  arm(mount: ArmedMount): Promise<void> {
    return this.#ask((armed) => {
      armed.arm(mount);
    });
  }

  extend(deadlineMs: number): void {
    this.#current()?.call((armed, nowMs) => armed.extend(deadlineMs, nowMs));
  }

  async gate<T>(uid: VolumeUid, mountMsMax: number, mount: () => Promise<T>): Promise<T> {
    if (!(await this.#ask((armed, nowMs) => armed.openGate(uid, mountMsMax, nowMs)))) throw tooLate();
    let result: T;
    try {
      result = await mount();
    } finally {
      const inTime = await this.#ask((armed, nowMs) => armed.closeGate(uid, nowMs));
      // eslint-disable-next-line no-unsafe-finally -- a mount past its deadline is never answered, however the call itself ended
      if (!inTime) throw tooLate();
    }
    return result;
  }

  disarm(uid: VolumeUid): Promise<void> {
    return this.#ask((armed) => {
      armed.disarm(uid);
    });
  }

  async list(): Promise<readonly ArmedMount[]> {
    return await this.#ask((armed) => armed.list());
  }

  async #ask<T>(work: (armed: ArmedMounts, nowMs: number) => T): Promise<T> {
    await sleep(this.#clock, this.#delayMs());
    const guardian = this.#current();
    if (guardian === undefined) throw new AppError('GUARDIAN_DOWN', 'the guardian of this node does not answer', {});
    return guardian.call(work) as T; // a current guardian lives
  }
}

function tooLate(): AppError {
  return new AppError('SESSION_LOST', 'the session of this node ends too soon, or ended, for a lease-bound mount; repeat it', {});
}
