import type { MountMode, VolumeUid } from '@volplane/domain';
import type { FakeStorage } from './fake-storage.js';

/** A mount of a fake node. It outlives the agent; only unmount, abort and a reboot end it. */
export interface FakeMount {
  readonly uid: VolumeUid;
  readonly path: string;
  readonly storage: FakeStorage;
  mode: MountMode;
  /** The epoch that its writes carry. */
  epoch: number;
  /** False after an abort: every descriptor answers with an I/O error. */
  usable: boolean;
}

/** A descriptor of a process on the node: it goes on writing whatever happens to the agent. */
export interface FakeWriter {
  /** `refused`: aborted, rebooted, read-only, or fenced at the storage. */
  write(text: string): 'written' | 'refused';
  close(): void;
}

/** The mounts and open files of one simulated node. */
export class FakeKernel {
  readonly node: string;
  readonly #mounts = new Map<string, FakeMount>();
  readonly #open = new Map<FakeMount, number>();

  constructor(node: string) {
    this.node = node;
  }

  get mounts(): readonly FakeMount[] {
    return [...this.#mounts.values()];
  }

  findMount(uid: VolumeUid): FakeMount | undefined {
    return this.mounts.find((mount) => mount.uid === uid);
  }

  /** True when a process of this node can write the volume now: through a usable mount, in the tree or only still open. */
  canWrite(uid: VolumeUid): boolean {
    const known = [...this.#mounts.values(), ...this.#open.keys()];
    return known.some((mount) => mount.uid === uid && mount.usable && mount.mode === 'rw');
  }

  mount(mount: FakeMount): void {
    this.#mounts.set(mount.path, mount);
  }

  /** @returns false when a descriptor is open */
  unmount(path: string): boolean {
    const mount = this.#mounts.get(path);
    if (mount === undefined) return true;
    if (this.#open.has(mount)) return false;
    this.#mounts.delete(path);
    return true;
  }

  /** Cuts off every descriptor and takes the mount out of the tree. */
  abort(path: string): void {
    const mount = this.#mounts.get(path);
    if (mount === undefined) return;
    mount.usable = false;
    this.#mounts.delete(path);
  }

  /** Power cycle: no mount and no descriptor is left. */
  reboot(): void {
    for (const mount of [...this.#mounts.values(), ...this.#open.keys()]) mount.usable = false;
    this.#mounts.clear();
    this.#open.clear();
  }

  /** Opens `file` below the mounted path. @throws Error when nothing is mounted there */
  openWriter(path: string, file: string): FakeWriter {
    const mount = this.#mounts.get(path);
    if (mount === undefined) throw new Error(`nothing is mounted at ${path}`);
    this.#open.set(mount, (this.#open.get(mount) ?? 0) + 1);
    let open = true;
    return {
      write: (text) => {
        if (!open || !mount.usable || mount.mode === 'ro') return 'refused';
        return mount.storage.write({ node: this.node, uid: mount.uid, epoch: mount.epoch }, file, text) ? 'written' : 'refused';
      },
      close: () => {
        if (!open) return;
        open = false;
        const others = (this.#open.get(mount) ?? 1) - 1;
        if (others > 0) this.#open.set(mount, others);
        else this.#open.delete(mount);
      },
    };
  }

  /** @returns the content, undefined when there is no such file. @throws Error when nothing usable is mounted there */
  read(path: string, file: string): string | undefined {
    const mount = this.#mounts.get(path);
    if (mount?.usable !== true) throw new Error(`nothing usable is mounted at ${path}`);
    return mount.storage.find(mount.uid)?.files.get(file);
  }
}
