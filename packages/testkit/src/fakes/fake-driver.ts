import { AppError, sleep, type Clock } from '@volplane/base';
import { isVolumeName, type DriverCapabilities, type DriverInfo, type StringMap, type VolumeUid } from '@volplane/domain';
import type { DriverInspection, DriverVolume, FoundVolume, MountRequest, VolumeDriver } from '@volplane/ports';
import type { FakeKernel, FakeMount } from './fake-kernel.js';
import type { FakeStorage, FakeVolume } from './fake-storage.js';

export type FakeMethod =
  | 'validate'
  | 'create'
  | 'remove'
  | 'mount'
  | 'unmount'
  | 'inspect'
  | 'abort'
  | 'fence'
  | 'list'
  | 'expand'
  | 'capacity'
  | 'snapshot'
  | 'removeSnapshot';

export interface FakeCall {
  readonly method: FakeMethod;
  /** Absent for validate and list. */
  readonly uid?: VolumeUid;
}

/** What goes wrong with one call. `effect` says whether the work was done all the same. */
export type FakeFault =
  | {
      readonly kind: 'slow';
      readonly delayMs: number;
      /** The effect comes although the driver was ended meanwhile. */ readonly survivesEnd?: boolean;
    }
  | { readonly kind: 'fail'; readonly error: AppError; readonly effect: 'none' | 'done' }
  /** Never answers, and does not listen to its signal. */
  | { readonly kind: 'hang'; readonly effect: 'none' | 'done' };

export interface FakeDriverOptions {
  readonly storage: FakeStorage;
  readonly kernel: FakeKernel;
  readonly clock: Clock;
  /** Default `fake`. */
  readonly name?: string;
  /** Over {@link FAKE_CAPABILITIES}; methods appear and vanish with them. */
  readonly capabilities?: Partial<DriverCapabilities>;
  /** Asked at each call. */
  readonly fault?: (call: FakeCall) => FakeFault | undefined;
  /** Awaited before each effect, named `<method>`; a promise that never settles is a crash at that point. */
  readonly onStep?: (step: string) => Promise<void>;
}

/**
 * A driver over memory: the simulation's storage, and the storage of tests of everything above the drivers.
 *
 * An instance is one life of an agent; storage and kernel outlive it. Options: any, except that a key `bad` is refused.
 */
export class FakeDriver implements VolumeDriver {
  readonly info: DriverInfo;
  /** Every call in order, for tests that count effects. */
  readonly calls: FakeCall[] = [];
  readonly #options: FakeDriverOptions;
  #ended = false;

  abort?: (volume: DriverVolume) => Promise<void>;
  abortTarget?: NonNullable<VolumeDriver['abortTarget']>;
  capacity?: NonNullable<VolumeDriver['capacity']>;
  fence?: (volume: DriverVolume, signal: AbortSignal) => Promise<string>;
  expand?: (volume: DriverVolume, sizeBytes: number, signal: AbortSignal) => Promise<number>;
  snapshot?: (volume: DriverVolume, snapshot: string, signal: AbortSignal) => Promise<number>;
  removeSnapshot?: (volume: DriverVolume, snapshot: string, signal: AbortSignal) => Promise<void>;

  constructor(options: FakeDriverOptions) {
    this.#options = options;
    const capabilities = { ...FAKE_CAPABILITIES, ...options.capabilities };
    this.info = {
      name: (options.name ?? 'fake') as DriverInfo['name'],
      capabilities,
      options: { any: 'Taken as it is; `bad` is refused.' },
    };
    if (capabilities.abort) {
      this.abort = (volume) => this.#abort(volume);
      this.abortTarget = async (volume) => ({ path: this.#path(volume), method: 'shutdown' });
    }
    if (capabilities.size) this.capacity = () => this.#call('capacity', undefined, () => ({ availableBytes: FAKE_CAPACITY_BYTES }));
    if (capabilities.fence) this.fence = (volume) => this.#fence(volume);
    if (capabilities.expand) this.expand = (volume, sizeBytes) => this.#expand(volume, sizeBytes);
    if (capabilities.snapshot) {
      this.snapshot = (volume, snapshot) => this.#snapshot(volume, snapshot);
      this.removeSnapshot = (volume, snapshot) => this.#removeSnapshot(volume, snapshot);
    }
  }

  /** The agent died: calls in flight have no further effect and never answer. */
  end(): void {
    this.#ended = true;
  }

  validate(options: StringMap): Promise<void> {
    return this.#call('validate', undefined, () => {
      if (Object.hasOwn(options, 'bad'))
        throw new AppError('INVALID_OPTION', 'the fake driver does not take the option bad', { option: 'bad' });
    });
  }

  create(volume: DriverVolume): Promise<void> {
    return this.#call('create', volume, () => {
      const { storage } = this.#options;
      const source = volume.source === undefined ? undefined : this.#sourceOf(volume);
      if (!isVolumeName(volume.name)) throw new AppError('INVALID_NAME', `${JSON.stringify(volume.name)} is no volume name`);
      const present = storage.at(volume.name);
      if (present?.uid === volume.uid) return;
      if (present !== undefined || storage.isForeign(volume.name)) throw foreign(volume);
      storage.put({
        name: volume.name,
        uid: volume.uid,
        options: volume.options,
        createdAt: storage.createdAt(),
        sizeBytes: volume.sizeBytes,
        files: new Map(source),
        snapshots: new Map(),
        fencedBelow: 0,
      });
    });
  }

  remove(volume: DriverVolume): Promise<void> {
    return this.#call('remove', volume, () => {
      if (this.#options.kernel.findMount(volume.uid) !== undefined) throw new AppError('DRIVER_FAILED', `volume ${volume.name} is mounted`);
      if (this.#own(volume) !== undefined) this.#options.storage.delete(volume.name);
    });
  }

  mount(volume: DriverVolume, request: MountRequest): Promise<string> {
    return this.#call('mount', volume, () => {
      const { kernel, storage } = this.#options;
      const mounted = kernel.findMount(volume.uid);
      if (mounted !== undefined) return upgrade(mounted, volume, request);
      if (this.#own(volume) === undefined) {
        throw storage.at(volume.name) === undefined && !storage.isForeign(volume.name)
          ? new AppError('MOUNT_FAILED', `volume ${volume.name} does not exist`)
          : foreign(volume);
      }
      const path = this.#path(volume);
      kernel.mount({ uid: volume.uid, path, storage, mode: request.mode, epoch: volume.epoch, usable: true });
      return path;
    });
  }

  unmount(volume: DriverVolume): Promise<void> {
    return this.#call('unmount', volume, () => {
      const mount = this.#options.kernel.findMount(volume.uid);
      if (mount !== undefined && !this.#options.kernel.unmount(mount.path)) {
        throw new AppError('DRIVER_FAILED', `volume ${volume.name} is still mounted: target is busy`);
      }
    });
  }

  inspect(volume: DriverVolume): Promise<DriverInspection> {
    return this.#call('inspect', volume, () => {
      const { kernel, storage } = this.#options;
      const own = this.#own(volume);
      const mount = kernel.findMount(volume.uid);
      const absent = storage.at(volume.name) === undefined && !storage.isForeign(volume.name);
      return {
        existence: own !== undefined ? 'present' : absent ? 'absent' : 'foreign',
        ...(mount === undefined ? {} : { mounted: { path: mount.path, usable: mount.usable } }),
        ...(own === undefined ? {} : { createdAt: own.createdAt }),
        status: {},
      };
    });
  }

  list(limit: number): Promise<readonly FoundVolume[]> {
    return this.#call('list', undefined, () =>
      this.#options.storage.volumes.slice(0, limit).map(({ name, uid, options, createdAt }) => ({ name, uid, options, createdAt })),
    );
  }

  #abort(volume: DriverVolume): Promise<void> {
    return this.#call('abort', volume, () => {
      const mount = this.#options.kernel.findMount(volume.uid);
      if (mount !== undefined) this.#options.kernel.abort(mount.path);
    });
  }

  #fence(volume: DriverVolume): Promise<string> {
    return this.#call('fence', volume, () => {
      const own = this.#need(volume);
      own.fencedBelow = Math.max(own.fencedBelow, volume.epoch);
      return `fake storage refuses epochs below ${String(own.fencedBelow)}`;
    });
  }

  #expand(volume: DriverVolume, sizeBytes: number): Promise<number> {
    return this.#call('expand', volume, () => {
      const own = this.#need(volume);
      own.sizeBytes = Math.max(own.sizeBytes ?? 0, sizeBytes);
      return own.sizeBytes;
    });
  }

  #snapshot(volume: DriverVolume, snapshot: string): Promise<number> {
    return this.#call('snapshot', volume, () => {
      const own = this.#need(volume);
      const content = own.snapshots.get(snapshot) ?? new Map(own.files);
      own.snapshots.set(snapshot, content);
      return [...content.values()].reduce((sum, text) => sum + text.length, 0);
    });
  }

  #removeSnapshot(volume: DriverVolume, snapshot: string): Promise<void> {
    return this.#call('removeSnapshot', volume, () => {
      this.#own(volume)?.snapshots.delete(snapshot);
    });
  }

  /** Every call goes through here: counted, delayed, failed or hung, and without effect once the agent is dead. */
  async #call<T>(method: FakeMethod, volume: DriverVolume | undefined, effect: () => T): Promise<T> {
    const call = volume === undefined ? { method } : { method, uid: volume.uid };
    this.calls.push(call);
    const fault = this.#options.fault?.(call);
    await this.#options.onStep?.(method);
    if (fault?.kind === 'slow') await sleep(this.#options.clock, fault.delayMs);
    const orphan = this.#ended && !(fault?.kind === 'slow' && fault.survivesEnd === true);
    if (orphan) return await forever();
    if (fault === undefined || fault.kind === 'slow') return effect();
    if (fault.effect === 'done') effect();
    if (fault.kind === 'hang') return await forever();
    throw fault.error;
  }

  #path(volume: DriverVolume): string {
    return `/fake/${this.#options.kernel.node}/${volume.uid}`;
  }

  #own(volume: DriverVolume): FakeVolume | undefined {
    const present = this.#options.storage.at(volume.name);
    return present?.uid === volume.uid ? present : undefined;
  }

  #need(volume: DriverVolume): FakeVolume {
    const own = this.#own(volume);
    if (own === undefined) throw new AppError('DRIVER_FAILED', `volume ${volume.name} does not exist`);
    return own;
  }

  #sourceOf(volume: DriverVolume): Map<string, string> {
    const { source } = volume;
    const present = source === undefined ? undefined : this.#options.storage.find(source.uid);
    const files = source?.snapshot === undefined ? present?.files : present?.snapshots.get(source.snapshot);
    if (files === undefined) throw new AppError('DRIVER_FAILED', `the source of volume ${volume.name} does not exist`);
    return files;
  }
}

const FAKE_CAPACITY_BYTES = 2 ** 40;

/** All that can be had; narrow it with `capabilities`. */
export const FAKE_CAPABILITIES: DriverCapabilities = {
  scope: 'global',
  accessModes: [
    'single-node-writer',
    'single-node-reader-only',
    'multi-node-reader-only',
    'multi-node-single-writer',
    'multi-node-multi-writer',
  ],
  takeover: ['manual', 'lease', 'storage'],
  abort: true,
  fence: true,
  size: true,
  expand: true,
  snapshot: true,
  clone: true,
  block: false,
};

/** A mount that is there gets the newer epoch and, if asked, becomes writable. */
function upgrade(mount: FakeMount, volume: DriverVolume, request: MountRequest): string {
  mount.epoch = Math.max(mount.epoch, volume.epoch);
  if (request.mode === 'rw') mount.mode = 'rw';
  return mount.path;
}

function foreign(volume: DriverVolume): AppError {
  return new AppError('FOREIGN_DATA', `the place of volume ${volume.name} holds something else`, { volume: volume.name });
}

function forever<T>(): Promise<T> {
  return new Promise(() => undefined);
}
