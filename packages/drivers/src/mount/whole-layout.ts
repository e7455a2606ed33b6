import { realpath, stat } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { AppError } from '@volplane/base';
import type { MountMode } from '@volplane/domain';
import { findLoopDevices, findMount } from '@volplane/host';
import type { DriverVolume } from '@volplane/ports';
import type { DriverContext } from '../driver-context.js';
import { fsFault, hasCode, withFsFaults } from '../fs-fault.js';
import { makeMountFolder, removeMountFolder } from '../mount-folder.js';
import { resolveHost } from '../resolve-host.js';
import { isFileSystemAlive } from '../running-file-system.js';
import type { Place } from '../volume-folders.js';
import type { MountDriverConfig } from './mount-config.js';
import type { MountLayout } from './mount-layout.js';
import { planMount, toLookPlan, withServerAddress, type MountPlan } from './plan-mount.js';
import { claimExport, clearExport, lookAtExport } from './whole-export.js';

/**
 * Each volume is a whole file system of its own, and a marker file at its top says whose it is.
 *
 * What is not mounted is looked at through a short mount of its own, at `<mountRoot>/.work/<uid>`.
 */
export class WholeLayout implements MountLayout {
  readonly isBind = false;
  readonly #context: DriverContext;
  readonly #config: MountDriverConfig;

  constructor(context: DriverContext, config: MountDriverConfig) {
    this.#context = context;
    this.#config = config;
  }

  async look(volume: DriverVolume, signal: AbortSignal): Promise<Place> {
    const target = join(this.#config.mountRoot, volume.uid);
    if (findMount(await this.#context.mounts.table(), target) !== undefined) {
      await this.#context.mounts.probe(target);
      return await this.#lookAt(target, volume);
    }
    if (await this.#isSourceMissing(volume)) return { kind: 'absent' };
    return await this.#withWorkMount(volume, 'look', signal, (path) => this.#lookAt(path, volume));
  }

  async create(volume: DriverVolume, signal: AbortSignal): Promise<void> {
    const target = join(this.#config.mountRoot, volume.uid);
    const claim = async (path: string): Promise<void> => {
      const createdAt = new Date(this.#context.clock.wallMs()).toISOString();
      const place = await claimExport(path, { ...volume, createdAt, adopt: this.#config.adopt });
      if (place.kind !== 'own') throw this.#foreign(volume, place);
    };
    await withFsFaults(`create of volume ${volume.name}`, async () => {
      if (findMount(await this.#context.mounts.table(), target) !== undefined) await claim(target);
      else await this.#withWorkMount(volume, 'change', signal, claim);
    });
  }

  async remove(volume: DriverVolume, signal: AbortSignal): Promise<void> {
    if (await this.#isSourceMissing(volume)) return;
    await this.#withWorkMount(volume, 'change', signal, async (path) => {
      const place = await this.#lookAt(path, volume);
      if (place.kind === 'foreign' && place.unreadable) {
        const text = `volume ${volume.name} is not removed, because it cannot be told whose its file system is (${place.fault}): repair it, or take it away`;
        throw new AppError('DRIVER_FAILED', text, { volume: volume.name });
      }
      if (place.kind !== 'own') return;
      await withFsFaults(`remove of volume ${volume.name}`, () =>
        clearExport(this.#context, path, { keepData: place.marker.adopted === true, signal }),
      );
    });
  }

  async mount(volume: DriverVolume, request: { readonly target: string; readonly mode: MountMode }, signal: AbortSignal): Promise<void> {
    const { target, mode } = request;
    const plan = await this.#resolved(planMount(this.#config, volume), volume, signal);
    await this.#context.mounts.mount({ ...plan, target, mode }, signal);
  }

  async check(volume: DriverVolume, target: string): Promise<void> {
    await this.#context.mounts.probe(target);
    const place = await this.#lookAt(target, volume);
    if (place.kind === 'absent')
      throw new AppError('MOUNT_FAILED', `volume ${volume.name} does not exist on its export`, { volume: volume.name });
    if (place.kind === 'foreign') throw this.#foreign(volume, place);
  }

  async sweep(volume: DriverVolume, signal: AbortSignal): Promise<void> {
    const path = this.#workPath(volume);
    await this.#context.mounts.unmount(path, signal);
    await removeMountFolder(path);
  }

  async heldDevice(volume: DriverVolume): Promise<string | undefined> {
    const { source, options } = planMount(this.#config, volume);
    const look = { fsType: this.#config.type, options: options.filter((option) => option !== 'loop'), workPath: this.#workPath(volume) };
    for (const device of await this.#devicesOver(source, volume)) {
      // One after the other: each look mounts at the same place.
      if (await isFileSystemAlive(this.#context, { ...look, device })) return device;
    }
    return undefined;
  }

  async abort(volume: DriverVolume): Promise<void> {
    await this.#context.mounts.abort(this.#workPath(volume));
  }

  async #lookAt(path: string, volume: DriverVolume): Promise<Place> {
    return await withFsFaults(`a look at volume ${volume.name}`, () => lookAtExport(path, { ...volume, adopt: this.#config.adopt }));
  }

  /** A device that does not exist holds no volume; so a create that named a wrong one can be undone. */
  async #isSourceMissing(volume: DriverVolume): Promise<boolean> {
    const { source } = planMount(this.#config, volume);
    if (!isAbsolute(source) || source.startsWith('//')) return false;
    try {
      await stat(source);
      return false;
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ENOTDIR')) return true;
      throw fsFault(error, `a look at volume ${volume.name}`);
    }
  }

  /** The block device behind the source, or the loop devices over it when it is a file; none for servers. */
  async #devicesOver(source: string, volume: DriverVolume): Promise<readonly string[]> {
    if (!isAbsolute(source) || source.startsWith('//') || (await this.#isSourceMissing(volume))) return [];
    const real = await withFsFaults(`a look at volume ${volume.name}`, () => realpath(source));
    return real.startsWith('/dev/') ? [real] : await findLoopDevices(real);
  }

  async #withWorkMount<T>(
    volume: DriverVolume,
    purpose: 'look' | 'change',
    signal: AbortSignal,
    work: (path: string) => Promise<T>,
  ): Promise<T> {
    const path = this.#workPath(volume);
    await this.sweep(volume, signal);
    await makeMountFolder(path);
    const planned = planMount(this.#config, volume);
    const plan = await this.#resolved(purpose === 'look' ? toLookPlan(planned) : planned, volume, signal);
    try {
      await this.#context.mounts.mount({ ...plan, target: path, mode: purpose === 'look' ? 'ro' : 'rw' }, signal);
      await this.#context.onStep('mounted for work');
      return await work(path);
    } catch (error) {
      throw error instanceof AppError && error.reason === 'MOUNT_FAILED' ? cannotTell(error, volume) : error;
    } finally {
      // Not with the signal: it may have fired, and the mount must not stay.
      await this.#context.mounts.unmount(path);
      await removeMountFolder(path);
    }
  }

  async #resolved(plan: MountPlan, volume: DriverVolume, signal: AbortSignal): Promise<MountPlan> {
    if (plan.host === undefined) return plan;
    return withServerAddress(plan, await resolveHost(this.#context, { host: plan.host, purpose: `volume ${volume.name}` }, signal));
  }

  #foreign(volume: DriverVolume, place: Exclude<Place, { kind: 'own' }>): AppError {
    const fault = place.kind === 'foreign' ? place.fault : 'it came and went during the create';
    return new AppError('FOREIGN_DATA', `the export of volume ${volume.name} holds something else: ${fault}`, {
      volume: volume.name,
      uid: volume.uid,
    });
  }

  #workPath(volume: DriverVolume): string {
    return join(this.#config.mountRoot, '.work', volume.uid);
  }
}

function cannotTell(error: AppError, volume: DriverVolume): AppError {
  return new AppError(
    'DRIVER_UNAVAILABLE',
    `the export of volume ${volume.name} cannot be mounted, so it cannot be told what it holds`,
    { volume: volume.name },
    error,
  );
}
