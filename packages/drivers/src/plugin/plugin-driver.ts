import { lstat, mkdir, rmdir } from 'node:fs/promises';
import { isAbsolute, join, normalize } from 'node:path';
import { AppError, hasReason } from '@volplane/base';
import {
  isVolumeName,
  parseDriverName,
  pluginVolumeName,
  quote,
  type AccessMode,
  type DriverInfo,
  type Scope,
  type StringMap,
} from '@volplane/domain';
import { findMount, isReadOnly } from '@volplane/host';
import type { DriverInspection, DriverVolume, MountRequest, VolumeDriver } from '@volplane/ports';
import type { DriverContext } from '../driver-context.js';
import { hasCode, withFsFaults } from '../fs-fault.js';
import type { PluginVolume } from './plugin-answers.js';
import type { PluginClient } from './plugin-client.js';

export interface PluginDriverConfig {
  /** The driver's name in the cluster; usually the plugin's. */
  readonly name: string;
  /** Where the mounts of its volumes are bound: `<root>/<uid>`. */
  readonly root: string;
  readonly scope: Scope;
  /** What its storage can bear, the default first. Absent: one node at a time, the one thing that harms no storage. */
  readonly accessModes?: readonly AccessMode[];
}

/**
 * A volume plugin of somebody else's as a driver.
 *
 * The plugin protocol knows names only, and tells "no such volume" from "something failed" only through List. So the
 * plugin's own name of a volume carries the uid (`NAME.UID12`): a late remove of an old uid cannot reach a new volume, on any node. A volume that
 * the plugin had before is adopted by the option `adopt`, under the name it has.
 *
 * What users get is a bind mount of the plugin's path: the kernel's table says whether a volume is mounted, also after the
 * plugin or the agent restarted, read-only is enforced, and a plugin that counts mounts sees one mount and one unmount.
 * The folder under the bind mount stands for the unmount that the plugin is owed.
 */
export class PluginDriver implements VolumeDriver {
  readonly info: DriverInfo;
  readonly outlivesMachine = true;
  readonly #context: DriverContext;
  readonly #client: PluginClient;
  readonly #root: string;

  constructor(context: DriverContext, client: PluginClient, config: PluginDriverConfig) {
    this.#context = context;
    this.#client = client;
    this.#root = config.root;
    const accessModes = config.accessModes ?? DEFAULT_ACCESS_MODES[config.scope];
    this.info = {
      name: parseDriverName(config.name),
      capabilities: { ...CAPABILITIES, scope: config.scope, accessModes },
      options: OPTIONS,
    };
  }

  async validate(options: StringMap): Promise<void> {
    const { adopt } = options;
    if (adopt === '') throw new AppError('INVALID_OPTION', 'option adopt names no volume of the plugin', { option: 'adopt' });
  }

  async create(volume: DriverVolume, signal: AbortSignal): Promise<void> {
    if (!isVolumeName(volume.name))
      throw new AppError('INVALID_NAME', `volume name ${quote(volume.name)} is not allowed`, { name: volume.name });
    const { adopt, ...options } = volume.options;
    const name = pluginVolumeName(volume);
    if ((await this.#find(name, signal)) !== undefined) return;
    if (adopt !== undefined)
      throw new AppError('DRIVER_FAILED', `plugin ${this.#client.name} has no volume ${quote(adopt)} to adopt`, { volume: volume.name });
    try {
      await this.#client.call('VolumeDriver.Create', { Name: name, Opts: options }, signal);
    } catch (error) {
      throw await this.#failedCreate(name, error, signal);
    }
    await this.#context.onStep('created');
  }

  async remove(volume: DriverVolume, signal: AbortSignal): Promise<void> {
    const name = pluginVolumeName(volume);
    if ((await this.#find(name, signal)) === undefined) return;
    if (findMount(await this.#context.mounts.table(), this.#target(volume)) !== undefined) {
      throw new AppError('DRIVER_FAILED', `volume ${volume.name} is not removed, because it is still mounted at ${this.#target(volume)}`, {
        volume: volume.name,
      });
    }
    try {
      await this.#client.call('VolumeDriver.Remove', { Name: name }, signal);
    } catch (error) {
      if ((await this.#find(name, signal)) !== undefined) throw atTheBorder(error);
    }
  }

  async mount(volume: DriverVolume, request: MountRequest, signal: AbortSignal): Promise<string> {
    const target = this.#target(volume);
    const entry = findMount(await this.#context.mounts.table(), target);
    if (entry !== undefined) {
      if (request.mode === 'rw' && isReadOnly(entry)) await this.#context.mounts.remount(target, { mode: 'rw', bind: true });
      return target;
    }
    const name = pluginVolumeName(volume);
    const found = await this.#find(name, signal);
    if (found === undefined) {
      throw new AppError('MOUNT_FAILED', `plugin ${this.#client.name} has no volume ${quote(name)}`, { volume: volume.name });
    }
    const { mountpoint } = found;
    if (!this.#context.mayMount && mountpoint && (await this.#owesUnmount(volume))) return mountpoint;
    // Plugins count: what a mount that was cut short may have left is undone before the next.
    await this.#unmountInPlugin(volume, signal);
    await withFsFaults(`mount of volume ${volume.name}`, () => mkdir(target, { recursive: true, mode: 0o700 }));
    await this.#context.onStep('unmount owed');
    const source = await this.#mountInPlugin(volume, name, signal);
    await this.#context.onStep('mounted by the plugin');
    if (!this.#context.mayMount) return source;
    try {
      await this.#context.mounts.mount({ type: 'none', source, target, options: ['bind'], mode: request.mode }, signal);
    } catch (error) {
      await this.#unmountInPlugin(volume, signal);
      throw error;
    }
    return target;
  }

  async unmount(volume: DriverVolume, signal: AbortSignal): Promise<void> {
    await this.#context.mounts.unmount(this.#target(volume), signal);
    await this.#context.onStep('unbound');
    await this.#unmountInPlugin(volume, signal);
  }

  async inspect(volume: DriverVolume, signal: AbortSignal): Promise<DriverInspection> {
    const target = this.#target(volume);
    const found = await this.#find(pluginVolumeName(volume), signal);
    const entry = findMount(await this.#context.mounts.table(), target);
    const path = this.#context.mayMount ? (entry === undefined ? undefined : target) : (found?.mountpoint ?? undefined);
    return {
      existence: found === undefined ? 'absent' : 'present',
      ...(path !== undefined && path !== '' && { mounted: { path, usable: true } }),
      ...(found?.createdat && !Number.isNaN(Date.parse(found.createdat)) && { createdAt: found.createdat }),
      status: { plugin: this.#client.addressText, pluginVolume: pluginVolumeName(volume), ...shownStatus(found) },
    };
  }

  #target(volume: DriverVolume): string {
    return join(this.#root, volume.uid);
  }

  /**
   * The plugin's volume of this name; undefined when it positively has none.
   *
   * @throws AppError DRIVER_UNAVAILABLE when it cannot be told
   */
  async #find(name: string, signal: AbortSignal): Promise<PluginVolume | undefined> {
    try {
      const { volume } = await this.#client.call('VolumeDriver.Get', { Name: name }, signal);
      if (volume !== undefined && volume !== null) return volume;
    } catch (error) {
      // Its "no" to Get may mean anything; the list decides.
      if (!hasReason(error, 'DRIVER_FAILED')) throw atTheBorder(error);
    }
    try {
      const { volumes } = await this.#client.call('VolumeDriver.List', {}, signal);
      return volumes?.find((volume) => volume.name === name);
    } catch (error) {
      throw new AppError(
        'DRIVER_UNAVAILABLE',
        `plugin ${this.#client.name} cannot say whether it has volume ${quote(name)}`,
        { plugin: this.#client.name },
        error,
      );
    }
  }

  /** A create that the plugin refused leaves nothing behind, or it is not known to have failed. */
  async #failedCreate(name: string, error: unknown, signal: AbortSignal): Promise<unknown> {
    if (!hasReason(error, 'DRIVER_FAILED')) return atTheBorder(error);
    if ((await this.#find(name, signal)) === undefined) return error;
    try {
      await this.#client.call('VolumeDriver.Remove', { Name: name }, signal);
      if ((await this.#find(name, signal)) === undefined) return error;
    } catch (removeError) {
      return new AppError(
        'DRIVER_UNAVAILABLE',
        `plugin ${this.#client.name} left half a volume ${quote(name)} behind`,
        { plugin: this.#client.name },
        removeError,
      );
    }
    return new AppError(
      'DRIVER_UNAVAILABLE',
      `plugin ${this.#client.name} keeps half a volume ${quote(name)}`,
      { plugin: this.#client.name },
      error,
    );
  }

  async #mountInPlugin(volume: DriverVolume, name: string, signal: AbortSignal): Promise<string> {
    let path: string;
    try {
      path = (await this.#client.call('VolumeDriver.Mount', { Name: name, ID: volume.uid }, signal)).mountpoint ?? '';
    } catch (error) {
      if (!hasReason(error, 'DRIVER_FAILED')) throw atTheBorder(error);
      await this.#forgetUnmount(volume);
      throw new AppError('MOUNT_FAILED', `volume ${volume.name} cannot be mounted`, { volume: volume.name }, error);
    }
    if (isAbsolute(path) && normalize(path) !== '/' && !path.includes('\0')) return path;
    await this.#unmountInPlugin(volume, signal);
    throw new AppError(
      'MOUNT_FAILED',
      `plugin ${this.#client.name} mounted volume ${volume.name} at ${quote(path)}, which is no usable path`,
      { volume: volume.name },
    );
  }

  /** Once for each mount that the plugin may have made. Its "no" after the bind mount is gone means that it has none. */
  async #unmountInPlugin(volume: DriverVolume, signal: AbortSignal): Promise<void> {
    if (!(await this.#owesUnmount(volume))) return;
    try {
      await this.#client.call('VolumeDriver.Unmount', { Name: pluginVolumeName(volume), ID: volume.uid }, signal);
    } catch (error) {
      if (!hasReason(error, 'DRIVER_FAILED')) throw atTheBorder(error);
      this.#context.log.warn('plugin refused to unmount what no user has mounted', {
        plugin: this.#client.name,
        volume: volume.name,
        error,
      });
    }
    await this.#forgetUnmount(volume);
  }

  async #owesUnmount(volume: DriverVolume): Promise<boolean> {
    try {
      await lstat(this.#target(volume));
      return true;
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return false;
      throw error;
    }
  }

  async #forgetUnmount(volume: DriverVolume): Promise<void> {
    await rmdir(this.#target(volume)).catch((error: unknown) => {
      if (!hasCode(error, 'ENOENT')) throw error;
    });
  }
}

const CAPABILITIES: DriverInfo['capabilities'] = {
  scope: 'local',
  accessModes: [],
  takeover: ['manual'],
  abort: false,
  fence: false,
  size: false,
  expand: false,
  snapshot: false,
  clone: false,
  block: false,
};

const DEFAULT_ACCESS_MODES: Readonly<Record<Scope, readonly AccessMode[]>> = {
  local: ['single-node-writer', 'single-node-reader-only'],
  global: [
    'single-node-writer',
    'single-node-reader-only',
    'multi-node-reader-only',
    'multi-node-single-writer',
    'multi-node-multi-writer',
  ],
};

const OPTIONS: StringMap = {
  adopt: 'take over the volume that the plugin has under this name, instead of creating one',
  '*': 'every other option goes to the plugin as it is',
};

const STATUS_ENTRIES_MAX = 16;
const STATUS_VALUE_MAX = 200;

/** Outcomes that are unknown do not cross to the agent: it asks again, and finds out. */
function atTheBorder(error: unknown): unknown {
  if (!hasReason(error, 'UNKNOWN_OUTCOME', 'OVERLOADED')) return error;
  return new AppError('DRIVER_UNAVAILABLE', error.message, error.failure.fields, error.cause);
}

function shownStatus(volume: PluginVolume | undefined): StringMap {
  const entries = Object.entries(volume?.status ?? {}).slice(0, STATUS_ENTRIES_MAX);
  return Object.fromEntries(
    entries.map(([key, value]) => [
      key.slice(0, STATUS_VALUE_MAX),
      (typeof value === 'string' ? value : JSON.stringify(value)).slice(0, STATUS_VALUE_MAX),
    ]),
  );
}
