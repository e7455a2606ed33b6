import type { HostMounts, MountCall, MountEntry } from '@volplane/host';

/** A mount table in memory. The folders below the mounts are real, and nothing hides them. */
export class FakeMounts implements HostMounts {
  readonly entries: MountEntry[] = [];
  /** Ids of mounts that were aborted. */
  readonly aborted = new Set<number>();
  /** Thrown by every mount, remount or look whether a file system answers. */
  mountFault: Error | undefined;
  remountFault: Error | undefined;
  probeFault: Error | undefined;
  #ids = 0;

  at(target: string): MountEntry | undefined {
    return this.entries.findLast((entry) => entry.target === target);
  }

  async table(): Promise<readonly MountEntry[]> {
    return [...this.entries];
  }

  async mount({ type, source, target, mode }: MountCall): Promise<void> {
    if (this.mountFault !== undefined) throw this.mountFault;
    this.#ids += 1;
    const place = { id: this.#ids, parentId: 0, device: { major: 0, minor: this.#ids }, root: '/', target };
    this.entries.push({ ...place, options: [mode], fsType: type, source, superOptions: [] });
  }

  async remount(target: string, { mode }: { readonly mode: 'rw' | 'ro' }): Promise<void> {
    if (this.remountFault !== undefined) throw this.remountFault;
    const index = this.entries.findLastIndex((entry) => entry.target === target);
    const [entry] = this.entries.splice(index, 1);
    if (entry !== undefined) this.entries.push({ ...entry, options: [mode] });
  }

  async unmount(target: string): Promise<void> {
    await this.detach(target);
  }

  async detach(target: string): Promise<void> {
    const index = this.entries.findLastIndex((entry) => entry.target === target);
    if (index !== -1) this.entries.splice(index, 1);
  }

  async abort(target: string): Promise<void> {
    await this.detach(target);
  }

  async isUsable({ id }: MountEntry): Promise<boolean> {
    return !this.aborted.has(id);
  }

  async probe(): Promise<void> {
    if (this.probeFault !== undefined) throw this.probeFault;
  }
}
