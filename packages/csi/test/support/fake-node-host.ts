import type { MountEntry } from '@volplane/host';
import type { FileSystemUsage, NodeHost } from '../../src/node/node-host.js';

/** Files and mounts in memory; binds show the file system on which their source lies. */
export class FakeNodeHost implements NodeHost {
  readonly folders = new Set<string>();
  readonly files = new Set<string>();
  readonly mounts: MountEntry[] = [mountEntry({ id: 1, target: '/', device: { major: 8, minor: 1 } })];
  readonly groups = new Map<string, number>();
  /** Thrown by the next bind. */
  bindFault: Error | undefined;
  /** Thrown by the next look for where a path leads. */
  resolveFault: Error | undefined;
  #ids = 1;

  async table(): Promise<readonly MountEntry[]> {
    return [...this.mounts];
  }

  async bind(source: string, target: string, how: { readonly flags: readonly string[]; readonly mode: 'rw' | 'ro' }): Promise<void> {
    if (this.bindFault !== undefined) {
      const fault = this.bindFault;
      this.bindFault = undefined;
      throw fault;
    }
    this.#ids += 1;
    const options = [how.mode, ...how.flags];
    this.mounts.push(mountEntry({ id: this.#ids, target, root: source, options, device: { major: 8, minor: 1 } }));
  }

  async unmount(target: string): Promise<void> {
    for (let index = this.mounts.length - 1; index >= 0; index -= 1)
      if (this.mounts[index]?.target === target) this.mounts.splice(index, 1);
  }

  async ensureFolder(path: string): Promise<void> {
    this.folders.add(path);
  }

  async ensureFile(path: string): Promise<void> {
    this.files.add(path);
  }

  async removeTarget(path: string): Promise<void> {
    this.folders.delete(path);
    this.files.delete(path);
  }

  async resolve(path: string): Promise<string> {
    const fault = this.resolveFault;
    this.resolveFault = undefined;
    if (fault !== undefined) throw fault;
    return path;
  }

  async usage(): Promise<FileSystemUsage> {
    return { bytes: { total: 100n, used: 40n, available: 60n }, inodes: { total: 10n, used: 4n, available: 6n } };
  }

  async giveToGroup(path: string, gid: number): Promise<void> {
    this.groups.set(path, gid);
  }

  /** The mount at the target. */
  at(target: string): MountEntry | undefined {
    return this.mounts.findLast((entry) => entry.target === target);
  }
}

export function mountEntry(parts: Partial<MountEntry>): MountEntry {
  return {
    id: 1,
    parentId: 0,
    device: { major: 0, minor: 1 },
    root: '/',
    target: '/',
    options: ['rw'],
    fsType: 'ext4',
    source: '/dev/sda1',
    superOptions: ['rw'],
    ...parts,
  };
}
