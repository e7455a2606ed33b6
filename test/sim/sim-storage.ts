import type { Clock } from '@volplane/base';
import type { DriverVolume, MountRequest } from '@volplane/ports';
import { FakeDriver, FakeKernel, FakeStorage, type FakeDriverOptions, type FakeMount } from '@volplane/testkit';
import type { Checks } from './checks.js';

/** The storage of the cluster, watched by the checks. */
export class SimStorage extends FakeStorage {
  readonly #checks: Checks;

  constructor(clock: Clock, checks: Checks) {
    super(clock, {
      onWrite: (write) => {
        checks.onWrite(write);
      },
    });
    this.#checks = checks;
  }

  override delete(name: string): void {
    const volume = this.at(name);
    if (volume !== undefined) this.#checks.onDataRemoved(volume.uid);
    super.delete(name);
  }
}

/** One node's kernel, watched by the checks. */
export class SimKernel extends FakeKernel {
  readonly #checks: Checks;
  /** For faults that wait for a mount. */
  afterMount: (() => void) | undefined;

  constructor(node: string, checks: Checks) {
    super(node);
    this.#checks = checks;
  }

  override mount(mount: FakeMount): void {
    super.mount(mount);
    this.#checks.onMounted(mount);
    this.afterMount?.();
  }

  override unmount(path: string): boolean {
    const mount = this.mounts.find((each) => each.path === path);
    const isGone = super.unmount(path);
    if (isGone && mount !== undefined) this.#checks.onUnmounted(this.node, mount);
    return isGone;
  }

  override abort(path: string): void {
    const mount = this.mounts.find((each) => each.path === path);
    if (mount !== undefined) this.#checks.onAborted(this.node, mount);
    super.abort(path);
  }

  /** The mount breaks by itself: a fault, nobody's decision. */
  fail(path: string): void {
    super.abort(path);
  }
}

/** A driver of one agent's life, watched by the checks. */
export class SimDriver extends FakeDriver {
  readonly #checks: Checks;
  readonly #node: string;

  constructor(checks: Checks, options: FakeDriverOptions) {
    super(options);
    this.#checks = checks;
    this.#node = options.kernel.node;
  }

  override async create(volume: DriverVolume): Promise<void> {
    this.#checks.onDriverCall(this.#node, 'create', volume.uid, volume.epoch);
    await super.create(volume);
    this.#checks.onCreated(this.#node, volume.uid);
  }

  override async remove(volume: DriverVolume): Promise<void> {
    this.#checks.onDriverCall(this.#node, 'remove', volume.uid, volume.epoch);
    await super.remove(volume);
  }

  override async mount(volume: DriverVolume, request: MountRequest): Promise<string> {
    this.#checks.onDriverCall(this.#node, 'mount', volume.uid, volume.epoch);
    return await super.mount(volume, request);
  }
}
