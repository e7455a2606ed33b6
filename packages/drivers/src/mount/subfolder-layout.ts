import { join } from 'node:path';
import type { MountMode } from '@volplane/domain';
import { findMount } from '@volplane/host';
import type { DriverVolume, FoundVolume } from '@volplane/ports';
import { DATA_FOLDER } from '../data-folder.js';
import type { DriverContext } from '../driver-context.js';
import { makeMountFolder } from '../mount-folder.js';
import { resolveHost } from '../resolve-host.js';
import { VolumeFolders, type Place } from '../volume-folders.js';
import type { MountDriverConfig } from './mount-config.js';
import type { MountLayout } from './mount-layout.js';
import { planMount, withServerAddress } from './plan-mount.js';

/**
 * One export, mounted once on each node at `<mountRoot>/.export` and left mounted; each volume is a folder of it, bound to
 * its own target, so that `ro` is a matter of one volume.
 */
export class SubfolderLayout implements MountLayout {
  readonly isBind = true;
  readonly #context: DriverContext;
  readonly #config: MountDriverConfig;
  readonly #folders: VolumeFolders;
  #mounting: Promise<void> | undefined;

  constructor(context: DriverContext, config: MountDriverConfig) {
    this.#context = context;
    this.#config = config;
    this.#folders = new VolumeFolders(context, { root: join(config.mountRoot, '.export'), trashKeepMs: config.trashKeepMs });
  }

  async look(volume: DriverVolume, signal: AbortSignal): Promise<Place> {
    await this.#ready(signal);
    return await this.#folders.look(volume);
  }

  async create(volume: DriverVolume, signal: AbortSignal): Promise<void> {
    this.#folders.folder(volume.name);
    await this.#ready(signal);
    await this.#folders.create(volume, 'data folder');
  }

  async remove(volume: DriverVolume, signal: AbortSignal): Promise<void> {
    await this.#ready(signal);
    await this.#folders.remove(volume, signal);
  }

  async mount(volume: DriverVolume, request: { readonly target: string; readonly mode: MountMode }, signal: AbortSignal): Promise<void> {
    await this.#ready(signal);
    await this.#folders.needWithFolder(volume, DATA_FOLDER);
    const source = join(this.#folders.folder(volume.name), DATA_FOLDER);
    await this.#context.mounts.mount({ type: 'none', source, options: ['bind'], ...request }, signal);
  }

  /** The target is named by the uid and bound in one call: nothing else can be mounted there by us. */
  async check(): Promise<void> {
    return undefined;
  }

  /** The export stays mounted for the other volumes, so nobody can tell who of another namespace uses one. */
  async heldDevice(): Promise<undefined> {
    return undefined;
  }

  async sweep(): Promise<void> {
    return undefined;
  }

  async abort(): Promise<void> {
    return undefined;
  }

  async list(limit: number, signal: AbortSignal): Promise<readonly FoundVolume[]> {
    await this.#ready(signal);
    return await this.#folders.list(limit);
  }

  /** Mounts the export when it is not, once for all that wait, and makes sure that it answers. */
  async #ready(signal: AbortSignal): Promise<void> {
    const { root } = this.#folders;
    if (findMount(await this.#context.mounts.table(), root) === undefined) {
      this.#mounting ??= this.#mountExport(signal).finally(() => {
        this.#mounting = undefined;
      });
      await this.#mounting;
    }
    await this.#context.mounts.probe(root);
  }

  async #mountExport(signal: AbortSignal): Promise<void> {
    const { name } = this.#config;
    const { root } = this.#folders;
    await makeMountFolder(root);
    const { host, ...plan } = planMount(this.#config, { name: '', uid: '', options: {} });
    const resolved =
      host === undefined ? plan : withServerAddress(plan, await resolveHost(this.#context, { host, purpose: `driver ${name}` }, signal));
    await this.#context.mounts.mount({ ...resolved, target: root, mode: 'rw' }, signal);
    await this.#context.onStep('export mounted');
  }
}
